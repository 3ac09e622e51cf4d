"""Uncertainty sampling: the images of highest mean pixel uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor

from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates
from al_lightning.strategies.base import highest
from al_lightning.uncertainty import SEVERAL, SINGLE, image_score


@dataclass(frozen=True)
class UncertaintySampling:
    """The images of highest mean pixel uncertainty.

    Args:
        name (str): a key of `uncertainty.SINGLE` (one forward pass) or of `uncertainty.SEVERAL` (MC passes or a
            committee), or "deviation" (standard deviation of depth in cm).
        top (float): the score is the mean over this fraction of the most uncertain pixels, in (0, 1]. Default 1.
    """

    name: str
    top: float = 1.0

    def __post_init__(self) -> None:
        known = [*SINGLE, *SEVERAL, "deviation"]
        if self.name not in known:
            raise ValueError(f"name={self.name!r}: expected one of {known}")
        if not 0 < self.top <= 1:
            raise ValueError(f"top={self.top}: expected a fraction of the pixels in (0, 1]")

    @property
    def needs(self) -> frozenset[str]:
        if self.name == "deviation":
            return frozenset({"deviation"})
        return frozenset({"probabilities"} if self.name in SINGLE else {"probabilities", "passes"})

    @property
    def key(self) -> str:
        """Name of the measured value."""
        return self.name if self.top == 1 else f"{self.name}@{self.top:g}"

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        if self.name == "deviation":
            assert prediction.deviation is not None
            pixels = prediction.deviation[:, 0]
        elif self.name in SINGLE:
            assert prediction.probabilities is not None
            pixels = SINGLE[self.name](prediction.probabilities.float())
        else:
            assert prediction.passes is not None
            pixels = SEVERAL[self.name](prediction.passes)
        return {self.key: image_score(pixels, self.top)}

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        return highest(candidates, candidates.value(self.key), per_stage, self.name)


least_confidence = partial(UncertaintySampling, "least-confidence")
margin = partial(UncertaintySampling, "margin")
bvsb = partial(UncertaintySampling, "bvsb")
entropy = partial(UncertaintySampling, "entropy")
vote_entropy = partial(UncertaintySampling, "vote-entropy")
soft_vote_entropy = partial(UncertaintySampling, "soft-vote-entropy")
bald = partial(UncertaintySampling, "bald")
mc_variance = partial(UncertaintySampling, "mc-variance")
mc_deviation = partial(UncertaintySampling, "deviation")
