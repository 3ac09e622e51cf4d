"""Reads a configuration from files and overrides, checks it, and writes it.

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
from al_lightning.config.schema import Config, ConfigError

SWITCHED = ("dataset", "learner", "strategy", "oracle")
"""Sections whose options are those of the entry that they name."""
TEXTS = ("name", "runs_dir", *(f"{section}.name" for section in SWITCHED))
"""Keys whose value is a text: YAML reads 010 as 8 and no as false."""

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
    layers += [_override(item) for item in overrides]
    merged: Any = OmegaConf.structured(Config)
    for layer in layers:
        merged = _merge(merged, layer)
    if OmegaConf.is_missing(merged.strategy, "name"):
        catalogue.need_variant(files)
    return validate(cast(Config, merged))


def validate(config: Config) -> Config:
    """Check what the types leave open: missing values and ranges; returns the config.

    Raises:
        ConfigError: a value is missing or out of range; the message names its key.
    """
    missing = sorted(str(key) for key in OmegaConf.missing_keys(config))
    if missing:
        raise ConfigError(f"{missing[0]}: no value given (missing: {', '.join(missing)})")
    positive = {
        "budget.initial": config.budget.initial,
        "budget.per_stage": config.budget.per_stage,
        "budget.stages": config.budget.stages,
        "loader.batch_size": config.loader.batch_size,
        "learner.committee.members": config.learner.committee.members,
        "learner.mc_passes": config.learner.mc_passes,
    }
    for key, value in positive.items():
        if value < 1:
            raise ConfigError(f"{key}={value}: expected a number of at least 1")
    for key in ("initial_epochs", "patience"):
        if (epochs := getattr(config.learner, key)) is not None and epochs < 1:
            raise ConfigError(f"learner.{key}={epochs}: expected at least 1, or null")
    if config.budget.pixels is not None and not 0 < config.budget.pixels <= 1:
        raise ConfigError(f"budget.pixels={config.budget.pixels}: expected a fraction above 0 and up to 1, or null")
    if config.loader.workers > (most := max(WORKERS, os.cpu_count() or 1)):
        raise ConfigError(
            f"loader.workers={config.loader.workers}: expected at most {most} processes (the cores of this machine, "
            f"or {WORKERS}), of which each rank starts as many"
        )
    for key, value in {"seed": config.seed, "loader.workers": config.loader.workers}.items():
        if value < 0:
            raise ConfigError(f"{key}={value}: expected a number of at least 0")
    if "/" in config.name or config.name in ("", ".", ".."):
        raise ConfigError(f"name={config.name!r}: expected a name that can be a folder name")
    return config


def from_saved(path: Path) -> Config:
    """The config that a run saved in its folder."""
    return load([path])


def from_plain(values: Mapping[str, Any]) -> Config:
    """The config that `plain` made these values of.

    Raises:
        ConfigError: as of `load`.
    """
    return validate(cast(Config, _merge(OmegaConf.structured(Config), OmegaConf.create(dict(values)))))


def to_yaml(config: Config) -> str:
    """The config as YAML, defaults included."""
    return OmegaConf.to_yaml(OmegaConf.create(plain(config)))


def plain(config: Config) -> dict[str, Any]:
    """The config as plain dicts and lists, equal to what its YAML is read as."""
    merged = config if OmegaConf.is_config(config) else OmegaConf.structured(config)
    container = OmegaConf.to_container(cast(Any, merged), resolve=True, enum_to_str=True)
    return cast(dict[str, Any], json.loads(json.dumps(container)))


def difference(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Lines "key: old -> new", one for every value that differs.

    Example:
        >>> difference({"seed": 0, "loader": {"workers": 2}}, {"seed": 0, "loader": {"workers": 4}})
        ['loader.workers: 2 -> 4']
    """
    lines: list[str] = []
    for key in sorted(set(old) | set(new)):
        a, b = old.get(key, "(not set)"), new.get(key, "(not set)")
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            lines += difference(a, b, f"{prefix}{key}.")
        elif a != b:
            lines.append(f"{prefix}{key}: {a} -> {b}")
    return lines


def _read(word: str | Path, beside: Path = Path()) -> list[DictConfig]:
    found = catalogue.resolve(word, beside)
    content = catalogue.read(found.path)
    below = [layer for base in content.bases for layer in _read(base, found.path.parent)]
    return [*below, content.layer, *([content.variants[found.variant]] if found.variant else [])]


def _override(item: str) -> DictConfig:
    """One `key=value`; the value is YAML, but for a # in it, which a path may hold and a shell line has no comments in.

    Raises:
        ConfigError: it is no YAML.
    """
    key, _, value = item.partition("=")
    if " #" in value and value[:1] not in "\"'[{":
        value = json.dumps(value)
    try:
        return OmegaConf.from_dotlist([f"{key}={value}"])
    except Exception as error:
        raise ConfigError(f"{item}: not readable as YAML: {_first_line(error)}") from None


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


def describe(error: OmegaConfBaseException, given: Any) -> str:
    """OmegaConf's message of several lines as one: the key, the value, what was expected."""
    key = str(error.full_key or error.key or "config")
    text = _first_line(error)
    value: Any = given
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    shown = f"{key}={value!r}" if value is not None else key
    return f"{shown}: {text[:1].lower()}{text[1:]}"


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
