"""Weighted k-means."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from al_lightning.core.progress import Progress, part, silent
from al_lightning.neighbors.partition import Clusters, totals
from al_lightning.neighbors.search import Float32, Float64, Frame, Int64, Points, matrix, searcher
from al_lightning.neighbors.size_normalised import minimise

SAMPLE = 2**28
"""Bytes of float32 vectors that k-means runs on: 131,072 of 512 dimensions."""


@dataclass(frozen=True)
class KMeans:
    """K clusters, none of them empty: centroids (K, D), cluster of each vector (N,), objective."""

    centroids: Float64
    assignment: Int64
    inertia: float


def weighted_kmeans(
    features: ArrayLike,
    weights: ArrayLike,
    clusters: int,
    rng: np.random.Generator,
    restarts: int = 10,
    iterations: int = 300,
    tolerance: float = 1e-4,
    size_normalised: bool = False,
    positions: Int64 | None = None,
    progress: Progress = silent,
    memory: int = SAMPLE,
) -> KMeans:
    """Weighted k-means, min Σ_k Σ_{x ∈ S_k} w(x)‖F(x) − μ_k‖², by Lloyd steps from k-means++ seeds.

    With `size_normalised` the sum of each cluster is divided by its size |S_k| (Huang et al. 2024, eq. 4), and descents
    of this objective start from the best of these partitions and from another (`size_normalised.minimise`).

    Seeds are drawn with probability ∝ w·D² (greedy k-means++); each vector is assigned to its nearest centroid;
    μ_k = Σ wF / Σ w; an empty cluster is moved to argmax w‖F − μ‖² over clusters of two or more. Copies of a
    vector count as one vector of their summed weight. The best of all partitions is returned.

    Args:
        features: (N, D) real numbers.
        weights: (N,) positive; (n,) where there are positions.
        clusters: K; where fewer vectors are distinct, each of those is a cluster.
        rng: for the seeds.
        restarts: number of runs with seeds of their own.
        iterations: maximum of Lloyd steps of one run, and of sweeps of a descent.
        tolerance: a run ends when Σ_k ‖Δμ_k‖² ≤ tolerance · (mean variance of a dimension).
        size_normalised: the sum of a cluster is divided by its number of vectors, copies included.
        positions: (n,) of the vectors to partition among the features; None: all.
        progress: told of the seeds and steps that are done, of all that there can be.
        memory: bytes of float32 vectors that are partitioned. Of more, a random sample of this size is; then every
            vector goes to its nearest centroid or, size-normalised, to the cluster where the objective grows least.

    Raises:
        ValueError: a feature is NaN or infinite, a weight is not a positive number, or a count is below 1.

    Example:
        >>> found = weighted_kmeans([[0.0], [4.0], [9.0]], [3.0, 1.0, 1.0], 2, np.random.default_rng(0))
        >>> sorted(found.centroids[:, 0].tolist())  # 1 = (3 · 0 + 1 · 4) / 4
        [1.0, 9.0]
    """
    z, given = matrix("features", features), np.asarray(weights, dtype=np.float64)
    rows = np.arange(len(z)) if positions is None else positions
    if given.shape != rows.shape or not (np.isfinite(given) & (given > 0)).all():
        raise ValueError(f"weights: expected {len(rows)} finite numbers > 0, one per vector of features, got {given}")
    if min(len(rows), clusters, restarts, iterations) < 1:
        counts = f"features = {len(rows)}, {clusters = }, {restarts = }, {iterations = }"
        raise ValueError(f"weighted_kmeans: expected at least 1 of each: {counts}")
    frame = Frame.of(z)
    most = max(memory // (4 * z.shape[1]), clusters)
    sampled = len(rows) > most
    some = np.sort(rng.choice(len(rows), most, replace=False)) if sampled else np.arange(len(rows))
    if sampled:
        x, member = _distinct(frame.apply(z, rows[some]))
    else:
        x, member = np.unique(frame.apply(z, rows), axis=0, return_inverse=True)
        member = member.reshape(-1).astype(np.int64)
    whole = part(progress, 0, 0.9) if sampled else progress
    steps = part(whole, 0, 0.5) if size_normalised else whole
    options = (clusters, rng, restarts, iterations, tolerance, size_normalised, steps)
    centroids, assignment, inertia = _lloyd(x, member, given[some], *options)
    found: Clusters | None = None
    if size_normalised and clusters < len(x):
        w, copies = np.bincount(member, given[some]).astype(np.float64), np.bincount(member).astype(np.float64)
        found = minimise(Clusters(x, w, copies, assignment, clusters), iterations, part(whole, 0.5, 1))
        centroids, assignment, inertia = found.means(), found.assignment, found.cost
    if sampled:
        points = Points.of(z, frame, rows, 0)
        return _assign_all(points, given, centroids, part(progress, 0.9, 1), found)
    progress("k-means", 1.0)
    return KMeans(centroids / frame.scale + frame.offset, assignment[member], inertia / frame.scale**2)


def _lloyd(
    x: Float32,
    member: Int64,
    given: Float64,
    clusters: int,
    rng: np.random.Generator,
    restarts: int,
    iterations: int,
    tolerance: float,
    size_normalised: bool,
    progress: Progress,
) -> tuple[Float64, Int64, float]:
    """Centroids, cluster of each distinct vector and objective in a frame; the vectors are x[member]."""
    if clusters >= len(x):
        return x.astype(np.float64), np.arange(len(x)), 0.0
    trials = 2 + int(np.log(clusters))
    seeding = trials / (trials + iterations)
    w: Float64 = np.bincount(member, given).astype(np.float64)
    copies = np.bincount(member).astype(np.float64)
    enough = tolerance * float(x.var(axis=0, dtype=np.float64).mean())
    best, kept = np.inf, (np.empty(0), np.empty(0, np.int64))
    for run, seeds in enumerate(_seeds(x, w, clusters, restarts, rng, part(progress, 0, seeding))):
        centroids = x[seeds].astype(np.float64)
        squared, assignment = _assign(x, w, centroids)
        for step in range(iterations):
            progress("k-means", seeding + (1 - seeding) * (run + step / iterations) / restarts)
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
    return kept[0], kept[1], best


def _distinct(vectors: Float32) -> tuple[Float32, Int64]:
    """Vectors (k, D) of which no two are equal, and the one of them that each vector is; without a sorted copy."""
    # adding 0 makes the two zeros equal
    rows = (np.add(vector, 0, dtype=np.float32).tobytes() for vector in vectors)
    digests = np.array([hashlib.blake2b(row, digest_size=16).digest() for row in rows], "S16")
    _, first, member = np.unique(digests, return_index=True, return_inverse=True)
    return vectors[first], member.reshape(-1).astype(np.int64)


def _assign_all(
    points: Points, w: Float64, centroids: Float64, progress: Progress, normalised: Clusters | None = None
) -> KMeans:
    """Every vector with its nearest centroid, of which those without any are dropped. Size-normalised: every vector
    with the cluster of the sample that it makes the objective of the sample grow least in."""
    assignment, inertia, frame = np.empty(len(points), np.int64), 0.0, points.frame
    if normalised is None:
        search = searcher(centroids.astype(np.float32), 1)
    for block, queries in points.blocks():
        if normalised is None:
            squared, index = search(queries)
            assignment[block], nearest = index[:, 0], squared[:, 0]
            inertia += float((w[block] * nearest).sum())
        else:
            assignment[block] = normalised.cheapest(queries, w[block])
        progress("k-means", block.stop / len(points))
    used, assignment = np.unique(assignment, return_inverse=True)
    assignment = assignment.reshape(-1).astype(np.int64)
    centroids = centroids[used]
    if normalised is not None:
        size, weight, sums, q = totals(points.blocks, w, np.ones(len(w)), assignment, len(used))
        centroids, inertia = sums / weight[:, None], float((q / size).sum())
    return KMeans(centroids / frame.scale + frame.offset, assignment, inertia / frame.scale**2)


def _seeds(
    x: Float32, w: Float64, clusters: int, restarts: int, rng: np.random.Generator, progress: Progress = silent
) -> Int64:
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
        progress("k-means", (k + 1) / clusters)
    return chosen


def _assign(x: Float32, w: Float64, centroids: Float64) -> tuple[Float64, Int64]:
    """Nearest centroid of each vector; an empty cluster gets a vector, to which its centroid moves."""
    found, index = searcher(centroids.astype(np.float32), 1)(x)
    squared, assignment = found[:, 0], index[:, 0]
    sizes = np.bincount(assignment, minlength=len(centroids))
    for empty in np.flatnonzero(sizes == 0):
        taken = int(np.where(sizes[assignment] > 1, w * squared, -1.0).argmax())
        sizes[assignment[taken]] -= 1
        sizes[empty], assignment[taken], squared[taken], centroids[empty] = 1, empty, 0.0, x[taken]
    return squared, assignment
