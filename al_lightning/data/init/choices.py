"""A question about a folder that its files leave open, and the answers that make it readable."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Options: TypeAlias = dict[str, Any]
PLAIN = re.compile(r"[A-Za-z_/][\w/.-]*(?: [\w/.()-]+)*")
WORDS = ("null", "true", "false", "yes", "no", "on", "off", "none", "y", "n", "~")


@dataclass(frozen=True)
class Choice:
    """An answer: options of the loader, and what follows from them."""

    options: Options
    says: str
    """What the files then are, as the reading found it."""
    because: str = ""
    """What makes it certain; "" where it is not."""


@dataclass(frozen=True)
class Question:
    """What is not clear."""

    option: str
    """The option that decides it."""
    why: str
    """What was seen, in one line."""
    choices: tuple[Choice, ...]
    needed: bool = True
    """Whether the set cannot be read without an answer."""


Ask: TypeAlias = Callable[[Question], Choice | None]
"""Puts a question to the user; None: it stays open."""


def nobody(question: Question) -> Choice | None:
    """An `Ask` where nobody can be asked."""
    return None


def distinct(found: Iterable[Options]) -> list[Options]:
    """Each of these options once."""
    kept: list[Options] = []
    for one in found:
        if one not in kept:
            kept.append(one)
    return kept


def flow(value: Any) -> str:
    """A value in one line of YAML.

    Example:
        >>> flow({"a": [1, 2.5], "b": None, "c": "no", "d": "data/x y", "e": True})
        '{a: [1, 2.5], b: null, c: "no", d: data/x y, e: true}'
    """
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{flow(str(key))}: {flow(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, str):
        simple = PLAIN.fullmatch(value) and value.lower() not in WORDS
        return value if simple else json.dumps(value, ensure_ascii=False)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"
