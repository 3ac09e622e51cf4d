"""The files of a set that are looked at before anything is decided about all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

LOOKED_AT = 200
T = TypeVar("T")


def evenly(count: int, most: int = LOOKED_AT) -> list[int]:
    """At most `most` positions of `count`, evenly spaced, the first and the last among them.

    Example:
        >>> evenly(3), evenly(11, 3)
        ([0, 1, 2], [0, 5, 10])
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist() if count else []


def threads() -> int:
    """How many files are read at once."""
    return min(16, os.cpu_count() or 1)


def look(files: Sequence[Path], at: Callable[[Path], T]) -> list[T]:
    """at(file) for each file, several at once, in order."""
    with ThreadPoolExecutor(threads()) as pool:
        return list(pool.map(at, files))
