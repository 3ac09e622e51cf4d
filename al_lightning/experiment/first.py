"""Strategies that can pick before anything is trained: the option budget.first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from al_lightning.config import ConfigError
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates, Strategy, asks_for_regions
from al_lightning.strategies import STRATEGIES
from al_lightning.strategies.descriptors import pca_pixels

COMPONENTS = 64
"""Of the PCA of the pixels in which the first images are selected."""


@dataclass(frozen=True)
class OnPixels:
    """A strategy that selects by a latent, which gets the PCA of the pixels in its place."""

    strategy: Strategy
    needs: ClassVar[frozenset[str]] = frozenset({"images"})

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        return {}

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        components = min(COMPONENTS, len(candidates.rows) - 1)
        latent: NDArray[Any] = pca_pixels(candidates, components).astype(np.float32)
        return self.strategy.select(replace(candidates, values={"latent": latent}), per_stage, rng)


def first_strategy(name: str) -> Strategy:
    """A strategy that can pick before anything is trained.

    Raises:
        ConfigError: there is none of this name, or it needs more than images or a latent.
    """
    if name not in STRATEGIES:
        raise ConfigError(f"budget.first={name!r}: no such strategy; set random, typiclust, ta-coreset or pca-coreset")
    try:
        strategy: Strategy = STRATEGIES[name]()
    except TypeError as error:
        raise ConfigError(f"budget.first={name!r}: cannot be made without options ({error})") from None
    if asks_for_regions(strategy) or strategy.needs - {"images", "latent"} or hasattr(strategy, "prepare"):
        raise ConfigError(
            f"budget.first={name!r}: needs a trained learner; set random, typiclust, ta-coreset or pca-coreset"
        )
    return strategy
