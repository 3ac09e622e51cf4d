"""Full supervision: the reference of every learning curve, to which label efficiency is relative."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from torch import Tensor

from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates, Plan


@dataclass(frozen=True)
class Full:
    """Label the whole pool before the first training: the run has one stage.

    `select`, for a loop that does not use `plan`, takes rows in ascending order.
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    def plan(self, plan: Plan, pool: int) -> Plan:
        return replace(plan, initial=pool, stages=1)

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        return {}

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        return Query.of(candidates.rows[candidates.unlabelled][:per_stage], "full")
