"""The descent of the size-normalised objective (Huang et al. 2024, eq. 4) against all partitions, and move by move."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from al_lightning.neighbors import weighted_kmeans
from al_lightning.neighbors.partition import Clusters, leaving, pair
from al_lightning.neighbors.size_normalised import descend, minimise, peel

Array = NDArray[Any]
RNG = np.random.default_rng


@cache
def partitions(n: int, k: int) -> Array:
    """All partitions of n vectors into k clusters, (p, n)."""
    found: list[list[int]] = []

    def extend(one: list[int], used: int) -> None:
        if len(one) == n:
            found.append(one)
            return
        for cluster in range(min(used + 1, k)):
            if max(used, cluster + 1) + n - len(one) - 1 >= k:
                extend([*one, cluster], max(used, cluster + 1))

    extend([], 0)
    return np.array(found)


def objective(x: Array, w: Array, assignments: Array) -> Array:
    """(p,) eq. 4 of partitions (p, n), from its definition."""
    total = np.zeros(len(assignments))
    for k in range(assignments.max() + 1):
        inside = (assignments == k).astype(float)
        mean = (inside @ (w[:, None] * x)) / (inside @ w)[:, None]
        squared = ((x[None] - mean[:, None]) ** 2).sum(axis=2)
        total += (inside * w * squared).sum(axis=1) / inside.sum(axis=1)
    return total


def problem(number: int) -> tuple[Array, Array, int]:
    """Ten vectors of 1, 2 or 5 dimensions with weights, for 2, 3 or 4 clusters."""
    rng = RNG([18, number])
    return rng.standard_normal((10, (1, 2, 5)[number // 3 % 3])), rng.uniform(0, 1, 10) + 1e-8, (2, 3, 4)[number % 3]


def clusters_of(x: Array, w: Array, assignment: Array, number: int, copies: Array | None = None) -> Clusters:
    copies = np.ones(len(x)) if copies is None else copies
    return Clusters(x.astype(np.float32), w, copies, np.array(assignment, dtype=np.int64), number)


def test_the_smallest_of_all_partitions_is_found_in_twenty_small_problems() -> None:
    reached, gaps = {False: 0, True: 0}, {False: [], True: []}
    for number in range(20):
        x, w, k = problem(number)
        best = objective(x, w, partitions(10, k)).min()
        for normalised in (False, True):
            found = weighted_kmeans(x, w, k, RNG(number), size_normalised=normalised)
            mine = objective(x, w, found.assignment[None])[0]
            gaps[normalised].append(mine / best - 1)
            reached[normalised] += bool(mine <= best * (1 + 1e-6))
            if normalised:
                assert found.inertia == pytest.approx(mine, rel=1e-5)
                for cluster, centroid in enumerate(found.centroids):
                    own = found.assignment == cluster
                    np.testing.assert_allclose(centroid, np.average(x[own], axis=0, weights=w[own]), atol=1e-5)
    assert reached[True] == 20, gaps[True]
    assert reached[False] < 10, "plain k-means has another minimum"
    assert np.mean(gaps[False]) > 0.1


@pytest.mark.parametrize("power", [0, 1, 8])
def test_a_change_is_the_difference_of_the_objective(power: int) -> None:
    rng = RNG(power)
    x, w, copies = rng.standard_normal((40, 3)), rng.uniform(0, 1, 40) ** power + 1e-8, rng.integers(1, 4, 40) * 1.0
    assignment = np.concatenate([np.arange(5), rng.integers(0, 4, 35)])  # the last cluster has one vector
    clusters = clusters_of(x, w, assignment, 5, copies)
    before, join = clusters.measure(), clusters.joined(clusters.x, w, copies)
    for one in range(40):
        for other in range(5):
            own = assignment[one]
            if other == own:
                continue
            if own == 4:
                assert clusters.change(one, other) == np.inf, "no cluster becomes empty"
                continue
            moved = clusters_of(x, w, np.where(np.arange(40) == one, other, assignment), 5, copies)
            assert clusters.change(one, other) == pytest.approx(moved.cost - before, rel=1e-5, abs=1e-7 * before)
            both = clusters.left(np.array([one]))[0] + join[one, other]
            assert both == pytest.approx(moved.cost - before, rel=1e-5, abs=1e-7 * before)
            changed = clusters_of(x, w, assignment, 5, copies)
            changed.move(one, other)
            assert changed.cost == pytest.approx(moved.cost, rel=1e-6)
    for a, b, one in ((0, 1, 20), (2, 0, 2), (1, 3, 3), (4, 0, 4)):
        merged = np.where(assignment == b, a, assignment)
        together = clusters_of(x, w, np.where(merged > b, merged - 1, merged), 4, copies)
        assert pair(clusters, a)[b] == pytest.approx(together.cost - before, rel=1e-5)
        changed = clusters_of(x, w, assignment, 5, copies)
        changed.merge(a, b, one)
        again = clusters_of(x, w, changed.assignment, 5, copies)
        assert changed.cost == pytest.approx(again.cost, rel=1e-6)
        np.testing.assert_allclose(changed.sums, again.sums, rtol=1e-5, atol=1e-9)
        assert (changed.assignment == b).sum() == 1
        assert changed.assignment[one] == b


def test_each_move_lowers_the_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = RNG(3)
    x, w = np.maximum(rng.standard_normal((300, 8)), 0), rng.uniform(0, 1, 300) ** 2 + 1e-8
    clusters = clusters_of(x, w, np.arange(300) % 12, 12)
    costs, made = [clusters.cost], {"move": 0, "merge": 0}
    for name in made:
        original = getattr(Clusters, name)

        def watched(self: Clusters, *given: int, name: str = name, original: Any = original) -> None:
            original(self, *given)
            exact = objective(self.x.astype(float), w, self.assignment[None])[0]
            assert self.cost == pytest.approx(exact, rel=1e-6), "the sums are those of the partition"
            made[name] += 1
            costs.append(exact)

        monkeypatch.setattr(Clusters, name, watched)
    end = descend(clusters, 200)
    assert made["move"] > 100
    assert made["merge"] > 0
    assert (np.diff(costs) < 0).all()
    assert end == pytest.approx(costs[-1], rel=1e-6)


def test_no_single_move_is_left() -> None:
    x, w = RNG(4).standard_normal((60, 4)), RNG(5).uniform(0, 1, 60) + 1e-8
    found = minimise(clusters_of(x, w, np.arange(60) % 6, 6), 300)
    for one in range(60):
        for other in range(6):
            if other != found.assignment[one]:
                assert found.change(one, other) > -1e-6 * found.cost


def test_copies_stay_together_and_count_each() -> None:
    rng = RNG(6)
    distinct, times = rng.standard_normal((9, 2)), rng.integers(1, 4, 9)
    x, w = np.repeat(distinct, times, axis=0), rng.uniform(0.1, 1, times.sum())
    member = np.repeat(np.arange(9), times)
    best = objective(x, w, partitions(9, 3)[:, member]).min()
    found = weighted_kmeans(x, w, 3, RNG(0), size_normalised=True)
    assert objective(x, w, found.assignment[None])[0] == pytest.approx(best, rel=1e-5)
    assert all(len(np.unique(found.assignment[member == one])) == 1 for one in range(9))


@pytest.mark.parametrize(("clusters", "distinct"), [(1, 12), (12, 12), (40, 12), (5, 3)])
def test_as_few_and_as_many_clusters_as_there_can_be(clusters: int, distinct: int) -> None:
    x, w = np.tile(RNG(7).standard_normal((distinct, 3)), (12 // distinct, 1)), RNG(8).uniform(0.1, 1, 12)
    found = weighted_kmeans(x, w, clusters, RNG(0), size_normalised=True)
    assert len(np.unique(found.assignment)) == min(clusters, distinct)
    assert found.inertia == pytest.approx(objective(x, w, found.assignment[None])[0], rel=1e-5, abs=1e-12)


def test_the_minimum_is_of_single_images_unless_clusters_explain_nearly_all_variance() -> None:
    rng = RNG(9)
    tight = np.repeat(np.eye(4) * 20, 25, axis=0) + 0.1 * rng.standard_normal((100, 4))
    sizes = np.bincount(weighted_kmeans(tight, np.ones(100), 4, RNG(0), size_normalised=True).assignment)
    assert sizes.tolist() == [25] * 4
    broad = rng.standard_normal((400, 32))
    found = weighted_kmeans(broad, np.ones(400), 12, RNG(0), size_normalised=True)
    assert sorted(np.bincount(found.assignment).tolist()) == [1] * 11 + [389]
    plain = weighted_kmeans(broad, np.ones(400), 12, RNG(0))
    assert found.inertia < objective(broad, np.ones(400), plain.assignment[None])[0] / 5


def test_of_more_vectors_than_fit_a_sample_is_divided_and_the_others_join_it() -> None:
    x, w = RNG(10).standard_normal((600, 6)), RNG(11).uniform(0, 1, 600) + 1e-8
    found = weighted_kmeans(x, w, 5, RNG(0), size_normalised=True, memory=4 * 6 * 200)
    exact = objective(x, w, found.assignment[None])[0]
    assert found.inertia == pytest.approx(exact, rel=1e-5)
    whole = weighted_kmeans(x, w, 5, RNG(0), size_normalised=True)
    plain = weighted_kmeans(x, w, 5, RNG(0))
    assert whole.inertia <= exact < objective(x, w, plain.assignment[None])[0]


def test_peeling_takes_away_what_lowers_the_objective_most() -> None:
    x, w = RNG(12).standard_normal((50, 5)).astype(np.float32), RNG(13).uniform(0, 1, 50) + 1e-8
    assignment = peel(x, w, np.ones(50), 8)
    left = np.arange(50)
    for cluster in range(1, 8):
        costs = [objective(x[rest], w[rest], np.zeros((1, len(rest)), int))[0]
                 for rest in (np.delete(left, i) for i in range(len(left)))]  # fmt: skip
        one = left[int(np.argmin(costs))]
        assert assignment[one] == cluster
        left = left[left != one]
    change = leaving(x[:1], w[:1], np.ones(1), x[:1] * w[:1, None], w[:1], np.ones(1), np.zeros(1))
    assert change[0] == np.inf, "the only vector of a cluster does not leave it"
