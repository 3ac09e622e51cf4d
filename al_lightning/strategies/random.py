"""Random selection, the baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates
from al_lightning.strategies.base import draw


@dataclass(frozen=True)
class Random:
    """Draw uniformly from the unlabelled pool, without replacement.

    With a quota of groups, each draw is from the images whose group has a pick left.
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        return {}

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        if candidates.quota is None:
            return Query.of(draw(candidates.rows[candidates.unlabelled], per_stage, rng), "random")
        position = rng.permutation(candidates.unlabelled)
        return Query.of(candidates.rows[position[candidates.quota.admits(position)][:per_stage]], "random")
