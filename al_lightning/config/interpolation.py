"""Texts that stand for others, ${key} and ${oc.env:VARIABLE}, as OmegaConf writes them. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf

from al_lightning.config.schema import ConfigError
from al_lightning.config.yaml_text import first_line

KeyPath = tuple[str | int, ...]
"""Keys and positions, from the root to a value."""


def texts(tree: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """(path, text) of every text in mappings and lists."""
    if isinstance(tree, str):
        yield path, tree
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from texts(value, (*path, key))
    elif isinstance(tree, Sequence):
        for place, value in enumerate(tree):
            yield from texts(value, (*path, place))


def put(tree: Any, path: KeyPath, value: str) -> None:
    """Set what is at a path, where a text is there."""
    *above, last = path
    try:
        for part in above:
            tree = tree[part]
        if isinstance(tree[last], str):
            tree[last] = value
    except (KeyError, IndexError, TypeError):
        return


def is_interpolation(text: str) -> bool:
    r"""Whether a text as it is written stands for another.

    Example:
        >>> is_interpolation("${oc.env:DATA}/polyps"), is_interpolation("data"), is_interpolation(r"\${x}")
        (True, False, False)
    """
    return re.search(r"(?<!\\)(\\\\)*\$\{", text) is not None


def escaped(value: Any) -> Any:
    r"""Plain values whose texts OmegaConf reads as they are.

    Example:
        >>> print(escaped(["${x}", 1])[0])
        \${x}
    """
    if isinstance(value, str):
        return re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", value)
    if isinstance(value, Mapping):
        return {key: escaped(one) for key, one in value.items()}
    return [escaped(one) for one in value] if isinstance(value, list | tuple) else value


def check_interpolations(config: Any) -> None:
    """Refuse a DictConfig with an interpolation that cannot be resolved.

    Raises:
        ConfigError: the first one; the message names its key.
    """
    for path, text in texts(OmegaConf.to_container(config, resolve=False)):
        if not is_interpolation(text):
            continue
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        try:
            found = OmegaConf.select(config, key)
            if OmegaConf.is_config(found):
                OmegaConf.to_container(found, resolve=True)
        except RecursionError:
            raise ConfigError(f"{key}={text[:200]!r}: stands for itself; write the value out") from None
        except Exception as error:
            raise ConfigError(f"{key}={text[:200]!r}: {first_line(error)}") from None
