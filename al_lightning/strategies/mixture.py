"""Union of an uncertain and a diverse choice (Thapa et al. 2022; Poudel et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor

from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.region import area as area_of
from al_lightning.core.strategy import Candidates, RegionStrategy, StageContext, Strategy, asks_for_regions, prepared
from al_lightning.strategies.coreset import TACoreset
from al_lightning.strategies.pixels import PCACoreset
from al_lightning.strategies.uncertain import UncertaintySampling

GAMMA = 0.5
"""γ of Thapa et al. 2022: half of the images by uncertainty."""


@dataclass(frozen=True)
class Mixture:
    """⌊γB⌋ of B picks by `uncertain` and the rest by `diverse`, both on the whole unlabelled pool, then their union.

    While the union is short of B, what is chosen counts as labelled and the remainder is split again by γ.
    γ = 0 is `diverse` alone, γ = 1 `uncertain` alone. A row that both choose is credited to `uncertain`.

    Args:
        uncertain ({name, options}): a strategy of whole images, of any kind.
        diverse ({name, options}): another one.
        gamma (float): γ, fraction of the images that `uncertain` picks, in [0, 1]. Default 0.5.
    """

    uncertain: Strategy
    diverse: Strategy
    gamma: float = GAMMA

    def __post_init__(self) -> None:
        check_fraction(self.gamma)

    @property
    def needs(self) -> frozenset[str]:
        return self.uncertain.needs | self.diverse.needs

    def prepare(self, context: StageContext) -> Mixture:
        """The mixture for one stage: a part that has `prepare` looks at the pool first."""
        return replace(self, uncertain=prepared(self.uncertain, context), diverse=prepared(self.diverse, context))

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        return self.uncertain.measure(prediction) | self.diverse.measure(prediction)

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        chosen = Query.of(np.empty(0, dtype=np.int64), "")
        while (short := per_stage - len(chosen)) > 0:
            left = candidates.also_labelled(chosen.rows)
            by_uncertainty = count(self.gamma, short)
            for strategy, number in (
                (self.uncertain, by_uncertainty),
                (self.diverse, short - by_uncertainty),
            ):
                if number > 0:
                    picks = strategy.select(left, number, rng)
                    chosen += picks.subset(~np.isin(picks.rows, chosen.rows))
        return chosen


@dataclass(frozen=True)
class RegionMixture:
    """Whole images by one strategy and regions by another: ⌊γB⌋ of B images' pixels by `uncertain`, the rest by
    `diverse`.

    The images are picked first, and regions are taken from what they leave. Where regions of such an image are known
    already, other regions are asked for instead of these pixels.

    Args:
        uncertain, diverse, gamma: as of `Mixture`; one of the two strategies asks for regions.
    """

    uncertain: Strategy | RegionStrategy
    diverse: Strategy | RegionStrategy
    gamma: float = GAMMA
    context: StageContext | None = None
    """Of the stage, once prepared."""
    regions: ClassVar[Literal[True]] = True

    def __post_init__(self) -> None:
        check_fraction(self.gamma)
        if asks_for_regions(self.uncertain) and asks_for_regions(self.diverse):
            raise ValueError(
                "both parts ask for regions, which could overlap; mix regions with a strategy of whole images"
            )

    @property
    def needs(self) -> frozenset[str]:
        return self.uncertain.needs | self.diverse.needs

    def prepare(self, context: StageContext) -> RegionMixture:
        """The mixture for one stage: a part that has `prepare` looks at the pool first."""
        uncertain, diverse = (prepared(part, context) for part in (self.uncertain, self.diverse))
        return replace(self, uncertain=uncertain, diverse=diverse, context=context)

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        return self.uncertain.measure(prediction) | self.diverse.measure(prediction)

    def select(self, candidates: Candidates, area: int, rng: np.random.Generator) -> Query:
        context = self.context
        if context is None:
            raise ValueError("RegionMixture: regions are chosen through ActiveLearningLoop, which calls prepare first")
        pixels = context.size[0] * context.size[1]
        images = -(-area // pixels)  # what was revealed beyond whole images is less than one
        by_uncertainty = count(self.gamma, images)
        chosen = Query.of(np.empty(0, dtype=np.int64), "")
        for part, number in ((self.uncertain, by_uncertainty), (self.diverse, images - by_uncertainty)):
            if number > 0 and not asks_for_regions(part):
                chosen += part.select(candidates, number, rng)
        known = sum(area_of(context.regions(row), context.size) for row in chosen.rows.tolist())
        wanted = area - len(chosen) * pixels + known
        for part, number in ((self.uncertain, by_uncertainty), (self.diverse, images - by_uncertainty)):
            if number > 0 and asks_for_regions(part):
                chosen += part.select(candidates.also_labelled(chosen.rows), wanted, rng)
        return chosen


def mixture(uncertain: Strategy, diverse: Strategy, gamma: float = GAMMA) -> Strategy | RegionStrategy:
    """γ of the budget by one strategy and the rest by another, one of which may ask for regions.

    Args:
        uncertain ({name, options}): the first strategy.
        diverse ({name, options}): the second strategy.
        gamma (float): γ, fraction of the images that `uncertain` picks, in [0, 1]. Default 0.5.
    """
    regions = asks_for_regions(uncertain) or asks_for_regions(diverse)
    return RegionMixture(uncertain, diverse, gamma) if regions else Mixture(uncertain, diverse, gamma)


def count(gamma: float, number: int) -> int:
    """⌊γ · number⌋.

    Example:
        >>> count(0.29, 100)
        29
    """
    return floor(gamma * number + 1e-9)  # 0.29 · 100 is 28.999... in floating point


def check_fraction(gamma: float) -> None:
    """Refuse what is no fraction."""
    if not 0 <= gamma <= 1:
        raise ValueError(f"gamma={gamma}: expected a fraction of the images in [0, 1]")


def unc_ta_coreset(gamma: float = GAMMA, top: float = 1.0, measure: str = "bvsb") -> Mixture:
    """A measure of uncertainty and TA-Coreset in the proportion γ : 1 − γ (Thapa et al. 2022; Poudel et al. 2024).

    Args:
        gamma (float): γ, fraction of the images picked by uncertainty, in [0, 1]. Default 0.5.
        top (float): the measure is the mean over this fraction of the most uncertain pixels, in (0, 1]. Default 1.
        measure (str): the measure of uncertainty, BvSB in the papers; for depth "deviation". Default "bvsb".
    """
    return Mixture(UncertaintySampling(measure, top), TACoreset(), gamma)


def unc_pca_coreset(gamma: float = GAMMA, top: float = 1.0, components: int = 512) -> Mixture:
    """BvSB and PCA-Coreset: what the code of Thapa et al. runs as "Uncertainty + PCA".

    Args:
        gamma (float): γ, fraction of the images picked by BvSB, in [0, 1]. Default 0.5.
        top (float): BvSB is the mean over this fraction of the most uncertain pixels, in (0, 1]. Default 1.
        components (int): principal components of the pixels. Default 512.
    """
    return Mixture(UncertaintySampling("bvsb", top), PCACoreset(components), gamma)
