"""neighbors.py against loops written out in float64, brute force and scikit-learn."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans as ReferenceKMeans

from al_lightning import neighbors
from al_lightning.bench.k_center import BENCHES, Problem, loop_sklearn, loop_torch, ours, time_in_turn
from al_lightning.neighbors import k_center_greedy, nearest, nearest_k, weighted_kmeans

Array = NDArray[Any]


@pytest.fixture(params=["as it comes", "by matrix product"])
def faiss_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAISS subtracts vectors where there are few and multiplies matrices where there are many: test both."""
    if request.param == "by matrix product":
        monkeypatch.setattr("al_lightning.neighbors.faiss.cvar.distance_compute_blas_threshold", 0)


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


@both_paths
@pytest.mark.parametrize("block", [1, 7, 64, 1024])
@pytest.mark.parametrize(
    ("count", "dimensions", "labelled", "budget"),
    [(300, 32, 20, 90), (257, 3, 0, 100), (400, 2, 5, 120), (90, 16, 30, 60), (64, 1, 1, 30), (500, 64, 0, 40)],
)
def test_picks_are_those_of_the_textbook_loop(
    count: int, dimensions: int, labelled: int, budget: int, block: int
) -> None:
    rng = np.random.default_rng([count, dimensions])
    features = rng.standard_normal((count, dimensions)).astype(np.float32) * rng.uniform(0.1, 3, dimensions)
    mask = flags(count, labelled, rng)
    picks, reach = k_center_greedy(features, mask, budget, block)
    expected, distances = textbook(features, mask, budget)
    assert picks.tolist() == expected
    assert picks.dtype == np.int64
    assert reach.dtype == np.float64
    np.testing.assert_allclose(reach, distances, rtol=1e-5, atol=1e-6)


@both_paths
@pytest.mark.parametrize("block", [1, 5, 33, 1024])
@pytest.mark.parametrize("labelled", [0, 1, 12])
def test_ties_go_to_the_lowest_position(block: int, labelled: int) -> None:
    # points of a small lattice: most distances occur often, and many points are copies
    rng = np.random.default_rng(labelled)
    features = rng.integers(0, 5, (256, 3)).astype(np.float32)
    mask = flags(len(features), labelled, rng)
    picks, reach = k_center_greedy(features, mask, 200, block)
    expected, distances = textbook(features, mask, 200)
    assert len(set(distances[1:])) < 20, "the data are meant to be full of ties"
    assert picks.tolist() == expected
    np.testing.assert_array_equal(reach, distances)


@both_paths
def test_binary_codes_tie_too() -> None:
    rng = np.random.default_rng(4)
    features = (rng.random((300, 40)) < 0.1).astype(np.uint8)
    mask = flags(300, 3, rng)
    for block in (4, 50, 1024):
        picks, _ = k_center_greedy(features, mask, 250, block)
        assert picks.tolist() == textbook(features, mask, 250)[0]


@pytest.mark.parametrize("block", [1, 1024])
def test_collinear_points(block: int) -> None:
    # {0, 1, 2, 10}, L = {0}, B = 2 -> 10, then 2, which is 2 from 0 and 8 from 10
    features = np.array([[0.0], [1.0], [2.0], [10.0]])
    picks, reach = k_center_greedy(features, np.array([True, False, False, False]), 2, block)
    assert picks.tolist() == [3, 2]
    assert reach.tolist() == [10.0, 2.0]


def test_first_pick_without_centres_is_nearest_the_mean() -> None:
    features = np.array([[-8.0, 0.0], [9.0, 1.0], [0.5, 0.0], [0.0, 9.0]])
    picks, reach = k_center_greedy(features, np.zeros(4, bool), 4)
    assert picks[0] == 2
    assert np.isnan(reach[0])
    assert (np.diff(reach[1:]) <= 0).all()
    assert sorted(picks) == [0, 1, 2, 3]


@both_paths
@pytest.mark.parametrize("block", [3, 1024])
@pytest.mark.parametrize("labelled", [0, 4])
def test_nothing_but_copies(block: int, labelled: int) -> None:
    features = np.tile(np.random.default_rng(0).standard_normal(48), (50, 1)) * 1e3 + 0.1
    mask = np.arange(50) < labelled
    picks, reach = k_center_greedy(features, mask, 50 - labelled, block)
    assert picks.tolist() == list(range(labelled, 50))
    assert (reach[1 if not labelled else 0 :] == 0).all()


@both_paths
@pytest.mark.parametrize("dimensions", [48, 96, 511])
@pytest.mark.parametrize("block", [8, 1024])
def test_copies_come_after_all_that_differs(block: int, dimensions: int) -> None:
    # far from the origin, ‖a‖² + ‖b‖² − 2ab of a copy would exceed the small true distances
    rng = np.random.default_rng(1)
    distinct = rng.standard_normal((60, dimensions)).astype(np.float32) * 100
    near = distinct[:10] + (rng.standard_normal((10, dimensions)) * 0.1 / np.sqrt(dimensions)).astype(np.float32)
    features = np.concatenate([distinct, distinct[rng.integers(0, 60, 140)], near])
    mask = np.zeros(len(features), dtype=bool)
    mask[:5] = True
    picks, reach = k_center_greedy(features, mask, len(features) - 5, block)
    expected, distances = textbook(features, mask, len(features) - 5)
    assert picks.tolist() == expected
    np.testing.assert_allclose(reach, distances, rtol=1e-3)
    # 55 distinct ones, then the other of each near pair, then copies, at exactly 0 and by position
    assert (reach[:55] > 100).all()
    assert ((reach[55:65] > 0.05) & (reach[55:65] < 0.2)).all()
    assert (reach[65:] == 0).all()
    assert (np.diff(picks[65:]) > 0).all()


@both_paths
def test_a_large_offset_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((400, 64)) * 0.01
    features = (noise + 1e4).astype(np.float64)
    mask = flags(400, 10, rng)
    picks, reach = k_center_greedy(features, mask, 150, 40)
    expected, distances = textbook(features, mask, 150)
    assert picks.tolist() == expected
    np.testing.assert_allclose(reach, distances, rtol=1e-5)
    rounded = features.astype(np.float32)  # a noise of 0.01 is ten steps of float32 at 1e4
    assert k_center_greedy(rounded, mask, 150, 40)[0].tolist() == textbook(rounded, mask, 150)[0]


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e15, 1e30])
def test_scale_changes_nothing_but_the_distance(scale: float) -> None:
    rng = np.random.default_rng(3)
    features = rng.standard_normal((200, 24)).astype(np.float32)
    mask = flags(200, 8, rng)
    picks, reach = k_center_greedy(features, mask, 80)
    scaled, scaled_reach = k_center_greedy(features * np.float32(scale), mask, 80)
    np.testing.assert_array_equal(scaled, picks)
    np.testing.assert_allclose(scaled_reach, reach * scale, rtol=1e-5)


def test_radius_is_at_most_twice_the_optimum() -> None:
    for seed in range(10):
        features = np.random.default_rng(seed).standard_normal((11, 2))
        distances = np.sqrt(brute_force(features, features))
        best = min(distances[list(c)].min(axis=0).max() for c in itertools.combinations(range(11), 3))
        picks, _ = k_center_greedy(features, np.zeros(11, bool), 3)
        assert distances[picks].min(axis=0).max() <= 2 * best


def test_repeats_and_leaves_inputs_alone() -> None:
    rng = np.random.default_rng(5)
    features = rng.standard_normal((2000, 32)).astype(np.float32)
    mask = flags(2000, 50, rng)
    copies = features.copy(), mask.copy()
    first, second = (k_center_greedy(features, mask, 300, 100) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    np.testing.assert_array_equal(features, copies[0])
    np.testing.assert_array_equal(mask, copies[1])
    assert len(np.unique(first[0])) == 300
    assert not mask[first[0]].any()


def test_a_view_that_is_not_contiguous_and_integers() -> None:
    rng = np.random.default_rng(6)
    wide = rng.integers(-50, 50, (300, 40))
    mask = flags(300, 6, rng)
    view = wide[:, ::2]
    assert k_center_greedy(view, mask, 50)[0].tolist() == textbook(view, mask, 50)[0]
    assert k_center_greedy(np.asfortranarray(view), mask, 50)[0].tolist() == textbook(view, mask, 50)[0]


def test_errors_of_k_center() -> None:
    features = np.random.default_rng(7).standard_normal((20, 4))
    mask = np.arange(20) < 5
    with pytest.raises(ValueError, match=r"budget = 16: expected 0 to 15"):
        k_center_greedy(features, mask, 16)
    with pytest.raises(ValueError, match=r"budget = -1"):
        k_center_greedy(features, mask, -1)
    with pytest.raises(ValueError, match=r"labelled has shape \(19,\)"):
        k_center_greedy(features, mask[1:], 3)
    with pytest.raises(ValueError, match=r"features: expected real numbers \(n, D\)"):
        k_center_greedy(features[:, 0], mask, 3)
    with pytest.raises(ValueError, match=r"block = 0"):
        k_center_greedy(features, mask, 3, block=0)
    features[7, 2], features[11, 0] = np.nan, -np.inf
    with pytest.raises(ValueError, match=r"features: 2 of 20 rows hold NaN or infinite values \(first: row 7\)"):
        k_center_greedy(features, mask, 3)
    picks, reach = k_center_greedy(features[:7], mask[:7], 0)
    assert picks.shape == reach.shape == (0,)
    assert k_center_greedy(np.empty((0, 3)), np.empty(0, bool), 0)[0].shape == (0,)


@both_paths
@pytest.mark.parametrize(("count", "references", "dimensions"), [(50, 7, 3), (700, 300, 40), (5, 900, 130), (1, 1, 1)])
@pytest.mark.parametrize("offset", [0.0, 5e3])
def test_nearest_against_brute_force(count: int, references: int, dimensions: int, offset: float) -> None:
    rng = np.random.default_rng(8)
    q = (rng.standard_normal((count, dimensions)) + offset).astype(np.float32)
    r = (rng.standard_normal((references, dimensions)) + offset).astype(np.float32)
    q[0] = r[-1]
    squared, index = nearest(q, r)
    matrix = brute_force(q, r)
    assert squared.dtype == np.float32
    assert index.dtype == np.int64
    np.testing.assert_array_equal(index, matrix.argmin(axis=1))
    np.testing.assert_allclose(squared, matrix.min(axis=1), rtol=1e-4)
    assert squared[0] == 0
    assert index[0] == references - 1


@both_paths
def test_nearest_k_against_brute_force() -> None:
    rng = np.random.default_rng(9)
    q, r = rng.standard_normal((80, 20)), rng.standard_normal((200, 20))
    q[:40] = r[:40] + rng.standard_normal((40, 20)) * 1e-3
    squared, index = nearest_k(q, r, 9)
    matrix = brute_force(q, r)
    order = np.argsort(matrix, axis=1)[:, :9]
    np.testing.assert_array_equal(index, order)
    np.testing.assert_allclose(squared, np.take_along_axis(matrix, order, 1), rtol=1e-4)


def test_errors_of_nearest() -> None:
    with pytest.raises(ValueError, match="queries have 3 dimensions, references 4"):
        nearest(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(ValueError, match="k = 3 nearest of 2 references"):
        nearest_k(np.zeros((2, 3)), np.zeros((2, 3)), 3)
    with pytest.raises(ValueError, match="k = 1 nearest of 0 references"):
        nearest(np.zeros((2, 3)), np.zeros((0, 3)))
    with pytest.raises(ValueError, match="references: 1 of 2 rows"):
        nearest(np.zeros((2, 3)), np.array([[0, 0, 0], [0, np.inf, 0]]))
    assert nearest(np.zeros((0, 3)), np.zeros((2, 3)))[0].shape == (0,)


def test_gpu_branch_searches_a_flat_index(monkeypatch: pytest.MonkeyPatch) -> None:
    # without a GPU this checks only how FAISS is called: the index stays where it is, on the CPU
    rng = np.random.default_rng(10)
    features, mask = rng.standard_normal((300, 8)), flags(300, 10, rng)
    expected = k_center_greedy(features, mask, 60, 16)
    moved: list[int] = []

    def move(resources: list[Any], index: Any) -> Any:
        moved.append(index.ntotal)
        assert len(resources) == 2
        return index

    monkeypatch.setattr("al_lightning.neighbors.faiss.get_num_gpus", lambda: 2)
    monkeypatch.setattr(neighbors, "_gpu_resources", lambda: [None, None])
    monkeypatch.setattr("al_lightning.neighbors.faiss.index_cpu_to_gpu_multiple_py", move)
    np.testing.assert_array_equal(k_center_greedy(features, mask, 60, 16)[0], expected[0])
    assert moved[0] == 10
    assert len(moved) >= 4


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
    squared, assignment = neighbors._assign(x, np.array([1.0, 1, 1, 9, 1, 2]), centroids)
    # w·d² is 9·1 for the fourth point and 2·4 for the last
    assert assignment.tolist() == [0, 0, 0, 2, 1, 1]
    assert centroids[2, 0] == 9
    assert squared[3] == 0


def test_seeds_are_distinct_where_rounding_hides_the_distances() -> None:
    # two tight groups: within one, ‖a‖² + ‖b‖² − 2ab is rounding, for a vector and itself as well
    steps = np.arange(12, dtype=np.float32)[:, None] * np.float32(2**-20)
    x = np.concatenate([steps + np.full((12, 33), 0.7, np.float32), steps - np.full((12, 33), 0.3, np.float32)])
    for seeds in neighbors._seeds(x, np.ones(24), 24, 20, np.random.default_rng(0)):
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

    def eq4(result: neighbors.KMeans) -> float:
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
    with pytest.raises(ValueError, match=r"features: 1 of 10 rows .*row 3"):
        weighted_kmeans(features, np.ones(10), 3, rng)


MEMORY = """
import sys
import numpy as np
from pathlib import Path
from al_lightning.neighbors import k_center_greedy, nearest

def mib(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key + ":")) / 1024

def run(count, centres, budget):
    features = np.random.default_rng(0).standard_normal((count, 8), dtype=np.float32)
    before = mib("VmRSS")
    k_center_greedy(features, np.arange(count) < centres, budget)
    nearest(features, features[:centres])
    return before

run(500, 50, 20)  # libraries allocate their buffers
before = run(60_000, 3_000, 1_200)
print(mib("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see the peak of memory")
def test_no_matrix_of_distances_is_held() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    root = Path(__file__).resolve().parents[1]
    answer = subprocess.run(
        [sys.executable, "-c", MEMORY], cwd=root, env=environment, check=True, capture_output=True, text=True
    )
    # points × labelled would take 687 MiB, points × block 234 MiB; the features themselves are 2 MiB
    assert float(answer.stdout) < 100


def test_bench_names() -> None:
    assert set(BENCHES) >= {"k-center", "k-center-large"}


@pytest.mark.bench
def test_faster_than_one_pass_a_pick() -> None:
    problem = Problem(6_000, 256, 600, 300)
    own, loop = time_in_turn(problem, {"ours": ours, "scikit-learn": loop_sklearn}, 3)
    features, mask = problem.make()
    np.testing.assert_array_equal(own.picks, loop_torch(features.astype(np.float64), mask, 300))
    assert loop.median > 5 * own.median
