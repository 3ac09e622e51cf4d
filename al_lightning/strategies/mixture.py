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

    While the union has fewer than B rows, its rows count as labelled and the remainder is divided again by γ.
    γ = 0 is `diverse` alone, γ = 1 `uncertain` alone. The source of a row that both pick is that of `uncertain`.

    Args:
        uncertain ({name, options}): a strategy of whole images.
        diverse ({name, options}): another strategy of whole images.
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

    @property
    def parts(self) -> tuple[Strategy, Strategy]:
        """The two strategies."""
        return self.uncertain, self.diverse

    def prepare(self, context: StageContext) -> Mixture:
        """The mixture for one stage: each of its strategies that has `prepare` is prepared."""
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
                    new = picks.subset(~np.isin(picks.rows, chosen.rows))
                    chosen += candidates.also_labelled(chosen.rows).within_quota(new)
        return chosen.without_pseudo_picks()


@dataclass(frozen=True)
class RegionMixture:
    """Whole images by one strategy and regions by another: ⌊γB⌋ of B images' pixels by `uncertain`, the rest by
    `diverse`.

    The images are picked first, and the regions from the other images. Where a picked image has revealed regions, as
    many pixels as these have are asked for in further regions.

    Args:
        uncertain, diverse, gamma: as of `Mixture`; exactly one of the two strategies asks for regions.
    """

    uncertain: Strategy | RegionStrategy
    diverse: Strategy | RegionStrategy
    gamma: float = GAMMA
    context: StageContext | None = None
    """The stage's context, set by `prepare`."""
    regions: ClassVar[Literal[True]] = True

    def __post_init__(self) -> None:
        check_fraction(self.gamma)
        if asks_for_regions(self.uncertain) and asks_for_regions(self.diverse):
            raise ValueError(
                "both strategies ask for regions, which could overlap; mix regions with a strategy of whole images"
            )

    @property
    def needs(self) -> frozenset[str]:
        return self.uncertain.needs | self.diverse.needs

    @property
    def parts(self) -> tuple[Strategy | RegionStrategy, ...]:
        """The two strategies."""
        return self.uncertain, self.diverse

    def prepare(self, context: StageContext) -> RegionMixture:
        """The mixture for one stage: each of its strategies that has `prepare` is prepared."""
        uncertain, diverse = (prepared(strategy, context) for strategy in (self.uncertain, self.diverse))
        return replace(self, uncertain=uncertain, diverse=diverse, context=context)

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        return self.uncertain.measure(prediction) | self.diverse.measure(prediction)

    def select(self, candidates: Candidates, area: int, rng: np.random.Generator) -> Query:
        context = self.context
        if context is None:
            raise ValueError("RegionMixture: regions are chosen through ActiveLearningLoop, which calls prepare first")
        pixels = context.size[0] * context.size[1]
        images = -(-area // pixels)  # rounded up: fewer pixels than one image were revealed beyond whole images
        by_uncertainty = count(self.gamma, images)
        chosen = Query.of(np.empty(0, dtype=np.int64), "")
        for strategy, number in ((self.uncertain, by_uncertainty), (self.diverse, images - by_uncertainty)):
            if number > 0 and not asks_for_regions(strategy):
                chosen += strategy.select(candidates, number, rng)
        known = sum(area_of(context.regions(row), context.size) for row in chosen.rows.tolist())
        wanted = area - len(chosen) * pixels + known
        for strategy, number in ((self.uncertain, by_uncertainty), (self.diverse, images - by_uncertainty)):
            if number > 0 and asks_for_regions(strategy):
                chosen += strategy.select(candidates.also_labelled(chosen.rows), wanted, rng)
        return chosen.without_pseudo_picks()


def mixture(uncertain: Strategy, diverse: Strategy, gamma: float = GAMMA) -> Strategy | RegionStrategy:
    """The fraction γ of the picks by one strategy and the rest by another; one of them may ask for regions.

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
    """Check that γ is a fraction.

    Raises:
        ValueError: it is outside [0, 1].
    """
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
    """BvSB and PCA-Coreset in the proportion γ : 1 − γ: "Uncertainty + PCA" in the code of Thapa et al. 2022.

    Args:
        gamma (float): γ, fraction of the images picked by BvSB, in [0, 1]. Default 0.5.
        top (float): BvSB is the mean over this fraction of the most uncertain pixels, in (0, 1]. Default 1.
        components (int): principal components of the pixels. Default 512.
    """
    return Mixture(UncertaintySampling("bvsb", top), PCACoreset(components), gamma)
