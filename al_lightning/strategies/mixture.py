"""Union of an uncertain and a diverse choice (METHODS §6A)."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np
from torch import Tensor

from al_lightning.types import Candidates, Prediction, Query, Strategy


@dataclass(frozen=True)
class Mixture:
    """⌊γB⌋ picks by `uncertain` and the rest by `diverse`, both on the whole unlabelled pool, then their union.

    While the union is short of B, what is chosen counts as labelled and the remainder is split again by γ.
    γ = 0 is `diverse` alone, γ = 1 `uncertain` alone. A row that both choose is credited to `uncertain`.
    """

    uncertain: Strategy
    diverse: Strategy
    gamma: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.gamma <= 1:
            raise ValueError(f"gamma={self.gamma}: expected a share of the budget in [0, 1]")

    @property
    def needs(self) -> frozenset[str]:
        return self.uncertain.needs | self.diverse.needs

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        return self.uncertain.measure(prediction) | self.diverse.measure(prediction)

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> Query:
        chosen = Query.of(np.empty(0, dtype=np.int64), "")
        while (short := budget - len(chosen)) > 0:
            left = candidates.also_labelled(chosen.rows)
            by_uncertainty = floor(self.gamma * short + 1e-9)  # 0.29 · 100 is 28.999... in floating point
            for strategy, number in (
                (self.uncertain, by_uncertainty),
                (self.diverse, short - by_uncertainty),
            ):
                if number > 0:
                    picks = strategy.select(left, number, rng)
                    chosen += picks.take(~np.isin(picks.rows, chosen.rows))
        return chosen
