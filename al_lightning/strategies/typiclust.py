"""TypiClust (Hacohen, Dekel & Weinshall 2022): the most typical image of each of the largest uncovered clusters."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from al_lightning.core.prediction import Prediction
from al_lightning.core.progress import Progress, part, silent
from al_lightning.core.query import Query
from al_lightning.core.quota import Quota
from al_lightning.core.strategy import Candidates
from al_lightning.neighbors import nearest_others, weighted_kmeans
from al_lightning.strategies.clustering import effort

CLUSTERS = 500
"""Most clusters, as in the authors' code."""
NEIGHBOURS = 20
"""Neighbours that typicality is the mean over, K of the paper."""
LEAST = 5
"""Members that a cluster needs to be picked from before the others, as in the authors' code."""


@dataclass(frozen=True)
class TypiClust:
    """Partition the whole pool into min(|L| + B, clusters) clusters by k-means, and take the most typical image of the
    cluster with the fewest labelled and chosen images, again and again; of several such clusters the largest.

    Typicality is 1 / (mean distance to the K = 20 nearest other images of the cluster) in the learner's latent space,
    and the score of a pick is this mean distance. Clusters of fewer than 5 images come after all others.

    Args:
        clusters (int): most clusters, at least 1; with more picks than clusters, clusters are picked from again.
            Default 500.
        neighbours (int): K, nearest images of the cluster, at least 1; all others in a smaller cluster. Default 20.
    """

    clusters: int = CLUSTERS
    neighbours: int = NEIGHBOURS
    needs: ClassVar[frozenset[str]] = frozenset({"latent"})

    def __post_init__(self) -> None:
        for name in ("clusters", "neighbours"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        assert prediction.latent is not None
        return {"latent": prediction.latent.float()}

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        latent, labelled = candidates.value("latent"), candidates.labelled
        number = min(int(labelled.sum()) + per_stage, self.clusters)
        restarts, iterations = effort(len(latent), number)
        found = weighted_kmeans(
            latent,
            np.ones(len(latent)),
            number,
            rng,
            restarts,
            iterations,
            progress=part(candidates.progress, 0, 0.8),
        )
        position, distance = typical(
            latent,
            found.assignment,
            labelled,
            per_stage,
            self.neighbours,
            candidates.quota,
            part(candidates.progress, 0.8, 1),
        )
        return Query.of(candidates.rows[position], "typical", distance)


def typical(
    features: NDArray[Any],
    assignment: NDArray[np.int64],
    labelled: NDArray[np.bool_],
    budget: int,
    neighbours: int = NEIGHBOURS,
    quota: Quota | None = None,
    progress: Progress = silent,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The picks of TypiClust from clusters that are known.

    Args:
        features: (N, D).
        assignment: (N,) cluster of each, from 0.
        labelled: (N,) True where it is no pick; such images cover their cluster, and are neighbours like all others.
        budget: B, at most as many as are unlabelled and in the quota.
        neighbours: K of typicality.
        quota: with it, images whose group is full are passed over.
        progress: told of the picks.

    Returns:
        positions (B,) in the order of choice, and the mean distance of each to its nearest neighbours.

    Example:
        >>> features = np.array([[0.0], [1.0], [3.0], [10.0], [11.0]])
        >>> clusters, labelled = np.array([0, 0, 0, 1, 1]), np.array([False, False, False, True, False])
        >>> position, distance = typical(features, clusters, labelled, 2)
        >>> position.tolist(), distance.tolist()
        ([1, 0], [1.5, 2.0])
    """
    sizes = np.bincount(assignment)
    covered = np.bincount(assignment[labelled], minlength=len(sizes))
    members = np.split(np.argsort(assignment, kind="stable"), np.cumsum(sizes)[:-1])
    left = None if quota is None else quota.left.copy()
    waiting: dict[int, list[tuple[int, float]]] = {}
    """Cluster -> its images that are no picks yet, the most typical last."""
    # few members last, then by how often they are covered, then the largest first
    queue = [(bool(sizes[k] < LEAST), int(covered[k]), -int(sizes[k]), k) for k in np.flatnonzero(sizes).tolist()]
    heapify(queue)
    chosen: list[tuple[int, float]] = []
    while len(chosen) < budget:
        small, times, size, cluster = heappop(queue)
        if cluster not in waiting:
            waiting[cluster] = _by_typicality(features, members[cluster], labelled, neighbours)
        rest = waiting[cluster]
        while rest and left is not None and quota is not None and left[quota.group[rest[-1][0]]] <= 0:
            rest.pop()
        if not rest:
            continue
        chosen.append(rest.pop())
        heappush(queue, (small, times + 1, size, cluster))
        if left is not None and quota is not None:
            left[quota.group[chosen[-1][0]]] -= 1
        progress("typicality", len(chosen) / budget)
    return np.array([one for one, _ in chosen], dtype=np.int64), np.array([mean for _, mean in chosen])


def _by_typicality(
    features: NDArray[Any], members: NDArray[np.int64], labelled: NDArray[np.bool_], neighbours: int
) -> list[tuple[int, float]]:
    """(position, mean distance to its nearest neighbours) of a cluster's unlabelled members, the most typical last."""
    mean = np.zeros(len(members))
    if len(members) > 1:
        mean = nearest_others(features, members, min(neighbours, len(members) - 1)).mean(axis=1)
    order = np.lexsort((members, mean))[::-1]
    order = order[~labelled[members[order]]]
    return list(zip(members[order].tolist(), mean[order].tolist(), strict=True))
