"""Finding: something about a dataset that its user should know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
SPLITS = ("test", "validation", "pool", "held out", "no split")
"""In the order in which a pair names them. held out: in no split of the loader, as what `clean` takes out of the pool;
no split: of a dataset that the loader refuses."""
SAME = ("exact duplicate", "near duplicate")
PAIRS = (*SAME, "same scene", "same name")
"""Kinds that are about two images."""


@dataclass(frozen=True)
class Finding:
    """Something about the set, a split, one image or two."""

    kind: str
    """Such as `truncated`, `mask size`, `exact duplicate`, `near duplicate`, `same name`, `label fraction`."""
    severity: Severity
    """error: a run would be wrong, or refuse."""
    ids: tuple[str, ...]
    """The images that it is about; the two of a pair; () of a whole set or split."""
    paths: tuple[str, ...]
    """The file of each id."""
    splits: tuple[str, ...]
    """Of each id, one of `SPLITS`; the split that it is about where there are no ids."""
    detail: str
    distance: float | None = None
    """1 - correlation of the two pictures; 0 for equal pixels; None for others, or if one cannot be read."""
    same_name: bool = False
    """The two files of a pair have one name."""

    @property
    def pair(self) -> bool:
        """Whether it is about two images that are alike."""
        return self.kind in PAIRS

    @property
    def place(self) -> str:
        """The splits, each once."""
        return " and ".join(dict.fromkeys(self.splits)) or "all"

    @property
    def count(self) -> int:
        """How many there are: images or pairs."""
        return 1 if self.pair else max(1, len(self.ids))


def of_set(kind: str, severity: Severity, detail: str, *splits: str) -> Finding:
    """A finding about a whole set, or about splits.

    Example:
        >>> of_set("mask values", "info", "0 is background", "pool").place
        'pool'
    """
    return Finding(kind, severity, (), (), splits, detail)
