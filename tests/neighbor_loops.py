"""Nearest neighbours and k-center-greedy as loops in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Array = NDArray[Any]
both_paths = pytest.mark.usefixtures("faiss_path")


def flags(count: int, labelled: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    mask = np.zeros(count, dtype=bool)
    mask[rng.choice(count, labelled, replace=False)] = True
    return mask


def textbook(features: Array, mask: NDArray[np.bool_], budget: int) -> tuple[list[int], list[float]]:
    """Sener & Savarese's loop in float64, distances from differences; nothing is shared with the package."""
    x = features.astype(np.float64)
    x = x - np.rint(x.mean(axis=0))  # whole numbers, so that data on a lattice stay exact
    chosen = [int(i) for i in np.flatnonzero(mask)]
    picks: list[int] = []
    reach: list[float] = []
    if not chosen:
        picks, reach = [int(((x - x.mean(axis=0)) ** 2).sum(axis=1).argmin())], [np.nan]
        chosen = picks[:]
    minima = np.min([((x - x[c]) ** 2).sum(axis=1) for c in chosen], axis=0)
    minima[chosen] = -1
    while len(picks) < budget:
        pick = int(minima.argmax())
        picks.append(pick)
        reach.append(float(np.sqrt(minima[pick])))
        minima = np.minimum(minima, ((x - x[pick]) ** 2).sum(axis=1))
        minima[pick] = -1
    return picks, reach


def brute_force(queries: Array, references: Array) -> Array:
    """(Q, R) squared distances in float64."""
    return np.array([((references.astype(np.float64) - q) ** 2).sum(axis=1) for q in queries.astype(np.float64)])
