"""Images that show nearly the same, found from small grey thumbnails; `al-lightning check` compares with more care."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_lightning.data.errors import DataError, decoded
from al_lightning.data.own.videos import Read
from al_lightning.data.sample import evenly, look

LOOKED_AT = 4000
"""Images that are compared."""
SIDE = 16
SAME = 3.0
"""Mean difference in grey levels below which two thumbnails are of one picture."""
Pair = tuple[int, int]


def near_duplicates(images: Sequence[Path], read: Read) -> tuple[list[Pair], int]:
    """(pairs of positions whose thumbnails differ by less than 3 grey levels in the mean, how many were compared).

    Thumbnails are 16 x 16 means. Their overall means differ by no more than they do, so that only images of nearly the
    same brightness have to be compared. A file that cannot be read is like no other.

    Args:
        images (Sequence[Path]): files.
        read (Callable): file -> (H, W, 3).
    """
    rows = evenly(len(images), LOOKED_AT)
    seen = look([images[row] for row in rows], lambda path: grey_means(path, read))
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


def grey_means(path: Path, read: Read) -> NDArray[np.float32] | None:
    """(256,) grey means of 16 x 16 blocks; None where the file cannot be read."""
    try:
        image = Image.fromarray(decoded(path, read)).convert("L")
    except DataError:
        return None
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float32).ravel()
