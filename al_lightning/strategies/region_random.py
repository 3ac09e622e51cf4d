"""Regions drawn at random: the baseline of CEREALS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from al_lightning.regions import clipped, new_pixels
from al_lightning.strategies.by_stage import NEW, ByStage, check_window, remainder
from al_lightning.types import Candidates, Prediction, Query, Strategy, Survey

REJECTED = 1000
"""Random windows refused in a row before the pool counts as used up."""


@dataclass(frozen=True)
class RegionRandom(ByStage):
    """Windows drawn uniformly over images and positions, at least half new, until the budget is spent.

    size: height and width of a window, in pixels of the learner's image; a larger one is clipped to it.
    """

    size: int = 128
    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        check_window(self.size, 1)

    def prepare(self, survey: Survey) -> Strategy:
        return RandomWindows(self.size, survey)


@dataclass(frozen=True)
class RandomWindows:
    """`RegionRandom` for one stage."""

    size: int
    survey: Survey
    needs: ClassVar[frozenset[str]] = frozenset()
    regions: ClassVar[bool] = True

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        return {}

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> Query:
        image = self.survey.size
        window = height, width = clipped((self.size, self.size), image)
        left_to_spend = area = budget * image[0] * image[1] - self.survey.surplus
        rows = candidates.rows[candidates.open]
        known: dict[int, list[NDArray[np.int64]]] = {}
        picks: list[tuple[int, int, int]] = []
        refused = 0
        while left_to_spend > 0 and refused < REJECTED:
            row = int(rng.choice(rows))
            top, left = (int(rng.integers(side - n + 1)) for side, n in zip(image, window, strict=True))
            if row not in known:
                known[row] = list(self.survey.boxes(row))
            box = np.array([top, left, height, width], dtype=np.int64)
            fresh = new_pixels(box, np.array(known[row]), image)
            if fresh < NEW * height * width:
                refused += 1
                continue
            known[row].append(box)
            picks.append((row, top, left))
            left_to_spend -= fresh
            refused = 0
        table = np.array(picks, dtype=np.int64).reshape(-1, 3)
        sides = np.broadcast_to(np.array(window, dtype=np.int64), (len(table), 2))
        query = Query.of(table[:, 0], "region-random", boxes=np.concatenate([table[:, 1:], sides], axis=1))
        assert area > left_to_spend or refused
        return query + remainder(candidates, query, left_to_spend, self.survey)
