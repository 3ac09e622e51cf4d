"""k-center-greedy: the picks of the textbook loop, in one search for each block of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from al_lightning.core.progress import Progress, silent
from al_lightning.core.quota import Quota
from al_lightning.neighbors.search import (
    MEMORY,
    Float32,
    Float64,
    Frame,
    Int64,
    Points,
    blocks,
    matrix,
    searcher,
    squared_distances,
)

BLOCK = 1024
"""Candidates in one block of k-center-greedy: few enough that their float64 products take milliseconds."""
COINCIDENT = 1e-13
"""In float64, ‖a‖² + ‖b‖² − 2ab of two copies is about 1e-16·‖a‖² instead of 0; below this factor it is set to 0."""


def k_center_greedy(
    features: ArrayLike,
    labelled: ArrayLike,
    budget: int,
    block: int = BLOCK,
    quota: Quota | None = None,
    progress: Progress = silent,
    memory: int = MEMORY,
) -> tuple[Int64, Float64]:
    """Core-set by greedy k-center (Sener & Savarese 2018, algorithm 1), with the picks of the textbook loop.

    Repeats u = argmax_{i ∉ L} min_{j ∈ L} ‖zᵢ − zⱼ‖, L ← L ∪ {u}; of equal distances the lowest position. Minima
    never grow, so the best of the `block` farthest points is the best of all while it is at least as far as the
    farthest point outside. Then one 1-NN search against the points just picked updates all minima. Rounding to
    float32 may swap picks whose distances agree to about six digits.

    Args:
        features: (N, D) real numbers of any type, also memory-mapped.
        labelled: (N,) True where a point is a centre already; with none, the first pick is the point nearest
            the mean.
        budget: B, the number of picks.
        block: m, which changes the speed and not the picks. Memory: m × m and a few (N,), beside `memory`.
        quota: with it, i also runs only over points whose group has a pick left.
        progress: told of comparisons of points and centres, of all that there will be.
        memory: bytes up to which a float32 copy of the features is kept; above, they are converted in blocks for
            each search. It changes the speed and not the picks.

    Returns:
        positions (B,) in the order of selection; (B,) distance, not squared, of each pick to its nearest centre
        when it was picked: 0 for a copy of a centre, NaN for a first pick without centres.

    Raises:
        ValueError: a feature is NaN or infinite, `labelled` or the quota does not fit, the block is empty, or B
            exceeds the number of unlabelled points, or of those that the quota admits.

    Example:
        >>> picks, distance = k_center_greedy([[0.0], [1.0], [4.0], [9.0]], [True, False, False, False], 2)
        >>> picks.tolist(), distance.tolist()
        ([3, 2], [9.0, 4.0])
    """
    z, mask = matrix("features", features), np.asarray(labelled, dtype=bool)
    order, pool = _order(len(z), mask, budget, block, quota)
    picks, reach = np.empty(budget, np.int64), np.empty(budget)
    if budget == 0:
        return picks, reach
    points, done = Points.of(z, Frame.of(z), order, memory), 0  # first the pool, then the centres
    groups = np.empty(0, np.int64) if quota is None else quota.group[order[:pool]]
    left = np.empty(0, np.int64) if quota is None else quota.left.copy()
    centres = np.arange(pool, len(z))
    total = pool * (len(centres) + budget)
    compared = 0

    def count(pairs: int) -> None:
        nonlocal compared
        compared += pairs
        progress("k-center", compared / total)

    minima, owner = np.full(pool, np.inf), np.zeros(pool, np.int64)
    if not len(centres):
        closed = left[groups] <= 0 if quota else np.zeros(pool, dtype=bool)
        picks[0], reach[0], done = _nearest_the_mean(points, closed), np.nan, 1
        centres = picks[:1]
    _approach(points, centres, minima, owner, count)
    if quota:
        minima[left[groups] <= 0] = -1.0
    _close(minima, picks[:done], groups, left)
    while done < budget:
        candidates, bound, runner_up = _farthest(minima, block)
        some, theirs = points.at(candidates), points.at(owner[candidates])
        every = np.arange(len(candidates))
        inside = np.where(minima[candidates] < 0, -1.0, squared_distances(some, theirs, every, every))
        room = (groups[candidates], left.copy()) if quota else None
        chosen, reached = _greedy(some, inside, candidates, bound, runner_up, budget - done, room)
        new = candidates[chosen]
        picks[done : done + len(new)], reach[done : done + len(new)] = new, np.sqrt(reached) / points.frame.scale
        _close(minima, new, groups, left)
        done += len(new)
        if done < budget and minima.max() > 0:
            _approach(points, new, minima, owner, count)
    progress("k-center", 1.0)
    return order[picks], reach


def _order(count: int, mask: NDArray[np.bool_], budget: int, block: int, quota: Quota | None) -> tuple[Int64, int]:
    """The positions of the pool, then those of the centres; and the size of the pool.

    Raises:
        ValueError: an argument does not fit.
    """
    if mask.shape != (count,):
        raise ValueError(f"labelled has shape {mask.shape}: expected ({count},), one flag per vector of features")
    order = np.argsort(mask, kind="stable")
    pool = count - int(mask.sum())
    if not 0 <= budget <= pool:
        raise ValueError(f"budget = {budget}: expected 0 to {pool}, the number of unlabelled points")
    if quota is not None:
        if quota.group.shape != (count,):
            raise ValueError(f"quota has shape {quota.group.shape}: expected ({count},), one group per vector")
        if budget > (most := quota.available(order[:pool])):
            raise ValueError(f"budget = {budget}: expected 0 to {most}, the points that the quota of groups admits")
    if block < 1:
        raise ValueError(f"block = {block}: expected at least 1 candidate")
    return order, pool


def _nearest_the_mean(points: Points, closed: NDArray[np.bool_]) -> int:
    """The point nearest the mean of all, among those not closed; of equally near ones the first."""
    total = np.zeros(points.features.shape[1])
    for _, part in points.blocks():
        total += part.sum(axis=0, dtype=np.float64)
    mean = (total / len(points))[None]
    best, least = 0, np.inf
    for block, part in points.blocks():
        squared = squared_distances(part, mean, np.arange(len(part)), np.zeros(len(part), np.int64))
        squared[closed[block]] = np.inf
        if squared.min() < least:
            best, least = block.start + int(squared.argmin()), float(squared.min())
    return best


def _approach(points: Points, centres: Int64, minima: Float64, owner: Int64, count: Callable[[int], None]) -> None:
    """Update the squared distance of each point of the pool to its nearest centre, and which one that is."""
    for some in blocks(len(centres), points.features.shape[1]):
        search = searcher(points.at(centres[some]), 1)
        for block, queries in points.blocks(len(minima)):
            squared, index = search(queries)
            closer = squared[:, 0] < minima[block]
            minima[block][closer] = squared[closer, 0]
            owner[block][closer] = centres[some][index[closer, 0]]
            count(len(queries) * (some.stop - some.start))


def _close(minima: Float64, picked: Int64, groups: Int64, left: Int64) -> None:
    """Take from the candidates what is picked, and every point whose group is full with it."""
    minima[picked] = -1.0  # below the distance 0 of copies, so that no point is picked twice
    if len(left) and len(picked):
        np.subtract.at(left, groups[picked], 1)
        full = np.unique(groups[picked])
        full = full[left[full] <= 0]
        minima[np.isin(groups, full)] = -1.0


def _farthest(minima: Float64, block: int) -> tuple[Int64, float, int]:
    """The `block` largest minima (ties: lowest position), ascending; the largest outside and its position."""
    if block >= len(minima):
        return np.arange(len(minima)), -np.inf, len(minima)
    threshold = np.partition(minima, len(minima) - block)[len(minima) - block]
    member = minima > threshold
    member[np.flatnonzero(minima == threshold)[: block - int(member.sum())]] = True
    outside = np.where(member, -np.inf, minima)
    runner_up = int(outside.argmax())
    return np.flatnonzero(member), float(outside[runner_up]), runner_up


def _greedy(
    points: Float32,
    minima: Float64,
    positions: Int64,
    bound: float,
    runner_up: int,
    most: int,
    room: tuple[Int64, Int64] | None,
) -> tuple[list[int], list[float]]:
    """Greedy k-center inside a block (m, D) until a point outside may be next; updates `minima` in place.

    A point at distance `bound` is picked only if it precedes `runner_up`, the first point outside at that distance.
    The first point is always picked, because only the rounding of `bound` could exclude it. `room` is the group of
    each point and the picks left to each group, which are counted down.
    """
    x = torch.from_numpy(points).double()
    # torch's threads sleep after a product; those of numpy's BLAS keep spinning, which slows FAISS down by a third
    products = (x @ x.T).numpy()
    norms = products.diagonal().copy()
    chosen: list[int] = []
    squared: list[float] = []
    while len(chosen) < most:
        best = int(minima.argmax())
        value = float(minima[best])
        if chosen and (value < 0 or value < bound or (value == bound and positions[best] > runner_up)):
            break
        chosen.append(best)
        squared.append(value)
        total = norms + norms[best]
        distances = total - 2 * products[best]
        distances[distances < COINCIDENT * total] = 0.0
        np.minimum(minima, distances, out=minima)
        minima[best] = -1.0
        if room is not None:
            groups, left = room
            left[groups[best]] -= 1
            if left[groups[best]] <= 0:
                minima[groups == groups[best]] = -1.0
    return chosen, squared
