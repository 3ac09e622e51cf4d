"""Full supervision: the upper end of every curve, and what label efficiency is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from al_lightning.types import Candidates, Prediction, Query


@dataclass(frozen=True)
class Full:
    """Label the whole pool at once: an experiment has one stage then, whatever its budget says.

    `select`, for a loop that does not know of this, takes rows in ascending order.
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        return {}

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> Query:
        return Query.of(candidates.rows[candidates.open][:budget], "full")
