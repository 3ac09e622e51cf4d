"""The configuration of an experiment. Imports no torch, so that a misspelled key is reported at once."""

from al_lightning.config.loading import (
    changes,
    difference,
    from_plain,
    from_saved,
    load,
    plain,
    to_yaml,
    validate,
    written,
)
from al_lightning.config.schema import CompleteConfig, Config, ConfigError, nearest

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
