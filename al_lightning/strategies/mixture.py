"""Union of an uncertain and a diverse choice (Thapa et al. 2022; Poudel et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from al_lightning.regions import union_area
from al_lightning.strategies.base import asks_for_regions
from al_lightning.types import Candidates, Prediction, Query, Strategy, Survey


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
        check_share(self.gamma)

    @property
    def needs(self) -> frozenset[str]:
        return self.uncertain.needs | self.diverse.needs

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        return self.uncertain.measure(prediction) | self.diverse.measure(prediction)

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> Query:
        chosen = Query.of(np.empty(0, dtype=np.int64), "")
        while (short := budget - len(chosen)) > 0:
            left = candidates.also_labelled(chosen.rows)
            by_uncertainty = share(self.gamma, short)
            for strategy, number in (
                (self.uncertain, by_uncertainty),
                (self.diverse, short - by_uncertainty),
            ):
                if number > 0:
                    picks = strategy.select(left, number, rng)
                    chosen += picks.take(~np.isin(picks.rows, chosen.rows))
        return chosen


@dataclass(frozen=True)
class RegionMixture:
    """Whole images by one strategy and regions by another: ⌊γB⌋ of the budget by `uncertain`, the rest by `diverse`.

    The images are picked first, and regions are taken from what they leave. Where regions of such an image are known
    already, other regions are asked for instead of these pixels.
    """

    uncertain: Strategy
    diverse: Strategy
    gamma: float = 0.5
    regions: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_share(self.gamma)
        if asks_for_regions(self.uncertain) and asks_for_regions(self.diverse):
            raise ValueError(
                "both parts ask for regions, which could overlap; mix regions with a strategy of whole images"
            )

    @property
    def needs(self) -> frozenset[str]:
        return self.uncertain.needs | self.diverse.needs

    def prepare(self, survey: Survey) -> Strategy:
        """The mixture for one stage: the part that asks for regions looks at the pool first."""
        parts = {"uncertain": self.uncertain, "diverse": self.diverse}
        ready = {name: part.prepare(survey) for name, part in parts.items() if hasattr(part, "prepare")}
        return replace(self, **ready)

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        return self.uncertain.measure(prediction) | self.diverse.measure(prediction)

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> Query:
        by_uncertainty = share(self.gamma, budget)
        parts = [(self.uncertain, by_uncertainty), (self.diverse, budget - by_uncertainty)]
        chosen = Query.of(np.empty(0, dtype=np.int64), "")
        for strategy, number in sorted(parts, key=lambda part: asks_for_regions(part[0])):
            if number > 0:
                ready = _repaid(strategy, chosen) if asks_for_regions(strategy) else strategy
                chosen += ready.select(candidates.also_labelled(chosen.rows), number, rng)
        return chosen


def _repaid(strategy: Any, images: Query) -> Strategy:
    """A prepared strategy of regions with the pixels to spend that are known of `images` already."""
    survey: Survey = strategy.survey
    known = sum(union_area(survey.boxes(row), survey.size) for row in images.rows.tolist())
    ready: Strategy = replace(strategy, survey=replace(survey, surplus=survey.surplus - known))
    return ready


def mixture(uncertain: Strategy, diverse: Strategy, gamma: float = 0.5) -> Strategy:
    """γ of the budget by one strategy and the rest by another, one of which may ask for regions."""
    regions = asks_for_regions(uncertain) or asks_for_regions(diverse)
    return RegionMixture(uncertain, diverse, gamma) if regions else Mixture(uncertain, diverse, gamma)


def share(gamma: float, budget: int) -> int:
    """⌊γ · budget⌋."""
    return floor(gamma * budget + 1e-9)  # 0.29 · 100 is 28.999... in floating point


def check_share(gamma: float) -> None:
    """Refuse what is no share."""
    if not 0 <= gamma <= 1:
        raise ValueError(f"gamma={gamma}: expected a share of the budget in [0, 1]")
