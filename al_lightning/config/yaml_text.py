"""YAML of a user -> plain values, within bounds: aliases that repeat each other can make a terabyte of a kilobyte."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from omegaconf import OmegaConf

from al_lightning.config.schema import ConfigError

LONGEST = 4 << 20
"""Bytes of a file."""
DEEPEST = 64
"""Levels of mappings and lists."""
MOST = 100_000
"""Keys and values, with those that aliases repeat."""


def read_yaml(path: Path) -> Any:
    """The file as OmegaConf reads it: a DictConfig where it holds a mapping.

    Raises:
        ConfigError: it cannot be read, or is refused by `check_yaml`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not readable as YAML: not in UTF-8 ({error.reason}); save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    check_yaml(text, str(path))
    try:
        return OmegaConf.load(io.StringIO(text))
    except Exception as error:
        raise ConfigError(f"{path}: not readable as YAML: {first_line(error)}") from None


def check_yaml(text: str, where: str) -> None:
    """Refuse YAML that is no YAML, or that would not stay small when it is read.

    Args:
        text: the YAML.
        where: the file or the override, for an error.

    Raises:
        ConfigError: it cannot be parsed, is nested too deeply, holds too much, or refers to itself.
    """
    if len(text) > LONGEST:
        raise ConfigError(f"{where[:200]}: {len(text)} characters; a configuration has at most {LONGEST}")
    depth = 0
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise ConfigError(f"{where[:200]}: more than {DEEPEST} levels of lists and mappings in each other")
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where[:200]}: not readable as YAML: {first_line(error)}") from None
    if root is not None and (number := _size(root, {}, set())) is None:
        raise ConfigError(f"{where[:200]}: an alias refers to what it is part of; write the value out")
    elif root is not None and number is not None and number > MOST:
        raise ConfigError(f"{where[:200]}: holds {number} values, as its aliases repeat them; at most {MOST} are read")


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _size(node: yaml.Node, known: dict[int, int], above: set[int]) -> int | None:
    """Values in a node, those of an alias each time; None where it is part of itself."""
    if id(node) in above:
        return None
    if id(node) not in known:
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        else:
            parts = node.value if isinstance(node, yaml.SequenceNode) else []
        total = 1
        for part in parts:
            size = _size(part, known, above | {id(node)})
            if size is None:
                return None
            total += size
        known[id(node)] = total
    return known[id(node)]
