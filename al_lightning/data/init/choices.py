"""A question about a folder that its files leave open, and the answers that make it readable."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from omegaconf import OmegaConf

Options: TypeAlias = dict[str, Any]
ASSIGNED = re.compile(r"dataset\.options\.(\w+)=([\w.]+)")
PLAIN = re.compile(r"[A-Za-z_/][\w/.-]*(?: [\w/.()-]+)*")
WORDS = ("null", "true", "false", "yes", "no", "on", "off", "none", "y", "n", "~")
BRACES = re.compile(r"\{(?:[^{}]|\{[^{}]*\})*\}")


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


def proposals(message: str) -> list[Options]:
    """The options that a message of a loader proposes, in its order.

    Example:
        >>> proposals("is unclear: dataset.options: {foreground: [4]}, [3] or [3, 4], and with void: [N] the rest")
        [{'foreground': [4]}, {'foreground': [3]}, {'foreground': [3, 4]}]
        >>> proposals("or set dataset.options.groups=folder")
        [{'groups': 'folder'}]
    """
    found: list[Options] = []
    at = message.find("dataset.options: {")
    for braces in BRACES.finditer(message, at) if at >= 0 else ():
        options = _read(braces[0])
        found += [options] if options else []
        if set(options) == {"foreground"}:
            alternatives = re.match(r"((?:,| or) \[[\d, ]+\])+", message[braces.end() :])
            lists = re.findall(r"\[[\d, ]+\]", alternatives[0]) if alternatives else []
            found += [{"foreground": OmegaConf.to_container(OmegaConf.create(text))} for text in lists]
    found += [_read(f"{{{key}: {value}}}") for key, value in ASSIGNED.findall(message)]
    return distinct(one for one in found if one)


def distinct(found: Iterable[Options]) -> list[Options]:
    """Each of these options once."""
    kept: list[Options] = []
    for one in found:
        if one not in kept:
            kept.append(one)
    return kept


def _read(text: str) -> Options:
    """Options as YAML has them; {} where the text has a placeholder or is none."""
    if "..." in text or re.search(r"\b[NX]\b", text):
        return {}
    try:
        read = OmegaConf.to_container(OmegaConf.create(text))
    except Exception:
        return {}
    return {str(key): value for key, value in read.items()} if isinstance(read, Mapping) else {}


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
