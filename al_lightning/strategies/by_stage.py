"""What strategies of regions share: they choose only when `prepare` has shown them the stage's pool."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import Tensor

from al_lightning.regions import cover
from al_lightning.types import Candidates, Prediction, Query, Rows, Survey

NEW = 0.5
"""Share of a window's pixels that must be new."""


class ByStage:
    """Options of a strategy of regions. Its `prepare` returns what measures and selects; it does neither itself."""

    regions: ClassVar[bool] = True

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        raise self._unprepared()

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> Query:
        raise self._unprepared()

    def _unprepared(self) -> ValueError:
        name = type(self).__name__
        return ValueError(f"{name}: regions are chosen through ActiveLearningLoop, which calls prepare first")


def remainder(candidates: Candidates, query: Query, area: int, survey: Survey) -> Query:
    """Whole images in row order, for pixels that windows could not fill: in the end only scraps are left.

    Args:
        query: regions picked already; area: pixels still to reveal.
    """
    whole: list[int] = []
    for row in candidates.rows[candidates.open].tolist():
        if area <= 0:
            break
        assert query.boxes is not None
        known = np.concatenate([survey.boxes(row), query.boxes[query.rows == row]])
        fresh = int((~cover(known, survey.size)).sum())
        if fresh:
            whole.append(row)
            area -= fresh
    rows: Rows = np.array(whole, dtype=np.int64)
    return Query.of(rows, "remainder", boxes=np.zeros((len(rows), 4), dtype=np.int64))


def check_window(size: int, step: int) -> None:
    """Refuse windows and steps below one pixel."""
    if size < 1 or step < 1:
        raise ValueError(f"size={size}, step={step}: expected a window and a step of at least 1 pixel")
