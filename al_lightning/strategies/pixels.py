"""PCA-Coreset: k-center-greedy on raw pixels, which needs no learner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates
from al_lightning.neighbors import k_center_greedy
from al_lightning.strategies.descriptors import pca_pixels


@dataclass(frozen=True)
class PCACoreset:
    """Greedy core-set on the PCA of the pool's flattened pixels (a baseline of Thapa et al. 2022).

    Args:
        components (int): number of principal components, at least 1; of a pool of P images at most P − 1 are used.
            Default 512.
    """

    components: int = 512
    needs: ClassVar[frozenset[str]] = frozenset({"images"})

    def __post_init__(self) -> None:
        if self.components < 1:
            raise ValueError(f"components={self.components}: expected at least 1")

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        return {}

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        features = pca_pixels(candidates, self.components)
        position, distance = k_center_greedy(features, candidates.labelled, per_stage)
        return Query.of(candidates.rows[position], "pca-k-center", distance)
