"""Robust core-set: k-center as a mixed-integer program that may leave a few outliers uncovered."""

from __future__ import annotations

import logging
import time
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, eye_array, hstack
from torch import Tensor

from al_lightning.core.arrays import Floats
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates
from al_lightning.neighbors import k_center_greedy, nearest

logger = logging.getLogger(__name__)

MAX_PAIRS = 10_000_000
"""Maximum of pairs within the greedy radius, the non-zeros of the constraints: about 0.5 GB in the solver."""
MAX_POINTS = 20_000
"""Maximum of unlabelled points, all of whose distances are computed: about 10 s on two cores."""
CHUNK = 256
"""Points whose distances to all unlabelled points are in memory at a time."""


@dataclass(frozen=True)
class Pairs:
    """Distances of `value` between the points `row` and `column`, each (pairs,)."""

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    value: NDArray[np.float64]


@dataclass(frozen=True)
class RobustCoreset:
    """min δ such that B new centres and the labelled ones leave at most Ξ points farther than δ from all centres
    (Sener & Savarese 2018, eq. 6 and algorithm 2), by bisection over the distances that occur.

    The paper's ω_ij and ξ_ij are projected out, exactly: for a given δ there is a solution if and only if binary
    u with Σu_j = B and ξ with Σξ_i ≤ Ξ satisfy Σ_{j: Δ_ij ≤ δ} u_j + ξ_i ≥ 1 for every i that no labelled
    image covers. Distances are not squared. The final δ is between half the greedy radius and the greedy radius
    where Ξ = 0, and at most the greedy radius with outliers. The score of each pick is this δ.

    The picks are those of greedy k-center, with a warning and the source "k-center (greedy fallback)", where more
    than 20,000 images are unlabelled, more than 10,000,000 pairs are within the greedy radius, or the time limit is
    reached before a smaller radius is found. Where it is reached later, the best cover so far is kept, with the
    source "robust k-center (time limit)". With a time limit that is reached, results depend on the speed of the
    machine.

    Args:
        time_limit (float): seconds for the whole selection, above 0. Default 60.
        outliers (int | None): Ξ, images that may be farther than δ from all centres, at least 0. Default None:
            ⌊10⁻⁴·|U|⌋, which is 0, exact k-center, for pools of fewer than 10,000 images.
    """

    time_limit: float = 60.0
    outliers: int | None = None
    needs: ClassVar[frozenset[str]] = frozenset({"latent"})

    def __post_init__(self) -> None:
        if not self.time_limit > 0:
            raise ValueError(f"time_limit={self.time_limit}: expected a positive number of seconds")
        if self.outliers is not None and self.outliers < 0:
            raise ValueError(f"outliers={self.outliers}: expected a number of images of at least 0, or null")

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        assert prediction.latent is not None
        return {"latent": prediction.latent.float()}

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        deadline = time.monotonic() + self.time_limit
        features, position = candidates.value("latent"), candidates.unlabelled
        outliers = len(position) // 10_000 if self.outliers is None else self.outliers
        greedy, distance = k_center_greedy(features, candidates.labelled, per_stage)
        centres = np.concatenate([np.flatnonzero(candidates.labelled), greedy])
        radius = float(np.sqrt(nearest(features[position], features[centres])[0].max()))
        base = np.full(len(position), np.inf)
        if candidates.labelled.any():
            base = np.sqrt(nearest(features[position], features[candidates.labelled])[0].astype(np.float64))
        pairs = pairs_within(features[position], radius * (1 + 1e-5), deadline)
        if isinstance(pairs, str):
            return self._fallback(candidates.rows[greedy], distance, pairs)
        pick, found, proven = smallest_cover(pairs, base, radius, per_stage, outliers, deadline)
        if pick is None and proven:
            return Query.of(candidates.rows[greedy], "robust k-center", np.full(per_stage, radius))
        if pick is None:
            why = f"no smaller radius was found in {self.time_limit:g} s"
            return self._fallback(candidates.rows[greedy], distance, why)
        if not proven:
            warnings.warn(
                f"robust-coreset: time_limit={self.time_limit:g} s is over; δ = {found:.6g} may not be the smallest",
                stacklevel=2,
            )
        source = "robust k-center" if proven else "robust k-center (time limit)"
        return Query.of(candidates.rows[position[pick]], source, np.full(per_stage, found))

    def _fallback(self, rows: NDArray[np.int64], distance: NDArray[np.float64], why: str) -> Query:
        warnings.warn(f"robust-coreset: {why}; the picks are greedy k-center's", stacklevel=3)
        return Query.of(rows, "k-center (greedy fallback)", distance)


def pairs_within(features: Floats, radius: float, deadline: float) -> Pairs | str:
    """Pairs (i, j) of (U, D) features with ‖z_i − z_j‖ ≤ radius, i = j included.

    Returns the reason instead where they are too many or time.monotonic() passes `deadline`.

    Example:
        >>> pairs = pairs_within(np.array([[0.0], [1.0], [5.0]]), 2.0, deadline=np.inf)
        >>> pairs.row.tolist(), pairs.column.tolist(), pairs.value.tolist()
        ([0, 0, 1, 1, 2], [0, 1, 0, 1, 2], [0.0, 1.0, 1.0, 0.0, 0.0])
    """
    if len(features) > MAX_POINTS:
        return f"{len(features):,} unlabelled images, more than {MAX_POINTS:,}"
    x = features - features.mean(axis=0, dtype=np.float64)
    norms = (x * x).sum(axis=1)
    blocks: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    count = 0
    for start in range(0, len(x), CHUNK):
        stop = min(start + CHUNK, len(x))
        squared = norms[start:stop, None] + norms - 2 * (x[start:stop] @ x.T)
        squared[squared < 1e-13 * (norms[start:stop, None] + norms)] = 0.0  # distances of copies, but for rounding
        i, j = np.nonzero(squared <= radius**2)
        count += len(i)
        if count > MAX_PAIRS:
            return f"more than {MAX_PAIRS:,} pairs of images within the greedy radius"
        if time.monotonic() > deadline:
            return "the time was over before all distances were known"
        blocks.append((i + start, j, np.sqrt(squared[i, j])))
    row, column, value = zip(*blocks, strict=True)
    return Pairs(np.concatenate(row), np.concatenate(column), np.concatenate(value))


def smallest_cover(
    pairs: Pairs, base: NDArray[np.float64], radius: float, per_stage: int, outliers: int, deadline: float
) -> tuple[NDArray[np.int64] | None, float, bool]:
    """Centres (B,) that cover all but `outliers` points within the smallest radius below the greedy one.

    Args:
        pairs: distances between unlabelled points that are at most `radius`.
        base: (U,) distance to the nearest labelled point, inf where none is labelled.
        radius: the greedy radius, for which a cover is known.
        per_stage: B.
        outliers: number of points that may stay uncovered.
        deadline: as time.monotonic().

    Returns:
        ascending positions, or None where no radius below the greedy one was found; the radius; and whether it is
        proven to be the smallest.

    Example:
        >>> pairs = pairs_within(np.array([[0.0], [1.0], [2.0]]), 2.0, deadline=np.inf)
        >>> position, radius, proven = smallest_cover(pairs, np.full(3, np.inf), 2.0, 1, 0, deadline=np.inf)
        >>> position.tolist(), radius, proven
        ([1], 1.0, True)
    """
    value = np.concatenate([pairs.value, base[base <= radius]])
    lowest = 0.0 if outliers else radius / 2 * (1 - 1e-5)  # greedy is a 2-approximation only without outliers
    radii = np.unique(value[(value >= lowest) & (value < radius * (1 - 1e-5))])
    low, high = 0, len(radii)
    best: NDArray[np.int64] | None = None
    while low < high:
        middle = (low + high) // 2
        left = deadline - time.monotonic()
        found = cover(pairs, base, float(radii[middle]), per_stage, outliers, left) if left > 0 else None
        if found is None:
            return best, float(radii[high]) if best is not None else radius, False
        if len(found):
            best, high = found, middle
        else:
            low = middle + 1
        logger.info("robust core-set: %d of %d radii left", high - low, len(radii))
    return best, float(radii[high]) if best is not None else radius, True


def cover(
    pairs: Pairs, base: NDArray[np.float64], radius: float, per_stage: int, outliers: int, seconds: float
) -> NDArray[np.int64] | None:
    """B positions that cover all but `outliers` points within `radius`; empty where there are none, None where the
    solver did not decide within `seconds`."""
    n = len(base)
    open_ = np.flatnonzero(base > radius)
    near = pairs.value <= radius
    a = csr_array((np.ones(near.sum()), (pairs.row[near], pairs.column[near])), shape=(n, n))[open_]
    columns = n
    if outliers:
        a = hstack([a, eye_array(len(open_), format="csr")], format="csr")
        columns += len(open_)
    centres = np.zeros((1, columns))
    centres[0, :n] = 1
    constraints = [LinearConstraint(csr_array(centres), per_stage, per_stage)]
    if len(open_):
        constraints.append(LinearConstraint(a, 1, np.inf))
    if outliers:
        constraints.append(LinearConstraint(csr_array(1 - centres), 0, outliers))
    integral = np.zeros(columns)
    integral[:n] = 1  # with binary u, ξ_i = 1 exactly where i is not covered
    result = milp(
        np.zeros(columns),
        integrality=integral,
        bounds=Bounds(0, 1),
        constraints=constraints,
        options={"time_limit": seconds},
    )
    if result.x is not None:
        return np.sort(np.argsort(-result.x[:n], kind="stable")[:per_stage]).astype(np.int64)
    return np.empty(0, np.int64) if result.status == 2 else None
