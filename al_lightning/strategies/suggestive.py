"""Suggestive Annotation (Yang et al. 2017): the most representative of the most uncertain images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from al_lightning.core.arrays import Floats
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates
from al_lightning.strategies.base import highest
from al_lightning.strategies.descriptors import check_directions, unit
from al_lightning.uncertainty import image_score, mc_variance

CHUNK_FLOATS = 2**22
"""Descriptor entries or similarities of one chunk: 16 MiB in float32."""
CACHE_BYTES = 2**30
"""Similarities of candidates and unlabelled images are cached up to this size and recomputed beyond it."""


@dataclass(frozen=True)
class Suggestive:
    """K = pool_factor·B images of highest committee variance, then B of them by greedy max-cover (Yang et al. 2017).

    Each step adds the candidate that maximises F(S) = Σ_{j∈U} max_{i∈S} sim(i, j), sim the cosine of descriptors
    averaged over the members of the committee and clamped at 0; F is submodular, so greedy reaches 1 − 1/e of
    the optimum. The score of a pick is its gain in F.

    Args:
        pool_factor (float): K/B, at least 1; K = 16 and B = 8 in the paper. K is at most |U|. Default 2.
    """

    pool_factor: float = 2.0
    needs: ClassVar[frozenset[str]] = frozenset({"passes", "members"})

    def __post_init__(self) -> None:
        if not 1 <= self.pool_factor < np.inf:
            raise ValueError(f"pool_factor={self.pool_factor}: expected at least 1 candidate per image to pick")

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        assert prediction.passes is not None
        assert prediction.members is not None
        check_directions(prediction.members.shape[-1], "members")
        variance = mc_variance(prediction.passes)
        assert prediction.passes.mean is not None
        if prediction.passes.mean.shape[1] == 2:
            variance = variance / 2  # both classes have the paper's variance of the foreground
        return {"committee-variance": image_score(variance), "members": prediction.members.float()}

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        position = candidates.unlabelled
        number = min(round(self.pool_factor * per_stage), len(position))
        uncertain = highest(candidates, candidates.value("committee-variance"), number, "committee-variance")
        pool = np.searchsorted(candidates.rows, np.sort(uncertain.rows))
        pick, gain = max_cover(candidates.value("members"), pool, position, per_stage)
        return Query.of(candidates.rows[pick], "max-cover", gain)


def max_cover(
    members: Floats, pool: NDArray[np.int64], covered: NDArray[np.int64], number: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Greedy max_{S ⊆ pool, |S| = number} Σ_{j ∈ covered} max_{i∈S} sim(i, j), exactly.

    With r_j = max_{i∈S} sim(i, j), the gain of i is Σ_j max(0, sim(i, j) − r_j). Later picks raise r_j for fewer j,
    and only the terms of these j change in the gains: about K·U·ln(number) operations instead of number·K·U. Gains
    within 1e-9·U of the largest, the size of rounding errors, count as equal; of these the first in `pool` is taken.

    Args:
        members: (N, M, D) descriptors by M members.
        pool: (K,) positions that may be chosen.
        covered: (U,) positions to cover.
        number: of positions to choose.

    Returns:
        positions (number,) in the order of selection, their gains (number,).

    Example:
        >>> members = np.array([[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 1.0]]])  # two images alike, one different
        >>> position, gain = max_cover(members, np.array([0, 1, 2]), np.array([0, 1, 2]), 2)
        >>> position.tolist(), gain.tolist()
        ([0, 2], [2.0, 1.0])
    """
    similarity = _similarity(members, pool, covered)
    step = max(1, CHUNK_FLOATS // len(pool))
    everything = np.arange(len(covered))
    reach = np.zeros(len(covered), dtype=np.float32)
    gain = np.zeros(len(pool))
    for start in range(0, len(covered), step):
        gain += similarity(everything[start : start + step], None).sum(axis=0, dtype=np.float64)
    chosen, gains = np.empty(number, np.int64), np.empty(number)
    for k in range(number):
        best = int(np.flatnonzero(gain >= gain.max() - 1e-9 * len(covered))[0])
        chosen[k], gains[k] = best, max(gain[best], 0.0)
        own = similarity(everything, best)
        raised = np.flatnonzero(own > reach)
        for start in range(0, len(raised), step):
            block = raised[start : start + step]
            old, new = reach[block, None], own[block, None]
            lost = np.clip(similarity(block, None), old, new) - old  # max(0, s − old) − max(0, s − new)
            gain -= lost.sum(axis=0, dtype=np.float64)
        reach[raised] = own[raised]
        gain[best] = -np.inf
    return pool[chosen], gains


def _similarity(
    members: Floats, pool: NDArray[np.int64], covered: NDArray[np.int64]
) -> Callable[[NDArray[np.int64], int | None], NDArray[Any]]:
    """A function (positions in covered, position in pool or None for all) -> (n,) or (n, K) similarities."""
    scale = np.float32(1 / members.shape[1])  # a product of concatenated unit vectors is M times the mean cosine
    candidates = _flat(members[pool]) * scale
    lines = max(1, CHUNK_FLOATS // candidates.shape[1])

    def compute(which: NDArray[np.int64], one: int | None) -> NDArray[Any]:
        right = candidates.T if one is None else candidates[one]
        found = np.empty((len(which), *right.shape[1:]), dtype=np.float32)
        for start in range(0, len(which), lines):
            block = slice(start, start + lines)
            np.maximum(_flat(members[covered[which[block]]]) @ right, 0, out=found[block])
        return found

    if 4 * len(pool) * len(covered) > CACHE_BYTES:
        return compute
    cached = compute(np.arange(len(covered)), None)

    def look_up(which: NDArray[np.int64], one: int | None) -> NDArray[Any]:
        return cached[which] if one is None else cached[which, one]

    return look_up


def _flat(members: Floats) -> NDArray[np.float32]:
    """(n, M, D) -> (n, M·D) float32, with a unit vector for each member."""
    return unit(members.astype(np.float32, copy=False)).reshape(len(members), -1)
