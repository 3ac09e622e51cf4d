"""A pool of four rows that takes regions, for the tests of regions."""

from __future__ import annotations

import numpy as np

from al_lightning.pool import LabelPool
from al_lightning.types import Query

SIZE = (32, 48)
ROWS = np.array([3, 4, 8, 9])
IDS = [f"id{i}" for i in range(10)]


def boxes_of(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    return np.array(boxes, dtype=np.int64)


def new_pool() -> LabelPool:
    return LabelPool(ROWS, IDS, SIZE)


def ask(pool: LabelPool, row: int, *boxes: tuple[int, int, int, int], stage: int = 1) -> None:
    pool.commit(Query.of(np.full(len(boxes), row), "x", boxes=boxes_of(*boxes)), stage)
