"""Reads JSON that somebody may have edited: whatever is wrong with it is one line that names the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import Any, TypeAlias

Shape: TypeAlias = Any
"""What `expect` compares with: a type; [shape] for a list of such; {"key": shape} for an object, where "key?" may be
missing, "*" stands for every other key, and keys that are not named may hold anything; a tuple for either of these."""
NUMBER = (int, float)
MAYBE_NUMBER = (int, float, NoneType)

_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    NoneType: "null",
    list: "a list",
    dict: "an object",
}


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a folder, empty, not UTF-8, not JSON, or an object with a key twice; the message is one line.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: expected a file, found {'a folder' if path.is_dir() else 'something else'}")
    return parse_json(path.read_bytes(), str(path))


def parse_json(raw: bytes, where: str) -> Any:
    """The value of a JSON text.

    Args:
        raw: the text in UTF-8.
        where: what the error begins with.

    Raises:
        ValueError: as of `read_json`.

    Example:
        >>> parse_json(b'{"a": 1, "a": 2}', "x.json")
        Traceback (most recent call last):
        ValueError: x.json: the key 'a' occurs twice
    """
    if not raw.strip():
        raise ValueError(f"{where}: is empty")
    if b"\0" in raw:
        raise ValueError(f"{where}: holds NUL bytes, as a file does that was cut off by a power failure")

    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise _Twice(f"{where}: the key {key!r} occurs twice")
            found[key] = value
        return found

    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=once)
    except _Twice as error:
        raise ValueError(str(error)) from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: not in UTF-8 ({error.reason} at byte {error.start})") from None
    except ValueError as error:
        raise ValueError(f"{where}: not JSON ({error})") from None
    except RecursionError:
        raise ValueError(f"{where}: not JSON of any use (nested too deeply)") from None


def expect(value: Any, shape: Shape, where: str, key: str = "") -> None:
    """Check the types of a value that was read from JSON.

    Args:
        value: what was read.
        shape: what it has to look like.
        where: what the error begins with.
        key: dotted key of the value inside its file.

    Raises:
        ValueError: a key is missing or a value has another type; the message names it.

    Example:
        >>> expect({"stage": 1, "test": 5}, {"stage": int, "test": {"*": NUMBER}}, "x.json")
        Traceback (most recent call last):
        ValueError: x.json: test=5: expected an object, found a whole number
    """
    parts: tuple[Any, ...] = shape if isinstance(shape, tuple) else (shape,)
    kinds = tuple(part if isinstance(part, type) else type(part) for part in parts)
    known = any(isinstance(value, kind) for kind in kinds)
    if not known or (isinstance(value, bool) and bool not in kinds):
        wanted = " or ".join(dict.fromkeys(_NAMES[float if kind is int and float in kinds else kind] for kind in kinds))
        shown = repr(value) if len(repr(value)) < 40 else f"{repr(value)[:37]}..."
        label = f"{key}={shown}: " if key else ""
        raise ValueError(f"{where}: {label}expected {wanted}, found {_NAMES.get(type(value), type(value).__name__)}")
    prefix = f"{key}." if key else ""
    inner: Any = next((part for part in parts if type(part) is type(value)), None)
    if isinstance(inner, list):
        for position, item in enumerate(value):
            expect(item, inner[0], where, f"{prefix}{position}")
    if not isinstance(inner, dict):
        return
    for name, part in inner.items():
        bare = name.removesuffix("?")
        if name == "*":
            for other in value.keys() - {one.removesuffix("?") for one in inner}:
                expect(value[other], part, where, f"{prefix}{other}")
        elif bare in value:
            expect(value[bare], part, where, f"{prefix}{bare}")
        elif bare == name:
            raise ValueError(f"{where}: no {prefix + name!r}")


class _Twice(Exception):
    """A key occurs twice; not a ValueError, which json's own errors are."""
