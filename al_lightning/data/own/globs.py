"""Patterns such as "*/Original/*.png": the files they match, and what their wildcards stand for."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

WILD = re.compile(r"[*?\[]")


def is_glob(text: str) -> bool:
    """Whether a text has wildcards.

    Example:
        >>> is_glob("*/Original/*.png"), is_glob("Ground Truth")
        (True, False)
    """
    return WILD.search(text) is not None


def split_glob(pattern: str) -> tuple[str, str]:
    """(leading folders without wildcards, the rest).

    Example:
        >>> split_glob("store/*/a?.png"), split_glob("*.png")
        (('store', '*/a?.png'), ('', '*.png'))
    """
    parts = pattern.split("/")
    first = next(number for number, part in enumerate(parts) if is_glob(part))
    head = "/".join(parts[:first])
    return head or ("/" if pattern.startswith("/") else ""), "/".join(parts[first:])


def matcher(pattern: str) -> re.Pattern[str]:
    """A regular expression for paths with /; ** stands for any number of folders, and case does not count.

    What stands for a part that is one * with text around it, or for **, is a group.
    """
    out = ""
    for part in (parts := pattern.split("/"))[:-1]:
        out += "(?:(.*)/)?" if part == "**" else f"{_part(part)}/"
    last = parts[-1]
    return re.compile(out + _part("*" if last == "**" else last), re.IGNORECASE)


def key_of(path: str, expression: re.Pattern[str]) -> str | None:
    """What the wildcards stand for, without the file's suffix; None where the pattern does not match.

    Example:
        >>> key_of("p1/Original/7.png", matcher("*/Original/*.png"))
        'p1/7'
        >>> key_of("train_images/7.png", matcher("*_images/*"))
        'train/7'
    """
    match = expression.fullmatch(path)
    if match is None:
        return None
    parts = [part for part in match.groups() if part]
    suffix = PurePosixPath(path).suffix
    if parts and suffix and parts[-1].endswith(suffix) and match.end(match.lastindex or 0) == len(path):
        parts[-1] = parts[-1][: -len(suffix)]
    return "/".join(parts) or PurePosixPath(path).with_suffix("").name


def _part(part: str) -> str:
    """One part of a pattern: its text dropped where it has one *, and kept as a whole where it has other wildcards."""
    pieces = re.split(r"(\*+|\?|\[[^\]]+\])", part)
    one_star = len(pieces) == 3 and pieces[1] == "*"
    text = "".join(
        re.escape(piece)
        if number % 2 == 0
        else ("([^/]*)" if one_star else "[^/]*")
        if piece.startswith("*")
        else "[^/]"
        if piece == "?"
        else piece.replace("[!", "[^")
        for number, piece in enumerate(pieces)
    )
    return text if len(pieces) == 1 or one_star else f"({text})"


def base_of(root: Path, head: str) -> Path:
    """The folder that a pattern or a folder's name starts from: absolute, or below root."""
    return (root / Path(head).expanduser()) if head else root
