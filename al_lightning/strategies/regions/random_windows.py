"""Regions drawn at random, the baseline of CEREALS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.region import array_of, boxes, new_pixels
from al_lightning.core.strategy import Candidates, RegionStrategy, StageContext
from al_lightning.strategies.regions.base import NEW, Unprepared, check_window, remainder
from al_lightning.strategies.regions.windows import clipped

REJECTED = 1000
"""Number of successive windows that are not new enough after which no further ones are drawn."""


@dataclass(frozen=True)
class RegionRandom(Unprepared):
    """Windows drawn uniformly over images and positions, at least half new, until the area is reached.

    Args:
        size (int): height and width of a window, in pixels of the learner's image, to which larger ones are clipped.
            Default 128.
    """

    size: int = 128
    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        check_window(self.size, 1)

    def prepare(self, context: StageContext) -> RegionStrategy:
        return RandomWindows(self.size, context)


@dataclass(frozen=True)
class RandomWindows:
    """`RegionRandom` for one stage."""

    size: int
    context: StageContext
    needs: ClassVar[frozenset[str]] = frozenset()
    regions: ClassVar[Literal[True]] = True

    def prepare(self, context: StageContext) -> RegionStrategy:
        return RandomWindows(self.size, context)

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        return {}

    def select(self, candidates: Candidates, area: int, rng: np.random.Generator) -> Query:
        image = self.context.size
        window = height, width = clipped((self.size, self.size), image)
        missing = area
        rows = candidates.rows[candidates.unlabelled]
        known: dict[int, list[NDArray[np.int64]]] = {}
        picks: list[tuple[int, int, int]] = []
        refused = 0
        while missing > 0 and refused < REJECTED:
            row = int(rng.choice(rows))
            top, left = (int(rng.integers(side - n + 1)) for side, n in zip(image, window, strict=True))
            if row not in known:
                known[row] = list(array_of(self.context.regions(row)))
            box = np.array([top, left, height, width], dtype=np.int64)
            fresh = new_pixels(box, np.array(known[row]), image)
            if fresh < NEW * height * width:
                refused += 1
                continue
            known[row].append(box)
            picks.append((row, top, left))
            missing -= fresh
            refused = 0
        table = np.array(picks, dtype=np.int64).reshape(-1, 3)
        sides = np.broadcast_to(np.array(window, dtype=np.int64), (len(table), 2))
        query = Query.of(table[:, 0], "region-random", regions=boxes(np.concatenate([table[:, 1:], sides], axis=1)))
        return query + remainder(candidates, query, missing, self.context)
