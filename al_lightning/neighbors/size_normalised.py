"""Descent of the size-normalised objective of a partition (Huang et al. 2024, eq. 4).

Lloyd's steps do not descend it, because with |S_k| in it the nearest centroid is not the cheapest cluster. Two kinds of
moves do, and each is made only where it lowers the objective J:

- one vector goes to another cluster (Hartigan 1975),
- two clusters become one, and one vector of any cluster becomes a cluster of its own. Moves of vectors alone come there
  only through a larger J.
"""

from __future__ import annotations

import numpy as np

from al_lightning.core.progress import Progress, part, silent
from al_lightning.neighbors.partition import BLOCK, ENTRIES, Clusters, leaving, pair
from al_lightning.neighbors.search import Float32, Float64, Int64

SMALL = 1e-9
"""A move must lower J by more than this fraction of it, which is far above the rounding of float64."""
ROWS = 512
"""Vectors of a block at most, because a move computes the changes of its block anew."""
LARGE = 10_000_000
"""Vectors times clusters above which only one descent is made."""


def peel(x: Float32, w: Float64, copies: Float64, number: int, progress: Progress = silent) -> Int64:
    """(n,) clusters, of which all but the first hold one vector: that whose leaving of the first lowers J most, again
    and again.

    Example:
        >>> x = np.array([[0.0], [1.0], [9.0], [2.0]], dtype=np.float32)
        >>> peel(x, np.ones(4), np.ones(4), 2).tolist()
        [0, 0, 1, 0]
    """
    assignment = np.zeros(len(x), np.int64)
    whole = Clusters(x, w, copies, assignment.copy(), 1)
    sums, weight, size, q = whole.sums[0], float(whole.weight[0]), float(whole.size[0]), float(whole.q[0])
    norms = np.einsum("nd,nd->n", x, x).astype(np.float64)
    for cluster in range(1, number):
        mean = sums / weight
        squared = np.maximum(norms - 2 * (x @ mean.astype(np.float32)) + mean @ mean, 0)
        rest = np.maximum(weight - w, np.finfo(np.float64).tiny)
        without = np.maximum(q - w * weight / rest * squared, 0) / np.maximum(size - copies, 1)
        one = int(np.where(assignment == 0, without, np.inf).argmin())
        vector, left = x[one].astype(np.float64), float(rest[one])
        sums -= w[one] * vector
        q = max(q - w[one] * left / weight * float(((vector - sums / left) ** 2).sum()), 0.0)
        weight, size, assignment[one] = left, size - float(copies[one]), cluster
        progress("k-means", cluster / number)
    return assignment


def minimise(given: Clusters, sweeps: int, progress: Progress = silent) -> Clusters:
    """The better of two descents: from `peel`, and from a given partition where that takes no more than a minute.

    The second is the better one where few vectors are to be divided into nearly as many clusters.
    """
    peeled = peel(given.x, given.w, given.copies, given.number, part(progress, 0, 0.2))
    first = Clusters(given.x, given.w, given.copies, peeled, given.number)
    descend(first, sweeps, part(progress, 0.2, 0.6))
    if len(given.x) * given.number > LARGE:
        return first
    descend(given, sweeps, part(progress, 0.6, 1))
    return given if given.cost < first.cost else first


def descend(clusters: Clusters, sweeps: int, progress: Progress = silent) -> float:
    """Move vectors, and merge clusters to split off a vector, until no such move lowers J; returns J.

    A sweep offers every vector all clusters, in blocks: the move of a block that lowers J most is made first, and again
    until there is none. At most `sweeps` sweeps are made.

    Example:
        >>> x = np.array([[0.0], [1.0], [9.0], [10.0], [14.0]], dtype=np.float32)
        >>> found = Clusters(x, np.ones(5), np.ones(5), np.array([0, 1, 1, 0, 0]), 2)
        >>> round(descend(found, 50), 3), found.assignment.tolist()
        (4.917, [1, 1, 0, 0, 0])
    """
    cost = clusters.measure()
    for sweep in range(sweeps):
        progress("k-means", sweep / sweeps)
        before = cost
        _sweep(clusters, cost)
        cost = clusters.measure()
        if cost >= before * (1 - SMALL):
            if not _merge(clusters, cost):
                break
            cost = clusters.cost
    return cost


def _sweep(clusters: Clusters, cost: float) -> None:
    """Offer every vector all clusters."""
    n, rows = len(clusters.x), min(max(ENTRIES // clusters.number, 16), ROWS)
    for start in range(0, n, rows):
        block = slice(start, min(start + rows, n))
        some = np.arange(block.start, block.stop)
        own = clusters.assignment[block]
        vectors = clusters.x[block], clusters.w[block], clusters.copies[block]
        join, leave = clusters.joined(*vectors), clusters.left(some)
        join[np.arange(len(some)), own] = np.inf
        refused = np.zeros(join.shape, dtype=bool)
        while True:
            best = join.argmin(axis=1)
            total = leave + join[np.arange(len(some)), best]
            line = int(total.argmin())
            if total[line] >= -SMALL * cost:
                break
            one, old, new = start + line, int(own[line]), int(best[line])
            if clusters.change(one, new) >= -SMALL * cost:
                refused[line, new], join[line, new] = True, np.inf
                continue
            clusters.move(one, new)
            changed = [old, new]
            join[:, changed] = np.where(refused[:, changed], np.inf, clusters.joined(*vectors, changed))
            inside = np.flatnonzero((own == old) | (own == new))
            leave[inside] = clusters.left(some[inside])
            join[inside, own[inside]] = np.inf


def _merge(clusters: Clusters, cost: float) -> bool:
    """Merge two clusters and split off a vector, as long as this lowers J; whether anything was done.

    The cheapest pair goes with the best vector of any cluster, also of the pair itself, and the best vector of all with
    the cheapest pair of other clusters than its own.
    """
    n, k = len(clusters.x), clusters.number
    if k < 2:
        return False
    joint = np.stack([pair(clusters, a) for a in range(k)])
    leave = np.concatenate([clusters.left(np.arange(s, min(s + BLOCK, n))) for s in range(0, n, BLOCK)])
    for done in range(k):
        change, a, b, one = min(_mergers(clusters, joint, leave))
        if change >= -SMALL * cost:
            return done > 0
        old = int(clusters.assignment[one])
        clusters.merge(a, b, one)
        changed = sorted({a, b, old})
        for which in changed:
            joint[which] = joint[:, which] = pair(clusters, which)
        inside = np.flatnonzero(np.isin(clusters.assignment, changed))
        for start in range(0, len(inside), BLOCK):
            some = inside[start : start + BLOCK]
            leave[some] = clusters.left(some)
    return True


def _mergers(clusters: Clusters, joint: Float64, leave: Float64) -> list[tuple[float, int, int, int]]:
    """(change of J, a, b, vector) of up to three mergers of clusters a and b."""
    k, found = clusters.number, []
    a, b = divmod(int(joint.argmin()), k)
    outside = np.where(np.isin(clusters.assignment, (a, b)), np.inf, leave)
    one = int(outside.argmin())
    found.append((float(joint[a, b] + outside[one]), a, b, one))
    inside = np.flatnonzero(~np.isfinite(outside) & np.isin(clusters.assignment, (a, b)))
    size, weight = clusters.size[a] + clusters.size[b], clusters.weight[a] + clusters.weight[b]
    q = (joint[a, b] + clusters.q[a] / clusters.size[a] + clusters.q[b] / clusters.size[b]) * size
    sums = clusters.sums[a] + clusters.sums[b]
    for start in range(0, len(inside), BLOCK):
        some = inside[start : start + BLOCK]
        whole = (np.broadcast_to(v, (len(some), *np.shape(v))) for v in (sums, weight, size, q))
        change = leaving(clusters.x[some], clusters.w[some], clusters.copies[some], *whole)
        best = int(change.argmin())
        found.append((float(joint[a, b] + change[best]), a, b, int(some[best])))
    one = int(leave.argmin())
    if k > 2:
        own = int(clusters.assignment[one])
        others = joint.copy()
        others[own] = others[:, own] = np.inf
        a, b = divmod(int(others.argmin()), k)
        found.append((float(others[a, b] + leave[one]), a, b, one))
    return found
