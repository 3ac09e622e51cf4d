"""The configuration of an experiment. Imports no torch, so that a misspelled key is reported at once."""

from al_lightning.config.loading import from_plain, from_saved, load, validate
from al_lightning.config.schema import CompleteConfig, Config, ConfigError, nearest
from al_lightning.config.values import changes, difference, plain, to_yaml, written

__all__ = [
    "CompleteConfig",
    "Config",
    "ConfigError",
    "changes",
    "difference",
    "from_plain",
    "from_saved",
    "load",
    "nearest",
    "plain",
    "to_yaml",
    "validate",
    "written",
]
