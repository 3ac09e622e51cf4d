"""What strategies of regions have in common: options without a pool, and whole images for what windows cannot fill."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from torch import Tensor

from al_lightning.core.arrays import Rows
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.region import cover
from al_lightning.core.strategy import Candidates, StageContext

NEW = 0.5
"""Fraction of a window's pixels that must not be revealed yet."""


class Unprepared:
    """Base of the options of a strategy of regions, whose `prepare` returns the strategy that measures and selects."""

    regions: ClassVar[Literal[True]] = True

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        raise self._unprepared()

    def select(self, candidates: Candidates, area: int, rng: np.random.Generator) -> Query:
        raise self._unprepared()

    def _unprepared(self) -> ValueError:
        name = type(self).__name__
        return ValueError(f"{name}: regions are chosen through ActiveLearningLoop, which calls prepare first")


def remainder(candidates: Candidates, query: Query, area: int, context: StageContext) -> Query:
    """Whole images in row order for the area that windows did not fill, when too few windows are at least half new.

    Args:
        candidates: the pool.
        query: regions that are picked already.
        area: pixels that are still to be revealed.
        context: of the stage, for its revealed regions.
    """
    whole: list[int] = []
    for row in candidates.rows[candidates.unlabelled].tolist():
        if area <= 0:
            break
        picked = [region for at, region in zip(query.rows.tolist(), query.regions or (), strict=False) if at == row]
        known = [*context.regions(row), *(region for region in picked if region is not None)]
        fresh = int((~cover(known, context.size)).sum())
        if fresh:
            whole.append(row)
            area -= fresh
    rows: Rows = np.array(whole, dtype=np.int64)
    return Query.of(rows, "remainder", regions=(None,) * len(rows))


def check_window(size: int, step: int) -> None:
    """Check the size of a window and the step between windows.

    Raises:
        ValueError: one of them is below one pixel.
    """
    if size < 1 or step < 1:
        raise ValueError(f"size={size}, step={step}: expected a window and a step of at least 1 pixel")
