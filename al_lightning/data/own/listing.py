"""Listing: what is known of a user's images before anything is split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from al_lightning.data.errors import DataError

SPLIT_NAMES = {
    **dict.fromkeys(("pool", "train", "training"), "pool"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""How people call a split, in lower case -> its name here."""


@dataclass
class Listing:
    """n images and what belongs to each."""

    ids: list[str]
    images: list[Path]
    targets: list[Path | None]
    groups: list[str | None]
    """The group that a file names (a patient, a video), or None."""
    splits: list[str] | None = None
    """pool, validation or test; None where no file and no folder says anything about splits."""
    must_have_targets: bool = False
    """Whether an image that `splits` holds out without target is a mistake, or just left out."""
    further: dict[Path, tuple[Path, ...]] = field(default_factory=dict)
    """Target -> more targets of the same image."""
    notes: list[str] = field(default_factory=list)
    """What was decided or left out, a line each."""


def check_names(ids: Iterable[str], images: Sequence[Path]) -> None:
    """Refuse names that no file and no log could hold.

    Raises:
        DataError: a name is not in UTF-8.
    """
    for name, path in zip(ids, images, strict=True):
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(f"{str(path)!r}: the name is not in UTF-8; rename the file") from None


def straddling(groups: Sequence[str], splits: Sequence[str]) -> str | None:
    """The first group that is in two splits.

    Example:
        >>> straddling(["a", "b", "a"], ["pool", "pool", "test"])
        'a'
    """
    first: dict[str, str] = {}
    pairs = zip(groups, splits, strict=True)
    return next((group for group, split in pairs if first.setdefault(group, split) != split), None)
