"""Attention, Suggestion and Annotation (Li & Yin 2020): uncertain images that reduce the discrepancy of L and U.

A reconstruction: only the paper's abstract, the start of its introduction and its footnotes were available. From these
are the committee, the descriptors averaged over its members, and the selection by a distribution discrepancy;
the Bhattacharyya uncertainty, the MMD, its kernel and the sizes are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from torch import Tensor

from al_lightning.core.arrays import Floats
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates
from al_lightning.strategies.base import highest
from al_lightning.uncertainty import bhattacharyya_disagreement, image_score

SUBSAMPLE = 1000
"""Images whose pairwise distances the bandwidth is computed from."""


@dataclass(frozen=True)
class ASA:
    """pool_factor·B images of highest u = 1 − mean Σ_c (Π_k p_kc)^(1/K), then the B of them whose move from U to L
    leaves the smallest MMD between L∪{i} and U∖{i}; a reconstruction from the paper's abstract.

    MMD² = mean k(l, l′) + mean k(u, u′) − 2 mean k(l, u), biased, k(x, y) = exp(−‖x − y‖²/(2σ²)) on the members'
    mean descriptor, σ the median distance of 1,000 images of the pool (drawn with a fixed seed). The score of a
    pick is its MMD² without the terms that are equal for all candidates of its step.

    Args:
        pool_factor (float): number of candidates per image to pick, at least 1; 2 as in Suggestive Annotation.
            Default 2.
        mode (str): "greedy" counts each pick as labelled for the next, "independent" compares all candidates with
            the L and U of the stage. Default "greedy".
    """

    pool_factor: float = 2.0
    mode: Literal["greedy", "independent"] = "greedy"
    needs: ClassVar[frozenset[str]] = frozenset({"passes", "members"})

    def __post_init__(self) -> None:
        if not 1 <= self.pool_factor < np.inf:
            raise ValueError(f"pool_factor={self.pool_factor}: expected at least 1 candidate per image to pick")
        if self.mode not in ("greedy", "independent"):
            raise ValueError(f"mode={self.mode!r}: expected 'greedy' or 'independent'")

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        assert prediction.passes is not None
        assert prediction.members is not None
        disagreement = image_score(bhattacharyya_disagreement(prediction.passes))
        return {"disagreement": disagreement, "members-mean": prediction.members.float().mean(1)}

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        number = min(round(self.pool_factor * per_stage), len(candidates.unlabelled))
        uncertain = highest(candidates, candidates.value("disagreement"), number, "disagreement")
        pool = np.searchsorted(candidates.rows, np.sort(uncertain.rows))
        features = candidates.value("members-mean")
        bandwidth = median_distance(features)
        pick, score = least_discrepancy(
            features, pool, candidates.labelled, per_stage, bandwidth, greedy=self.mode == "greedy"
        )
        return Query.of(candidates.rows[pick], "mmd", score)


def median_distance(features: Floats, seed: int = 0) -> float:
    """Median of ‖x − y‖ over pairs of at most 1,000 of (N, D) features; 1 where that is 0 or there is no pair.

    Example:
        >>> median_distance(np.array([[0.0], [1.0], [3.0]]))
        2.0
    """
    if len(features) > SUBSAMPLE:
        drawn = np.random.default_rng(seed).choice(len(features), SUBSAMPLE, replace=False)
        features = features[np.sort(drawn)]
    distance = pdist(features)
    median = float(np.median(distance)) if len(distance) else 0.0
    return median if median > 0 else 1.0


def kernel(x: Floats, y: Floats, bandwidth: float) -> NDArray[np.float64]:
    """exp(−‖x − y‖²/(2σ²)): x (n, D), y (m, D) float64 -> (n, m); σ is the bandwidth.

    Example:
        >>> kernel(np.zeros((1, 1)), np.array([[0.0], [2.0]]), bandwidth=np.sqrt(2)).round(3).tolist()
        [[1.0, 0.368]]
    """
    squared = (x * x).sum(1)[:, None] + (y * y).sum(1) - 2 * (x @ y.T)
    result: NDArray[np.float64] = np.exp(-np.maximum(squared, 0) / (2 * bandwidth**2))
    return result


def least_discrepancy(
    features: Floats,
    pool: NDArray[np.int64],
    labelled: NDArray[np.bool_],
    number: int,
    bandwidth: float,
    greedy: bool,
    chunk: int = 1024,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """`number` of `pool` (K,) that leave the smallest MMD² between labelled and unlabelled features (N, D).

    With a_i = Σ_{l∈L} k(i, l), b_i = Σ_{u∈U} k(i, u), n = |L|, m = |U|, moving i to L changes the three sums by
    2a_i + 1, −2b_i + 1 and b_i − a_i − 1. The sums themselves are the same for all i, so the smallest MMD² is
    the smallest 2a_i/(n+1)² − 2b_i/(m−1)² − 2(b_i − a_i)/((n+1)(m−1)): O(K·N·D), no N × N. A pick p then moves
    k(i, p) from b_i to a_i.

    Returns:
        positions (number,) in the order of selection, and those values (number,).

    Example:
        >>> labelled = np.array([True, False, False])
        >>> features, pool = np.array([[0.0], [0.1], [5.0]]), np.array([1, 2])
        >>> least_discrepancy(features, pool, labelled, 1, bandwidth=1.0, greedy=True)[0].tolist()
        [2]
    """
    assert number < (~labelled).sum(), "one unlabelled image must be left to compare with"
    offset = features.mean(axis=0, dtype=np.float64)
    candidates = features[pool] - offset
    a, b = np.zeros(len(pool)), np.zeros(len(pool))
    for start in range(0, len(features), chunk):
        k = kernel(candidates, features[start : start + chunk] - offset, bandwidth)
        mask = labelled[start : start + chunk].astype(np.float64)
        a += k @ mask
        b += k @ (1 - mask)
    n, m = int(labelled.sum()), int((~labelled).sum())
    if not greedy:
        value = _moved(a, b, n, m)
        order = np.argsort(value, kind="stable")[:number]
        return pool[order], value[order]
    free = np.ones(len(pool), dtype=bool)
    chosen, values = np.empty(number, np.int64), np.empty(number)
    for step in range(number):
        value = np.where(free, _moved(a, b, n + step, m - step), np.inf)
        best = int(value.argmin())
        chosen[step], values[step], free[best] = best, value[best], False
        k = kernel(candidates, candidates[best : best + 1], bandwidth)[:, 0]
        a += k
        b -= k
    return pool[chosen], values


def _moved(a: Floats, b: Floats, n: int, m: int) -> NDArray[np.float64]:
    """(K,) the terms of MMD²(L∪{i}, U∖{i}) that depend on i."""
    value: NDArray[np.float64] = 2 * a / (n + 1) ** 2 - 2 * b / (m - 1) ** 2 - 2 * (b - a) / ((n + 1) * (m - 1))
    return value
