"""Cells of a fixed grid with the smallest margin between the two likeliest classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor
from torch.nn.functional import avg_pool2d

from al_lightning.types import Box, Candidates, Prediction, Query, RegionStrategy, StageContext
from al_lightning.uncertainty import bvsb


@dataclass(frozen=True)
class GridMargin:
    """The cells of highest mean best-versus-second-best, until their pixels are as many as asked for.

    Args:
        size (int): side of a cell in pixels of the learner's image; it must divide height and width. Default 16.
    """

    size: int = 16
    context: StageContext | None = None
    """Of the stage, once prepared."""
    needs: ClassVar[frozenset[str]] = frozenset({"probabilities"})
    regions: ClassVar[Literal[True]] = True

    def prepare(self, context: StageContext) -> RegionStrategy:
        if any(side % self.size for side in context.size):
            raise ValueError(f"size={self.size}: does not divide the learner's image of {context.size}")
        return GridMargin(self.size, context)

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        assert prediction.probabilities is not None
        cells = avg_pool2d(bvsb(prediction.probabilities.float())[:, None], self.size)
        return {"cells": cells.flatten(1)}

    def select(self, candidates: Candidates, area: int, rng: np.random.Generator) -> Query:
        assert self.context is not None
        value = candidates.value("cells").astype(np.float64)
        across = self.context.size[1] // self.size
        for position, row in enumerate(candidates.rows.tolist()):
            for region in self.context.regions(row):
                y, x = region.window
                cells = np.arange(value.shape[1]).reshape(-1, across)
                known = cells[
                    y.start // self.size : -(-y.stop // self.size), x.start // self.size : -(-x.stop // self.size)
                ]
                value[position, known.ravel()] = -np.inf
        order = np.argsort(-value, axis=None, kind="stable")[: -(-area // self.size**2)]
        order = order[np.isfinite(value.ravel()[order])]
        image, cell = np.divmod(order, value.shape[1])
        boxes = [Box(int(c // across) * self.size, int(c % across) * self.size, self.size, self.size) for c in cell]
        return Query.of(candidates.rows[image], "grid-margin", value.ravel()[order], boxes)
