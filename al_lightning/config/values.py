"""A config as plain values: what is saved, logged and compared. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from omegaconf import OmegaConf

from al_lightning.config.interpolation import KeyPath, escaped, is_interpolation, put, texts
from al_lightning.config.schema import CompleteConfig, Config


def to_yaml(config: Config) -> str:
    """The config as YAML, defaults included, with interpolations of texts as they were written."""
    return OmegaConf.to_yaml(OmegaConf.create(written(config)))


def plain(config: Config) -> dict[str, Any]:
    """The config as plain dicts and lists, equal to what its YAML is read as."""
    if isinstance(config, CompleteConfig):
        container: Any = {key: value for key, value in asdict(config).items() if key != "interpolated"}
    else:
        merged = config if OmegaConf.is_config(config) else OmegaConf.structured(config)
        container = OmegaConf.to_container(cast(Any, merged), resolve=True, enum_to_str=True)
    return cast(dict[str, Any], json.loads(json.dumps(container)))


def written(config: Config) -> dict[str, Any]:
    """`plain`, with the interpolations of texts as they were written: what to save, to log and to show.

    `${oc.env:WANDB_API_KEY}` is not a secret, and its value is. Names, numbers and truth values are resolved, so that
    a run goes on with those that it began with.
    """
    tree = plain(config)
    for path, text in list(texts(tree)):
        if is_interpolation(text):
            put(tree, path, escaped(text))
    for path, text in interpolations(config):
        put(tree, path, text)
    return tree


def interpolations(config: Config) -> tuple[tuple[KeyPath, str], ...]:
    """(path, what is written) of each text of a config that stands for another, but for names."""
    if isinstance(config, CompleteConfig):
        return config.interpolated
    if not OmegaConf.is_config(config):
        return ()
    found = texts(OmegaConf.to_container(cast(Any, config), resolve=False))
    resolved = dict(texts(plain(config)))
    return tuple(
        (path, text) for path, text in found if is_interpolation(text) and path in resolved and path[-1] != "name"
    )


def changes(old: Config, new: Config) -> list[str]:
    """`difference` of two configs; a text that is written as the same interpolation in both is no difference.

    Where `${oc.env:DATA}` has another value than before, that is what its user asks for.
    """
    before, after = plain(old), plain(new)
    for path, text in set(interpolations(old)) & set(interpolations(new)):
        put(before, path, text)
        put(after, path, text)
    return difference(before, after)


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
