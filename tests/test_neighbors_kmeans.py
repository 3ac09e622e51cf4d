"""Weighted k-means against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from candidate_pools import RNG
from neighbor_loops import Array, both_paths, brute_force
from sklearn.cluster import KMeans
from sklearn.cluster import KMeans as ReferenceKMeans

from al_lightning.neighbors import kmeans, weighted_kmeans


def objective(features: Array, weights: Array, centroids: Array, assignment: Array) -> float:
    return float((weights * ((features - centroids[assignment]) ** 2).sum(axis=1)).sum())


@both_paths
@pytest.mark.parametrize(("count", "clusters", "offset"), [(400, 5, 0.0), (400, 30, 1e4), (120, 40, 0.0)])
def test_kmeans_is_as_good_as_scikit_learns(count: int, clusters: int, offset: float) -> None:
    rng = np.random.default_rng([count, clusters])
    centres = rng.standard_normal((clusters, 8)) * 3
    features = centres[rng.integers(0, clusters, count)] + rng.standard_normal((count, 8)) + offset
    weights = rng.uniform(1e-8, 1, count) ** 2 + 1e-8
    ours_ = weighted_kmeans(features, weights, clusters, np.random.default_rng(0))
    theirs = ReferenceKMeans(clusters, n_init=10, random_state=0, tol=1e-4).fit(features, sample_weight=weights)
    assert ours_.centroids.shape == (clusters, 8)
    assert len(np.unique(ours_.assignment)) == clusters
    assert ours_.inertia == pytest.approx(objective(features, weights, ours_.centroids, ours_.assignment), rel=1e-4)
    assert ours_.inertia <= 1.02 * theirs.inertia_
    # every vector is with its nearest centroid
    np.testing.assert_array_equal(ours_.assignment, brute_force(features, ours_.centroids).argmin(axis=1))


def test_centroids_are_weighted_means() -> None:
    rng = np.random.default_rng(11)
    features, weights = rng.standard_normal((200, 5)), rng.uniform(0.1, 2, 200)
    result = weighted_kmeans(features, weights, 6, rng, tolerance=0)
    for k, centroid in enumerate(result.centroids):
        own = result.assignment == k
        np.testing.assert_allclose(
            centroid, np.average(features[own], axis=0, weights=weights[own]), rtol=1e-5, atol=1e-6
        )


def test_one_heavy_point_pulls_its_centroid_onto_it() -> None:
    rng = np.random.default_rng(12)
    features, weights = rng.standard_normal((60, 4)), np.full(60, 1e-8)
    weights[17] = 1.0
    result = weighted_kmeans(features, weights, 5, rng)
    np.testing.assert_allclose(result.centroids[result.assignment[17]], features[17], atol=1e-5)
    # the member nearest its centroid, cluster by cluster: as many distinct points as clusters
    distance = ((features - result.centroids[result.assignment]) ** 2).sum(axis=1)
    nearest_member = {min(np.flatnonzero(result.assignment == k), key=distance.__getitem__) for k in range(5)}
    assert len(nearest_member) == 5
    assert 17 in nearest_member


@pytest.mark.parametrize("clusters", [4, 5, 30])
def test_fewer_distinct_vectors_than_clusters(clusters: int) -> None:
    distinct = np.array([[0.0, 0.0], [5.0, 5.0], [-3.0, 1e-3], [-3.0, 0.0]])
    which = np.random.default_rng(13).permutation(np.arange(30) % 4)
    result = weighted_kmeans(distinct[which], np.ones(30), clusters, np.random.default_rng(0))
    assert result.inertia == 0
    assert len(result.centroids) == 4
    np.testing.assert_allclose(result.centroids[result.assignment], distinct[which], atol=1e-6)


def test_copies_weigh_as_much_as_their_sum() -> None:
    rng = np.random.default_rng(14)
    features, times = rng.standard_normal((80, 3)), rng.integers(1, 5, 80)
    repeated = np.repeat(features, times, axis=0)
    copies = weighted_kmeans(repeated, np.ones(len(repeated)), 7, np.random.default_rng(1))
    single = weighted_kmeans(features, times.astype(float), 7, np.random.default_rng(1))
    assert copies.inertia == pytest.approx(single.inertia)
    np.testing.assert_array_equal(copies.assignment, np.repeat(single.assignment, times))


def test_as_many_clusters_as_vectors() -> None:
    features = np.random.default_rng(15).standard_normal((12, 3))
    for clusters in (12, 40):
        result = weighted_kmeans(features, np.ones(12), clusters, np.random.default_rng(0))
        assert sorted(result.assignment) == list(range(12))
        np.testing.assert_allclose(result.centroids[result.assignment], features, atol=1e-6)


def test_an_empty_cluster_takes_the_heaviest_outlier() -> None:
    x = np.array([[0.0], [0.1], [0.2], [9.0], [10.0], [12.0]], dtype=np.float32)
    centroids = np.array([[0.1], [10.0], [500.0]])
    squared, assignment = kmeans._assign(x, np.array([1.0, 1, 1, 9, 1, 2]), centroids)
    # w·d² is 9·1 for the fourth point and 2·4 for the last
    assert assignment.tolist() == [0, 0, 0, 2, 1, 1]
    assert centroids[2, 0] == 9
    assert squared[3] == 0


def test_seeds_are_distinct_where_rounding_hides_the_distances() -> None:
    # two tight groups: within one, ‖a‖² + ‖b‖² − 2ab is rounding, for a vector and itself as well
    steps = np.arange(12, dtype=np.float32)[:, None] * np.float32(2**-20)
    x = np.concatenate([steps + np.full((12, 33), 0.7, np.float32), steps - np.full((12, 33), 0.3, np.float32)])
    for seeds in kmeans._seeds(x, np.ones(24), 24, 20, np.random.default_rng(0)):
        assert sorted(seeds) == list(range(24))


def test_kmeans_repeats_under_one_seed() -> None:
    rng = np.random.default_rng(16)
    features, weights = rng.standard_normal((500, 10)), rng.uniform(0, 1, 500) + 1e-8
    first, second = (weighted_kmeans(features, weights, 12, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.assignment, second.assignment)
    np.testing.assert_array_equal(first.centroids, second.centroids)
    assert first.inertia == second.inertia


def test_size_normalised_judges_by_its_own_objective() -> None:
    rng = np.random.default_rng(17)
    features, weights = rng.standard_normal((150, 2)), rng.uniform(0.1, 1, 150)

    def eq4(result: kmeans.KMeans) -> float:
        own = [result.assignment == k for k in range(len(result.centroids))]
        return float(
            sum(objective(features[m], weights[m], result.centroids, result.assignment[m]) / m.sum() for m in own)
        )

    plain = weighted_kmeans(features, weights, 4, np.random.default_rng(0))
    normalised = weighted_kmeans(features, weights, 4, np.random.default_rng(0), size_normalised=True)
    assert normalised.inertia == pytest.approx(eq4(normalised), rel=1e-4)
    assert normalised.inertia <= eq4(plain) * (1 + 1e-6)
    assert plain.inertia == pytest.approx(objective(features, weights, plain.centroids, plain.assignment), rel=1e-4)


def test_errors_of_kmeans() -> None:
    features, rng = np.random.default_rng(18).standard_normal((10, 2)), np.random.default_rng(0)
    with pytest.raises(ValueError, match="weights: expected 10 finite numbers > 0"):
        weighted_kmeans(features, np.arange(10.0), 3, rng)
    with pytest.raises(ValueError, match="weights: expected 10"):
        weighted_kmeans(features, np.ones(9), 3, rng)
    with pytest.raises(ValueError, match="clusters = 0"):
        weighted_kmeans(features, np.ones(10), 0, rng)
    features[3] = np.nan
    with pytest.raises(ValueError, match=r"features: 1 of 10 vectors .*position 3"):
        weighted_kmeans(features, np.ones(10), 3, rng)


def test_weighted_k_means_against_sklearn() -> None:
    x, w = RNG(0).standard_normal((120, 4)), RNG(1).random(120) + 0.01
    ours = weighted_kmeans(x, w, 8, RNG(2))
    theirs = KMeans(8, n_init=10, random_state=0).fit(x, sample_weight=w).inertia_
    objective = sum(
        w[i] * ((x[i] - np.average(x[ours.assignment == k], axis=0, weights=w[ours.assignment == k])) ** 2).sum()
        for k in range(8) for i in np.flatnonzero(ours.assignment == k))  # fmt: skip
    assert objective <= theirs * 1.03
    assert ours.inertia == pytest.approx(objective, rel=1e-3)
