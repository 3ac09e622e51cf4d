"""A pool of four rows that takes regions, for the tests of regions."""

from __future__ import annotations

import numpy as np

from al_lightning.core.pool import LabelPool
from al_lightning.core.query import Query
from al_lightning.core.region import Box, Region

SIZE = (32, 48)
ROWS = np.array([3, 4, 8, 9])
IDS = [f"id{i}" for i in range(10)]


def regions_of(*boxes: tuple[int, int, int, int]) -> tuple[Region | None, ...]:
    """Boxes; zeros stand for the whole image."""
    return tuple(Box(*box) if any(box) else None for box in boxes)


def new_pool() -> LabelPool:
    return LabelPool(ROWS, IDS, SIZE)


def ask(pool: LabelPool, row: int, *boxes: tuple[int, int, int, int], stage: int = 1) -> None:
    pool.commit(Query.of(np.full(len(boxes), row), "x", regions=regions_of(*boxes)), stage)
