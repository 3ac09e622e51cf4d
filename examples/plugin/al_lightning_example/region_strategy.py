"""Cells of a fixed grid with the smallest margin between the two likeliest classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor
from torch.nn.functional import avg_pool2d

from al_lightning.strategies.regions.base import Unprepared
from al_lightning.types import Box, Candidates, Prediction, Query, RegionStrategy, StageContext
from al_lightning.uncertainty import bvsb


@dataclass(frozen=True)
class GridMargin(Unprepared):
    """The cells of highest mean best-versus-second-best, until their pixels are as many as asked for.

    Args:
        size (int): side of a cell in pixels of the learner's image; it must divide height and width. Default 16.
    """

    size: int = 16
    needs: ClassVar[frozenset[str]] = frozenset({"probabilities"})

    def prepare(self, context: StageContext) -> RegionStrategy:
        if any(side % self.size for side in context.size):
            raise ValueError(f"size={self.size}: does not divide the learner's image of {context.size}")
        return Cells(self.size, context)


@dataclass(frozen=True)
class Cells:
    """`GridMargin` for one stage."""

    size: int
    context: StageContext
    needs: ClassVar[frozenset[str]] = GridMargin.needs
    regions: ClassVar[Literal[True]] = True

    def prepare(self, context: StageContext) -> RegionStrategy:
        return Cells(self.size, context)

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        assert prediction.probabilities is not None
        cells = avg_pool2d(bvsb(prediction.probabilities.float())[:, None], self.size)
        return {"cells": cells.flatten(1)}

    def select(self, candidates: Candidates, area: int, rng: np.random.Generator) -> Query:
        n, across = self.size, self.context.size[1] // self.size
        value = candidates.value("cells").astype(np.float64)
        grid = np.arange(value.shape[1]).reshape(-1, across)
        for position, row in enumerate(candidates.rows.tolist()):
            for region in self.context.regions(row):
                y, x = region.window
                known = grid[y.start // n : -(-y.stop // n), x.start // n : -(-x.stop // n)]
                value[position, known.ravel()] = -np.inf
        order = np.argsort(-value, axis=None, kind="stable")[: -(-area // n**2)]
        order = order[np.isfinite(value.ravel()[order])]
        image, cell = np.divmod(order, value.shape[1])
        boxes = [Box(c // across * n, c % across * n, n, n) for c in cell.tolist()]
        return Query.of(candidates.rows[image], "grid-margin", value.ravel()[order], boxes)
