"""Partitions judged by a weighted k-means objective that divides the sum of each cluster by its size.

J = Σ_k Q_k / n_k,   Q_k = Σ_{x ∈ S_k} w(x)‖F(x) − μ_k‖²,   μ_k = Σ wF / Σ w,   n_k = |S_k|

This is eq. 4 of Huang et al. 2024. W_k is the weight of a cluster, w that of a vector, and c the number of its copies,
which stay together. Changes of J by one vector need no pass over the others (Hartigan 1975): without x, Q_a is
w(W_a − w)/W_a·‖F(x) − m‖² smaller, where m is the mean of the others of a, and n_a is c smaller; with x, Q_b is
wW_b/(W_b + w)·‖F(x) − μ_b‖² larger and n_b is c larger. Two clusters become one of
Q_a + Q_b + W_aW_b/(W_a + W_b)·‖μ_a − μ_b‖².
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_array

from al_lightning.neighbors.search import Float32, Float64, Int64

ENTRIES = 2**16
"""Changes of J in memory at a time, of a block of vectors by all clusters."""
BLOCK = 4096
"""Vectors in memory at a time in float64 where sums are computed."""


@dataclass
class Clusters:
    """A partition of n distinct vectors into K clusters, and the sums of which J consists."""

    x: Float32
    """(n, D)."""
    w: Float64
    """(n,) weight of each vector, with its copies."""
    copies: Float64
    """(n,) number of its copies."""
    assignment: Int64
    """(n,) its cluster."""
    number: int
    """K."""
    size: Float64 = field(init=False)
    """(K,) n_k, at least 1."""
    weight: Float64 = field(init=False)
    """(K,) W_k."""
    sums: Float64 = field(init=False)
    """(K, D) Σ wF."""
    q: Float64 = field(init=False)
    """(K,) Q_k."""

    def __post_init__(self) -> None:
        self.measure()

    def measure(self) -> float:
        """Compute all sums anew, without what has been rounded since; returns J."""

        def blocks() -> Iterator[tuple[slice, Float32]]:
            for start in range(0, len(self.x), BLOCK):
                yield slice(start, start + BLOCK), self.x[start : start + BLOCK]

        self.size, self.weight, self.sums, self.q = totals(blocks, self.w, self.copies, self.assignment, self.number)
        return self.cost

    @property
    def cost(self) -> float:
        """J."""
        return float((self.q / self.size).sum())

    def means(self) -> Float64:
        """(K, D) μ_k."""
        means: Float64 = self.sums / self.weight[:, None]
        return means

    def joined(self, x: Float32, w: Float64, copies: Float64, some: slice | list[int] = slice(None)) -> Float64:
        """(b, k) change of J where each of these vectors joins each of some clusters, of which it is no member."""
        q, size, weight = self.q[some], self.size[some], self.weight[some]
        wide, means = x.astype(np.float64), self.sums[some] / weight[:, None]
        norms = np.einsum("nd,nd->n", wide, wide)[:, None] + np.einsum("kd,kd->k", means, means)
        found: Float64 = np.maximum(norms - 2 * (wide @ means.T), 0)
        found *= w[:, None] * weight / (weight + w[:, None])
        found += q
        found /= size + copies[:, None]
        found -= q / size
        return found

    def cheapest(self, x: Float32, w: Float64) -> Int64:
        """(b,) cluster in which J grows least by each of other vectors (b, D), alone."""
        step, found = max(ENTRIES // self.number, 16), np.empty(len(x), np.int64)
        for block in (slice(start, start + step) for start in range(0, len(x), step)):
            found[block] = self.joined(x[block], w[block], np.ones(len(w[block]))).argmin(axis=1)
        return found

    def left(self, some: Int64, own: Int64 | None = None) -> Float64:
        """(b,) change of J where each of these vectors alone leaves its cluster; infinite where it is the only one."""
        own = self.assignment[some] if own is None else own
        return leaving(
            self.x[some], self.w[some], self.copies[some], self.sums[own], self.weight[own], self.size[own], self.q[own]
        )

    def change(self, one: int, cluster: int) -> float:
        """Change of J where a vector goes to another cluster, from differences of vectors."""
        away = float(self.left(np.array([one]))[0])
        q, size, weight, w = self.q[cluster], self.size[cluster], self.weight[cluster], self.w[one]
        distance = float(((self.x[one] - self.sums[cluster] / weight) ** 2).sum())
        return float(away + (q + w * weight / (weight + w) * distance) / (size + self.copies[one]) - q / size)

    def move(self, one: int, cluster: int) -> None:
        """Let a vector, which is not the only one of its cluster, go to another cluster."""
        self._take(one)
        weight, w = self.weight[cluster], self.w[one]
        distance = float(((self.x[one] - self.sums[cluster] / weight) ** 2).sum())
        self.q[cluster] += w * weight / (weight + w) * distance
        self.sums[cluster] += w * self.x[one].astype(np.float64)
        self.weight[cluster] += w
        self.size[cluster] += self.copies[one]
        self.assignment[one] = cluster

    def merge(self, a: int, b: int, one: int) -> None:
        """Make one cluster of a and b, and of a vector, which may be in one of them, a cluster of its own: b."""
        means = self.sums[a] / self.weight[a], self.sums[b] / self.weight[b]
        both = self.weight[a] * self.weight[b] / (self.weight[a] + self.weight[b])
        self.q[a] += self.q[b] + both * float(((means[0] - means[1]) ** 2).sum())
        for kept in (self.sums, self.weight, self.size):
            kept[a] += kept[b]
        self.assignment[self.assignment == b] = a
        self._take(one)
        self.sums[b], self.weight[b] = self.w[one] * self.x[one].astype(np.float64), self.w[one]
        self.size[b], self.q[b], self.assignment[one] = self.copies[one], 0.0, b

    def _take(self, one: int) -> None:
        """Subtract a vector from the sums of its cluster."""
        own, w, x = int(self.assignment[one]), self.w[one], self.x[one].astype(np.float64)
        weight = self.weight[own]
        self.sums[own] -= w * x
        self.weight[own] -= w
        self.size[own] -= self.copies[one]
        distance = float(((x - self.sums[own] / self.weight[own]) ** 2).sum())
        self.q[own] = max(self.q[own] - w * self.weight[own] / weight * distance, 0.0)


def totals(
    blocks: Callable[[], Iterable[tuple[slice, Float32]]], w: Float64, copies: Float64, assignment: Int64, number: int
) -> tuple[Float64, Float64, Float64, Float64]:
    """n_k, W_k, Σ wF and Q_k of a partition of which no cluster is empty; the vectors are read twice, in blocks."""
    size, weight = (np.bincount(assignment, each, number).astype(np.float64) for each in (copies, w))
    assert size.min() > 0, "no cluster is empty"
    sums, q = np.zeros((number, 1)), np.zeros(number)
    for block, x in blocks():
        own = assignment[block]
        sums = sums + csr_array((w[block], (own, np.arange(len(own)))), shape=(number, len(own))) @ x
    means = sums / weight[:, None]
    for block, x in blocks():
        q += np.bincount(assignment[block], w[block] * ((x - means[assignment[block]]) ** 2).sum(axis=1), number)
    return size, weight, sums, q


def leaving(
    x: Float32, w: Float64, copies: Float64, sums: Float64, weight: Float64, size: Float64, q: Float64
) -> Float64:
    """(b,) change of J where a vector leaves a cluster of these sums; infinite where it is the only one in it.

    Distances are to the mean of the others, which is exact where x weighs so much that the mean is nearly x.
    """
    last = size == copies
    rest = np.where(last | (weight <= w), 1.0, weight - w)
    others = (sums - w[:, None] * x) / rest[:, None]
    loss = w * rest / weight * ((x - others) ** 2).sum(axis=1)
    without = np.maximum(q - loss, 0) / np.where(last, 1.0, size - copies)
    change: Float64 = np.where(last, np.inf, without - q / size)
    return change


def pair(clusters: Clusters, a: int) -> Float64:
    """(K,) change of J where cluster a and another one become one; infinite for a itself."""
    weight, size, q = clusters.weight, clusters.size, clusters.q
    means = clusters.means()
    squared = ((means - means[a]) ** 2).sum(axis=1)
    both = q + q[a] + weight * weight[a] / (weight + weight[a]) * squared
    change: Float64 = both / (size + size[a]) - q / size - q[a] / size[a]
    change[a] = np.inf
    return change
