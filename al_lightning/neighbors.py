"""Exact nearest neighbours, k-center-greedy and weighted k-means on FAISS.

FAISS fuses distances with their minimum, so that no matrix of queries × references is stored. Features are centred and
scaled first, because ‖a‖² + ‖b‖² − 2ab in float32 loses digits to an offset that all vectors have in common. A distance
that is small against ‖a‖² is imprecise even then and is computed again from a − b, so that copies of a vector are at
distance exactly 0.
Results are deterministic for one machine and number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

Array = NDArray[Any]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

BLOCK = 1024
"""Candidates in one block of k-center-greedy: few enough that their float64 products take milliseconds."""
CLOSE = 1 / 64
"""d² < CLOSE·‖a‖² is computed again: float32's error of 1e-7·‖a‖² would be 1e-5 of d² or more."""
COINCIDENT = 1e-13
"""In float64, ‖a‖² + ‖b‖² − 2ab of two copies is about 1e-16·‖a‖² instead of 0; below this factor it is set to 0."""
ROWS = 1024
"""Vectors in memory at a time where they are subtracted in float64."""


@dataclass(frozen=True)
class KMeans:
    """K clusters, none of them empty: centroids (K, D), cluster of each vector (N,), objective."""

    centroids: Float64
    assignment: Int64
    inertia: float


@dataclass(frozen=True)
class _Frame:
    """Float32 coordinates (x − offset)·scale in which distances are computed."""

    offset: Float64
    scale: float

    @classmethod
    def of(cls, features: Array) -> _Frame:
        """Offset: the mean, rounded to a power of two of 1/16 to 1/8 of the range; scale: a power of two.

        Subtracting the exact mean would round exact values: with this offset integers and the like stay on their
        grid, so that equal distances remain equal.
        """
        low, high = features.min(axis=0).astype(np.float64), features.max(axis=0).astype(np.float64)
        spread = high - low
        grid = np.ldexp(1.0, np.frexp(spread)[1] - 4)
        mean = np.rint(features.mean(axis=0, dtype=np.float64) / grid) * grid
        return cls(np.where(spread > 0, mean, low), float(np.ldexp(1.0, -np.frexp(spread.max())[1])))

    def apply(self, features: Array, positions: Int64 | None = None) -> Float32:
        """(N, D) -> (n, D) float32 of the vectors at these positions (None: all), C-contiguous."""
        positions = np.arange(len(features)) if positions is None else positions
        out = np.empty((len(positions), features.shape[1]), dtype=np.float32)
        for start in range(0, len(positions), ROWS):
            block = slice(start, start + ROWS)
            np.multiply(features[positions[block]] - self.offset, self.scale, out=out[block], casting="same_kind")
        return out


def nearest(queries: ArrayLike, references: ArrayLike) -> tuple[Float32, Int64]:
    """Exact nearest reference of each query: (Q, D), (R, D) -> squared distance (Q,), index (Q,).

    Raises:
        ValueError: the shapes do not fit, there is no reference, or a value is NaN or infinite.

    Example:
        >>> squared, index = nearest([[0.0], [9.0]], [[1.0], [7.0]])
        >>> squared.tolist(), index.tolist()
        ([1.0, 4.0], [0, 1])
    """
    squared, index = nearest_k(queries, references, 1)
    return squared[:, 0], index[:, 0]


def nearest_k(queries: ArrayLike, references: ArrayLike, k: int) -> tuple[Float32, Int64]:
    """The k nearest references, nearest first: -> squared distances (Q, k), indices (Q, k).

    Runs on all GPUs that FAISS sees (there k ≤ 2048), else on the CPU.

    Raises:
        ValueError: as for `nearest`, or k is not in 1..R.

    Example:
        >>> squared, index = nearest_k([[0.0]], [[7.0], [1.0], [3.0]], k=2)
        >>> squared.tolist(), index.tolist()
        ([[1.0, 9.0]], [[1, 2]])
    """
    q, r = _matrix("queries", queries), _matrix("references", references)
    if q.shape[1] != r.shape[1]:
        raise ValueError(f"queries have {q.shape[1]} dimensions, references {r.shape[1]}: embed both alike")
    if not 1 <= k <= len(r):
        raise ValueError(f"k = {k} nearest of {len(r)} references: expected at least 1 and at most {len(r)}")
    frame = _Frame.of(r)
    squared, index = _search(frame.apply(q), frame.apply(r), k)
    order = np.argsort(squared, axis=1, kind="stable")
    squared = np.take_along_axis(squared, order, axis=1) / frame.scale**2
    return squared.astype(np.float32), np.take_along_axis(index, order, axis=1)


def k_center_greedy(features: ArrayLike, labelled: ArrayLike, budget: int, block: int = BLOCK) -> tuple[Int64, Float64]:
    """Core-set by greedy k-center (Sener & Savarese 2018, algorithm 1), with the picks of the textbook loop.

    Repeats u = argmax_{i ∉ L} min_{j ∈ L} ‖zᵢ − zⱼ‖, L ← L ∪ {u}; of equal distances the lowest position. Minima
    never grow, so the best of the `block` farthest points is the best of all while it is at least as far as the
    farthest point outside. Then one 1-NN search against the points just picked updates all minima. Rounding to
    float32 may swap picks whose distances agree to about six digits.

    Args:
        features: (N, D) real numbers of any type.
        labelled: (N,) True where a point is a centre already; with none, the first pick is the point nearest
            the mean.
        budget: B, the number of picks.
        block: m, which changes the speed and not the picks. Memory: float32 features, m × m and a few (N,).

    Returns:
        positions (B,) in the order of selection; (B,) distance, not squared, of each pick to its nearest centre
        when it was picked: 0 for a copy of a centre, NaN for a first pick without centres.

    Raises:
        ValueError: a feature is NaN or infinite, `labelled` does not fit, the block is empty, or B exceeds
            the number of unlabelled points.

    Example:
        >>> picks, distance = k_center_greedy([[0.0], [1.0], [4.0], [9.0]], [True, False, False, False], 2)
        >>> picks.tolist(), distance.tolist()
        ([3, 2], [9.0, 4.0])
    """
    z, mask = _matrix("features", features), np.asarray(labelled, dtype=bool)
    if mask.shape != (len(z),):
        raise ValueError(f"labelled has shape {mask.shape}: expected ({len(z)},), one flag per vector of features")
    order = np.argsort(mask, kind="stable")
    pool = len(z) - int(mask.sum())
    if not 0 <= budget <= pool:
        raise ValueError(f"budget = {budget}: expected 0 to {pool}, the number of unlabelled points")
    if block < 1:
        raise ValueError(f"block = {block}: expected at least 1 candidate")
    picks, reach = np.empty(budget, np.int64), np.empty(budget)
    if budget == 0:
        return picks, reach
    frame = _Frame.of(z)
    points, done = frame.apply(z, order), 0  # first the pool, then the centres
    centres = np.arange(pool, len(z))
    if not len(centres):
        mean = points.mean(axis=0, dtype=np.float64)[None]
        picks[0], reach[0], done = _squared(points, mean, order, np.zeros_like(order)).argmin(), np.nan, 1
        centres = picks[:1]
    squared, index = _search(points[:pool], points[centres], 1)
    minima, owner = squared[:, 0], centres[index[:, 0]]
    minima[picks[:done]] = -1.0  # below the distance 0 of copies, so that no point is picked twice
    while done < budget:
        candidates, bound, runner_up = _farthest(minima, block)
        inside = np.where(minima[candidates] < 0, -1.0, _squared(points, points, candidates, owner[candidates]))
        chosen, reached = _greedy(points[candidates], inside, candidates, bound, runner_up, budget - done)
        new = candidates[chosen]
        picks[done : done + len(new)], reach[done : done + len(new)] = new, np.sqrt(reached) / frame.scale
        minima[new] = -1.0
        done += len(new)
        if done < budget and minima.max() > 0:
            squared, index = _search(points[:pool], points[new], 1)
            closer = squared[:, 0] < minima
            minima[closer], owner[closer] = squared[closer, 0], new[index[closer, 0]]
    return order[picks], reach


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
    points: Float32, minima: Float64, positions: Int64, bound: float, runner_up: int, most: int
) -> tuple[list[int], list[float]]:
    """Greedy k-center inside a block (m, D) until a point outside may be next; updates `minima` in place.

    A point at distance `bound` is picked only if it precedes `runner_up`, the first point outside at that distance.
    The first point is always picked, because only the rounding of `bound` could exclude it.
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
        if chosen and (value < bound or (value == bound and positions[best] > runner_up)):
            break
        chosen.append(best)
        squared.append(value)
        total = norms + norms[best]
        distances = total - 2 * products[best]
        distances[distances < COINCIDENT * total] = 0.0
        np.minimum(minima, distances, out=minima)
        minima[best] = -1.0
    return chosen, squared


def weighted_kmeans(
    features: ArrayLike,
    weights: ArrayLike,
    clusters: int,
    rng: np.random.Generator,
    restarts: int = 10,
    iterations: int = 300,
    tolerance: float = 1e-4,
    size_normalised: bool = False,
) -> KMeans:
    """Weighted k-means, min Σ_k Σ_{x ∈ S_k} w(x)‖F(x) − μ_k‖², by Lloyd steps from k-means++ seeds.

    Seeds are drawn with probability ∝ w·D² (greedy k-means++); each vector is assigned to its nearest centroid;
    μ_k = Σ wF / Σ w; an empty cluster is moved to argmax w‖F − μ‖² over clusters of two or more. Copies of a
    vector count as one vector of their summed weight. The best of all partitions is returned.

    Args:
        features: (N, D) real numbers.
        weights: (N,) positive.
        clusters: K; where fewer vectors are distinct, each of those is a cluster.
        rng: for the seeds.
        restarts: number of runs with seeds of their own.
        iterations: maximum of Lloyd steps of one run.
        tolerance: a run ends when Σ_k ‖Δμ_k‖² ≤ tolerance · (mean variance of a dimension).
        size_normalised: compare partitions by eq. 4 of Huang et al. 2024, which divides each cluster's sum by
            |S_k|; experimental, because Lloyd steps may increase it.

    Raises:
        ValueError: a feature is NaN or infinite, a weight is not a positive number, or a count is below 1.

    Example:
        >>> found = weighted_kmeans([[0.0], [4.0], [9.0]], [3.0, 1.0, 1.0], 2, np.random.default_rng(0))
        >>> sorted(found.centroids[:, 0].tolist())  # 1 = (3 · 0 + 1 · 4) / 4
        [1.0, 9.0]
    """
    z, given = _matrix("features", features), np.asarray(weights, dtype=np.float64)
    if given.shape != (len(z),) or not (np.isfinite(given) & (given > 0)).all():
        raise ValueError(f"weights: expected {len(z)} finite numbers > 0, one per vector of features, got {given}")
    if min(len(z), clusters, restarts, iterations) < 1:
        counts = f"features = {len(z)}, {clusters = }, {restarts = }, {iterations = }"
        raise ValueError(f"weighted_kmeans: expected at least 1 of each: {counts}")
    frame = _Frame.of(z)
    x, member = np.unique(frame.apply(z), axis=0, return_inverse=True)
    member = member.reshape(-1).astype(np.int64)
    if clusters >= len(x):
        return KMeans(x / frame.scale + frame.offset, member, 0.0)
    w: Float64 = np.bincount(member, given).astype(np.float64)
    copies = np.bincount(member).astype(np.float64)
    enough = tolerance * float(x.var(axis=0, dtype=np.float64).mean())
    best, kept = np.inf, (np.empty(0), np.empty(0, np.int64))
    for seeds in _seeds(x, w, clusters, restarts, rng):
        centroids = x[seeds].astype(np.float64)
        squared, assignment = _assign(x, w, centroids)
        for _ in range(iterations):
            members = csr_array((w, (assignment, np.arange(len(x)))), shape=(clusters, len(x)))
            moved = (members @ x) / members.sum(axis=1)[:, None]
            shift, centroids, before = float(((moved - centroids) ** 2).sum()), moved, assignment
            squared, assignment = _assign(x, w, centroids)
            sizes = np.bincount(assignment, copies, clusters) if size_normalised else np.ones(clusters)
            cost = float((w * squared / sizes[assignment]).sum())
            if cost < best:
                best, kept = cost, (centroids, assignment)
            if shift <= enough or np.array_equal(before, assignment):
                break
    return KMeans(kept[0] / frame.scale + frame.offset, kept[1][member], best / frame.scale**2)


def _seeds(x: Float32, w: Float64, clusters: int, restarts: int, rng: np.random.Generator) -> Int64:
    """Greedy k-means++: (restarts, K) positions; of 2 + ⌊ln K⌋ draws ∝ w·D² that with the smallest Σ w·D².

    The draws of all restarts are evaluated in one pass over the vectors.
    """
    norms, runs, trials = np.einsum("nd,nd->n", x, x), np.arange(restarts), 2 + int(np.log(clusters))
    minima = np.ones((restarts, len(x)))
    chosen = np.empty((restarts, clusters), np.int64)
    for k in range(clusters):
        mass = np.cumsum(minima * w, axis=1)
        draws = np.minimum(rng.random((restarts, trials)) * mass[:, -1:], np.nextafter(mass[:, -1:], 0))
        tried = np.stack([np.searchsorted(*pair, side="right") for pair in zip(mass, draws, strict=True)])
        squared = norms + (norms[tried][..., None] - 2 * x[tried] @ x.T)
        # all vectors are distinct, so a distance that is rounded to 0 or less must not exclude one
        squared = np.minimum(np.maximum(squared, np.finfo(np.float32).tiny), minima[:, None] if k else np.inf)
        least = (squared @ w).argmin(axis=1)
        chosen[:, k], minima = tried[runs, least], squared[runs, least].astype(np.float64)
        minima[runs, chosen[:, k]] = 0.0
    return chosen


def _assign(x: Float32, w: Float64, centroids: Float64) -> tuple[Float64, Int64]:
    """Nearest centroid of each vector; an empty cluster gets a vector, to which its centroid moves."""
    found, index = _search(x, centroids.astype(np.float32), 1)
    squared, assignment = found[:, 0], index[:, 0]
    sizes = np.bincount(assignment, minlength=len(centroids))
    for empty in np.flatnonzero(sizes == 0):
        taken = int(np.where(sizes[assignment] > 1, w * squared, -1.0).argmax())
        sizes[assignment[taken]] -= 1
        sizes[empty], assignment[taken], squared[taken], centroids[empty] = 1, empty, 0.0, x[taken]
    return squared, assignment


@cache
def _gpu_resources() -> list[Any]:
    """One FAISS resource per GPU, cached because creating one takes longer than a search."""
    return [faiss.StandardGpuResources() for _ in range(faiss.get_num_gpus())]


def _search(queries: Float32, references: Float32, k: int) -> tuple[Float64, Int64]:
    """k nearest references in a frame: squared distances (Q, k), indices (Q, k)."""
    if faiss.get_num_gpus() > 0:
        flat = faiss.IndexFlatL2(references.shape[1])
        flat.add(references)
        found, index = faiss.index_cpu_to_gpu_multiple_py(_gpu_resources(), flat).search(queries, k)
    else:
        found, index = faiss.knn(queries, references, k)
    squared = found.astype(np.float64)
    query, rank = np.nonzero(squared < CLOSE * np.einsum("nd,nd->n", queries, queries)[:, None])
    squared[query, rank] = _squared(queries, references, query, index[query, rank])
    return squared, index


def _squared(a: Array, b: Array, of_a: Int64, of_b: Int64) -> Float64:
    """(n,) ‖a[of_a] − b[of_b]‖² from the differences, in float64."""
    out = np.empty(len(of_a))
    for start in range(0, len(of_a), ROWS):
        block = slice(start, start + ROWS)
        difference = a[of_a[block]].astype(np.float64) - b[of_b[block]]
        out[block] = np.einsum("nd,nd->n", difference, difference)
    return out


def _matrix(name: str, values: ArrayLike) -> Array:
    """(n, D) array with D ≥ 1 and finite values; a ValueError otherwise."""
    array = np.asarray(values)
    if array.ndim != 2 or array.shape[1] < 1 or array.dtype.kind not in "fiu":
        raise ValueError(f"{name}: expected real numbers (n, D) with D ≥ 1, got {array.dtype} {array.shape}")
    # a sum over a vector is NaN or infinite where one of its values is, and faster than a test of every value
    bad = np.flatnonzero(~np.isfinite(array.sum(axis=1, dtype=np.float64)))
    if len(bad):
        raise ValueError(
            f"{name}: {len(bad)} of {len(array)} vectors hold NaN or infinite values (first: position {bad[0]}): "
            "the network that made them has diverged; lower its learning rate or check its precision"
        )
    return array
