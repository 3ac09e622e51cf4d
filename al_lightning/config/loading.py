"""Reads a configuration from files and overrides, and checks it.

Imports no torch, so that a misspelled key is reported at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from al_lightning.config import catalogue
from al_lightning.config.interpolation import check_interpolations
from al_lightning.config.names import check_entry_name, check_folder_name
from al_lightning.config.schema import Config, ConfigError
from al_lightning.config.secrets import check_secrets
from al_lightning.config.yaml_text import check_yaml, first_line

SWITCHED = ("dataset", "learner", "strategy", "oracle")
"""Sections whose options are those of the entry that they name."""
TEXTS = ("name", "runs_dir", *(f"{section}.name" for section in SWITCHED))
"""Keys whose value is a text: YAML reads 010 as 8 and no as false."""
FORMER = {"learner": {"epoch": "longest"}}
"""What a run did before there was a key for it, where that is not the key's default."""
LARGEST = 2**31 - 1
MOST = {"learner.committee.members": 1_000, "learner.mc_passes": 10_000}
"""Numbers above which a run would not end, or the machine would stop."""

WORKERS = 64
"""Processes of a loader that are allowed on any machine; more only where it has as many cores."""


def load(files: Iterable[str | Path], overrides: Iterable[str] = ()) -> Config:
    """Merge files left to right, then `key=value` overrides, over the defaults.

    A file is a path, or the name of an experiment that the package ships: `kvasir-random` (see `catalogue.resolve`).
    A file can extend other files: `base: kvasir.yaml` (one or a list), paths relative to itself or shipped names.
    A layer that changes the `name` of a section drops the options that were set for the old name.

    Raises:
        ConfigError: an unknown key, a wrong type, a missing value.
        FileNotFoundError: a file does not exist.
    """
    files, overrides = list(files), list(overrides)
    layers = [layer for file in files for layer in _read(file)]
    for item in overrides:
        if "=" not in item:
            raise ConfigError(f"{item!r}: expected key=value, such as budget.stages=4, or the path of a YAML file")
    merged = _merged([*layers, *map(_override, overrides)])
    if OmegaConf.is_missing(merged.strategy, "name"):
        catalogue.need_variant(files)
    return validate(cast(Config, merged))


def validate(config: Config) -> Config:
    """Check what the types leave open: missing values and ranges; returns the config.

    Raises:
        ConfigError: a value is missing or out of range; the message names its key.
    """
    if OmegaConf.is_config(config):
        check_interpolations(config)
    missing = sorted(str(key) for key in OmegaConf.missing_keys(config))
    if missing:
        raise ConfigError(f"{missing[0]}: no value given (missing: {', '.join(missing)})")
    counts = {
        "budget.initial": config.budget.initial,
        "budget.per_stage": config.budget.per_stage,
        "budget.stages": config.budget.stages,
        "budget.stop.stages": config.budget.stop.stages,
        "budget.apart": config.budget.apart,
        "dataset.max_pixels": config.dataset.max_pixels,
        "loader.batch_size": config.loader.batch_size,
        "learner.committee.members": config.learner.committee.members,
        "learner.mc_passes": config.learner.mc_passes,
    }
    for key, value in counts.items():
        if value < 1:
            raise ConfigError(f"{key}={value}: expected a number of at least 1")
    if config.learner.unlabelled_from < 0:
        raise ConfigError(f"learner.unlabelled_from={config.learner.unlabelled_from}: expected a stage, from 0 on")
    for key in ("initial_epochs", "patience"):
        if (epochs := getattr(config.learner, key)) is not None and epochs < 1:
            raise ConfigError(f"learner.{key}={epochs}: expected at least 1, or null")
    if config.budget.per_group is not None and config.budget.per_group < 1:
        raise ConfigError(f"budget.per_group={config.budget.per_group}: expected a number of at least 1, or null")
    if config.budget.stop.gain is not None and not 0 < config.budget.stop.gain < 100:
        raise ConfigError(f"budget.stop.gain={config.budget.stop.gain}: expected points above 0, such as 0.5, or null")
    if config.budget.pixels is not None and not 0 < config.budget.pixels <= 1:
        raise ConfigError(f"budget.pixels={config.budget.pixels}: expected a fraction above 0 and up to 1, or null")
    if config.loader.workers > (most := max(WORKERS, os.cpu_count() or 1)):
        raise ConfigError(
            f"loader.workers={config.loader.workers}: expected at most {most} processes (the cores of this machine, "
            f"or {WORKERS}), of which each rank starts as many"
        )
    for key, value in (others := {"seed": config.seed, "loader.workers": config.loader.workers}).items():
        if value < 0:
            raise ConfigError(f"{key}={value}: expected a number of at least 0")
    for key, value in {**counts, **others}.items():
        if value > MOST.get(key, LARGEST):
            raise ConfigError(f"{key}={value}: expected a number of at most {MOST.get(key, LARGEST)}")
    check_folder_name("name", config.name)
    for section in SWITCHED:
        check_entry_name(f"{section}.name", getattr(config, section).name)
    return config


def from_saved(path: Path, overrides: Iterable[str] = ()) -> Config:
    """The config that a run saved in its folder; keys that were not there when it was saved are as it began.

    Args:
        path: of config.yaml.
        overrides: key=value, over it.

    Raises:
        ConfigError, FileNotFoundError: as of `load`.
    """
    return validate(cast(Config, _merged([OmegaConf.create(FORMER), *_read(path), *map(_override, overrides)])))


def from_plain(values: Mapping[str, Any]) -> Config:
    """The config that `plain` made these values of; other keys are as of `from_saved`.

    Raises:
        ConfigError: as of `load`.
    """
    return validate(cast(Config, _merged([OmegaConf.create(FORMER), OmegaConf.create(dict(values))])))


def _read(word: str | Path, beside: Path = Path(), above: tuple[Path, ...] = ()) -> list[DictConfig]:
    found = catalogue.resolve(word, beside)
    file = found.path.resolve()
    if file in above:
        raise ConfigError(
            f"{above[-1]}: base={str(word)!r}: this file extends the one that names it; remove one of the two"
        )
    content = catalogue.read(found.path)
    below = [layer for base in content.bases for layer in _read(base, found.path.parent, (*above, file))]
    return [*below, content.layer, *([content.variants[found.variant]] if found.variant else [])]


def _override(item: str) -> DictConfig:
    """One `key=value`; the value is YAML, but for a # in it, which a path may hold and a shell line has no comments in.

    Raises:
        ConfigError: it is no YAML.
    """
    key, _, value = item.partition("=")
    if " #" in value and value[:1] not in "\"'[{":
        value = json.dumps(value)
    check_yaml(value, item)
    try:
        return OmegaConf.from_dotlist([f"{key}={value}"])
    except Exception as error:
        raise ConfigError(f"{item[:200]}: not readable as YAML: {first_line(error)}") from None


def _check_sections(below: DictConfig, layer: DictConfig, prefix: str = "") -> None:
    """Raise ConfigError where a section is given a single value, or a text a number."""
    for name, value in layer.items_ex(resolve=False):
        if name not in below:
            continue
        key = f"{prefix}{name!s}"
        known: Any = None if OmegaConf.is_missing(below, name) else below[name]
        if isinstance(known, DictConfig):
            if not isinstance(value, DictConfig):
                keys = ", ".join(map(str, known)) or "any"
                raise ConfigError(f"{key}={value!r}: expected a section with keys ({keys})")
            _check_sections(known, value, f"{key}.")
        elif key in TEXTS and not isinstance(value, str):
            raise ConfigError(
                f"{key}={value!r}: expected a text, and YAML reads a {type(value).__name__}; put it in quotes"
            )


def _merged(layers: Iterable[Any]) -> Any:
    """Layers over the defaults, left to right."""
    merged: Any = OmegaConf.structured(Config)
    for layer in layers:
        check_secrets(OmegaConf.to_container(layer))
        merged = _merge(merged, layer)
    return merged


def _merge(below: Any, layer: DictConfig | ListConfig) -> Any:
    for section in SWITCHED:
        changed = layer.get(section) if isinstance(layer, DictConfig) else None
        name = changed.get("name") if isinstance(changed, DictConfig) else None
        old = below[section]
        if name is not None and not OmegaConf.is_missing(old, "name") and old.name != name:
            old.options = {}
    if isinstance(layer, DictConfig):
        _check_sections(below, layer)
    try:
        return OmegaConf.merge(below, layer)
    except OmegaConfBaseException as error:
        raise ConfigError(describe(error, OmegaConf.to_container(layer))) from None
    except (TypeError, ValueError, AttributeError) as error:
        key = _guilty(below, layer)
        raise ConfigError(f"{key}={OmegaConf.select(layer, key)!r}: {first_line(error)}") from None


def _guilty(below: Any, layer: Any, prefix: str = "") -> str:
    """The key of a layer that cannot be merged, as far down as there are sections."""
    for name in layer:
        key = f"{prefix}{name}"
        try:
            part = OmegaConf.create({})
            OmegaConf.update(part, key, layer[name], force_add=True)
            OmegaConf.merge(below, part)
        except Exception:
            known, value = OmegaConf.select(below, key), layer[name]
            inside = isinstance(known, DictConfig) and isinstance(value, DictConfig)
            return _guilty(below, value, f"{key}.") if inside else key
    return prefix.rstrip(".")


def describe(error: OmegaConfBaseException, given: Any) -> str:
    """OmegaConf's message of several lines as one: the key, the value, what was expected."""
    key = str(error.full_key or error.key or "config")
    text = first_line(error)
    value: Any = given
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    shown = f"{key}={value!r}" if value is not None else key
    return f"{shown}: {text[:1].lower()}{text[1:]}"
