"""Images of the test set that the pool holds under another name or encoding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Rows
from al_lightning.data.cache import Cache
from al_lightning.neighbors import nearest

SIDE = 16
SAME = 3.0
"""Mean difference in grey levels below which two thumbnails show the same frame, re-encoded."""


def thumbnails(cache: Cache, rows: Rows) -> NDArray[np.float32]:
    """(n,) rows -> (n, 256) grey thumbnails of 16 x 16 block means, in grey levels."""
    height, width = cache.dataset.size
    side_h, side_w = min(SIDE, height), min(SIDE, width)
    edges_h = np.linspace(0, height, side_h + 1).astype(int)[:-1]
    edges_w = np.linspace(0, width, side_w + 1).astype(int)[:-1]
    counts = np.outer(np.diff([*edges_h, height]), np.diff([*edges_w, width]))
    out = np.empty((len(rows), side_h * side_w), dtype=np.float32)
    for start in range(0, len(rows), 256):
        grey = cache.images(rows[start : start + 256]).mean(axis=1, dtype=np.float32)
        sums = np.add.reduceat(np.add.reduceat(grey, edges_h, axis=1), edges_w, axis=2)
        out[start : start + 256] = (sums / counts).reshape(len(grey), -1)
    return out


def overlap(cache: Cache) -> dict[str, Any]:
    """How many test images occur in the pool: {"by_id": n, "by_thumbnail": n}.

    by_id is what the loader counted by name. by_thumbnail counts test images whose nearest pool thumbnail (l2)
    differs by less than `SAME` grey levels in the mean, so that a re-encoded copy is found although no hash is equal.
    """
    dataset = cache.dataset
    pool, test = thumbnails(cache, dataset.pool), thumbnails(cache, dataset.test)
    _, index = nearest(test, pool)
    difference = np.abs(test - pool[index]).mean(axis=1)
    return {
        "by_id": int(dataset.facts.get("test_names_in_pool", 0)),
        "by_thumbnail": int((difference < SAME).sum()),
    }
