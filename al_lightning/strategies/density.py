"""Information density: uncertainty weighted by the mean similarity of an image to the unlabelled pool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from al_lightning.core.arrays import Floats
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates
from al_lightning.strategies.base import highest
from al_lightning.strategies.descriptors import unit
from al_lightning.strategies.uncertain import UncertaintySampling

BLOCK = 2048
"""Lines of one block of similarities: 16 MiB in float32."""


@dataclass(frozen=True)
class InformationDensity:
    """The images of highest φ(x)·((1/|U|) Σ_{u∈U} sim(x, u))^β (Settles & Craven 2008).

    sim is the cosine of two latents clamped to [0, 1], and the sum includes x itself. A density of 0 (a zero
    descriptor) gives the score 0 for any β.

    Args:
        uncertain (UncertaintySampling): φ, any measure but "margin", which is negative; "bvsb" is the margin plus one.
        beta (float): exponent of the density, at least 0; 0 ranks by uncertainty alone. Default 1.
    """

    uncertain: UncertaintySampling
    beta: float = 1.0

    def __post_init__(self) -> None:
        if self.uncertain.name == "margin":
            raise ValueError(
                "measure='margin': it is negative, so that a denser image would rank lower; "
                "expected 'bvsb', which is the margin plus one, or another measure"
            )
        if not 0 <= self.beta < np.inf:
            raise ValueError(f"beta={self.beta}: expected a finite exponent of at least 0")

    @property
    def needs(self) -> frozenset[str]:
        return self.uncertain.needs | {"latent"}

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        assert prediction.latent is not None
        return self.uncertain.measure(prediction) | {"latent": prediction.latent.float()}

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        position = candidates.unlabelled
        dense = density(candidates.value("latent")[position])
        weight = np.where(dense > 0, np.maximum(dense, np.finfo(np.float64).tiny) ** self.beta, 0.0)
        score = np.zeros(len(candidates.rows))
        score[position] = candidates.value(self.uncertain.key)[position] * weight
        return highest(candidates, score, per_stage, "information-density")


def density(descriptors: Floats) -> NDArray[np.float64]:
    """(N, D) -> (N,): (1/N) Σ_u max(0, cos(x, u)), u = x included; in [0, 1].

    Without negative entries no cosine is negative, and the mean of the cosines is one product with the mean unit
    vector, O(N·D). Otherwise every pair is clamped, in blocks: O(N²·D) operations, without an N × N matrix.

    Example:
        >>> density(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 0.0]])).tolist()
        [0.5, 0.5, 0.25, 0.0]
    """
    x = unit(descriptors)
    if not len(x) or x.min() >= 0:
        cosines: NDArray[np.float64] = x @ x.mean(axis=0, dtype=np.float64)
        return cosines
    z = torch.from_numpy(x)
    ones = torch.ones(BLOCK, dtype=z.dtype)
    total = torch.zeros(len(x), dtype=torch.float64)
    for a in range(0, len(z), BLOCK):
        left = z[a : a + BLOCK]
        for b in range(a, len(z), BLOCK):
            right = z[b : b + BLOCK]
            similarity = (left @ right.T).relu_()
            total[a : a + BLOCK] += similarity @ ones[: len(right)]
            if a != b:
                total[b : b + BLOCK] += ones[: len(left)] @ similarity
    return (total / len(x)).numpy()


def information_density(measure: str = "entropy", top: float = 1.0, beta: float = 1.0) -> InformationDensity:
    """A measure of uncertainty times the density of the latent space to the power of β (Settles & Craven 2008).

    Args:
        measure (str): φ, a measure of uncertainty that is never negative. Default "entropy".
        top (float): φ is the mean over this fraction of the most uncertain pixels, in (0, 1]. Default 1.
        beta (float): β, exponent of the density, at least 0. Default 1.
    """
    return InformationDensity(UncertaintySampling(measure, top), beta)
