"""TA-Coreset: core-set by k-center-greedy (Sener & Savarese 2018) in the feature space of the task's learner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates
from al_lightning.neighbors import k_center_greedy


@dataclass(frozen=True)
class TACoreset:
    """Greedy 2-approximation of min_{|s|≤b} max_i min_{j∈s⁰∪s} ‖z_i − z_j‖₂ (Sener & Savarese 2018).

    z is the learner's latent, the labelled images are the first centres s⁰, and the score of a pick is its distance
    to the nearest centre when it was picked.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"latent"})

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        assert prediction.latent is not None
        return {"latent": prediction.latent.float()}

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        position, distance = k_center_greedy(
            candidates.value("latent"),
            candidates.labelled,
            per_stage,
            quota=candidates.quota,
            progress=candidates.progress,
        )
        return Query.of(candidates.rows[position], "k-center", distance)
