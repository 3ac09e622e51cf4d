"""Information density: uncertainty weighted by the mean similarity of an image to the unlabelled pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from al_lightning.core.arrays import Floats
from al_lightning.core.prediction import Prediction
from al_lightning.core.progress import Progress, silent
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates
from al_lightning.neighbors import MEMORY, blocks
from al_lightning.strategies.base import highest
from al_lightning.strategies.descriptors import check_directions, unit
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
        check_directions(prediction.latent.shape[-1])
        return self.uncertain.measure(prediction) | {"latent": prediction.latent.float()}

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        position = candidates.unlabelled
        dense = density(candidates.value("latent"), position, candidates.progress)
        weight = np.where(dense > 0, np.maximum(dense, np.finfo(np.float64).tiny) ** self.beta, 0.0)
        score = np.zeros(len(candidates.rows))
        score[position] = candidates.value(self.uncertain.key)[position] * weight
        return highest(candidates, score, per_stage, "information-density")


def density(
    descriptors: NDArray[Any],
    positions: NDArray[np.int64] | None = None,
    progress: Progress = silent,
    memory: int = MEMORY,
) -> NDArray[np.float64]:
    """(N, D) -> (n,) of those at `positions`, all where None: (1/n) Σ_u max(0, cos(x, u)), u = x included; in [0, 1].

    Without negative entries no cosine is negative, and the mean of the cosines is one product with the mean unit
    vector, O(n·D). Otherwise every pair is clamped, in blocks: O(n²·D) operations, without an n × n matrix. Unit
    vectors of more than `memory` bytes are made again for each block.

    Example:
        >>> density(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 0.0]])).tolist()
        [0.5, 0.5, 0.25, 0.0]
    """
    rows = np.arange(len(descriptors)) if positions is None else positions
    n, dimensions = len(rows), descriptors.shape[1]
    narrow = descriptors.dtype.kind != "f" or descriptors.dtype.itemsize < 4

    def read(some: slice) -> Floats:
        vectors = descriptors[rows[some]]
        return unit(vectors.astype(np.float32) if narrow else vectors)

    kept = read(slice(0, n)) if 4 * n * dimensions <= memory else None

    def units(some: slice) -> Floats:
        return read(some) if kept is None else kept[some]

    large = list(blocks(n, dimensions))
    if all(units(some).min() >= 0 for some in large):
        mean = sum((units(some).sum(axis=0, dtype=np.float64) for some in large), np.zeros(dimensions)) / max(n, 1)
        cosines = np.zeros(n)
        for some in large:
            cosines[some] = units(some) @ mean
        progress("density", 1.0)
        return cosines
    small = [slice(a, min(a + BLOCK, n)) for a in range(0, n, BLOCK)]
    ones: Tensor | None = None
    total = torch.zeros(n, dtype=torch.float64)
    done, pairs = 0, len(small) * (len(small) + 1) // 2
    for i, a in enumerate(small):
        left = torch.from_numpy(units(a))
        ones = torch.ones(BLOCK, dtype=left.dtype) if ones is None else ones
        for b in small[i:]:
            right = left if a == b else torch.from_numpy(units(b))
            similarity = (left @ right.T).relu_()
            total[a] += similarity @ ones[: len(right)]
            if a != b:
                total[b] += ones[: len(left)] @ similarity
            done += 1
            progress("density", done / pairs)
    return (total / n).numpy()


def information_density(measure: str = "entropy", top: float = 1.0, beta: float = 1.0) -> InformationDensity:
    """A measure of uncertainty times the density of the latent space to the power of β (Settles & Craven 2008).

    Args:
        measure (str): φ, a measure of uncertainty that is never negative. Default "entropy".
        top (float): φ is the mean over this fraction of the most uncertain pixels, in (0, 1]. Default 1.
        beta (float): β, exponent of the density, at least 0. Default 1.
    """
    return InformationDensity(UncertaintySampling(measure, top), beta)
