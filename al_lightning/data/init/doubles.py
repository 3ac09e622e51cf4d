"""Images that show nearly the same, found from small grey thumbnails; `al-lightning check` compares with more care."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from al_lightning.data.own.grouping import SAME, thumbnail
from al_lightning.data.sample import evenly, look

LOOKED_AT = 4000
"""Images that are compared."""
Pair = tuple[int, int]


def near_duplicates(images: Sequence[Path]) -> tuple[list[Pair], int]:
    """(pairs of positions whose thumbnails differ by less than 3 grey levels in the mean, how many were compared).

    Thumbnails are 16 x 16 means. Their overall means differ by no more than they do, so that only images of nearly the
    same brightness have to be compared.
    """
    rows = evenly(len(images), LOOKED_AT)
    seen = look([images[row] for row in rows], thumbnail)
    known = [(row, thumb) for row, thumb in zip(rows, seen, strict=True) if thumb is not None]
    if len(known) < 2:
        return [], len(known)
    order = np.argsort([thumb.mean() for _, thumb in known], kind="stable")
    number = np.array([known[position][0] for position in order])
    small = np.stack([known[position][1] for position in order])
    means = small.mean(axis=1)
    pairs: list[Pair] = []
    for place in range(len(small)):
        end = int(np.searchsorted(means, means[place] + SAME, side="right"))
        near = np.abs(small[place + 1 : end] - small[place]).mean(axis=1) < SAME
        first = int(number[place])
        pairs += [(min(first, other), max(first, other)) for other in number[place + 1 : end][near].tolist()]
    return sorted(pairs), len(known)
