"""The files of a set that are looked at before anything is decided about all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from al_lightning.core.threads import Threads
from al_lightning.data.errors import Unreadable, decoded

LOOKED_AT = 200
"""Files of a set that are looked at."""
CHUNK = 64
"""Further files that are read at once in search of something."""
S = TypeVar("S")
T = TypeVar("T")


def evenly(count: int, most: int = LOOKED_AT) -> list[int]:
    """At most `most` positions of `count`, evenly spaced, the first and the last among them.

    Example:
        >>> evenly(3), evenly(11, 3)
        ([0, 1, 2], [0, 5, 10])
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist() if count else []


def readable(files: Sequence[Path], at: Callable[[Path], T]) -> dict[Path, T]:
    """file -> at(file), without those that cannot be opened: they are left to whoever needs them.

    Raises:
        DataError: as `at` raises it, or none of the files can be opened.
    """

    def tried(path: Path) -> T | Unreadable:
        try:
            return decoded(path, at)
        except Unreadable as error:
            return error

    found = dict(zip(files, look(files, tried), strict=True))
    good = {path: one for path, one in found.items() if not isinstance(one, Unreadable)}
    if found and not good:
        raise next(one for one in found.values() if isinstance(one, Unreadable))
    return good


def look(files: Sequence[S], at: Callable[[S], T]) -> list[T]:
    """at(file) for each file, or whatever stands for it, several at once, in order."""
    with Threads() as pool:
        return list(pool.map(at, files))
