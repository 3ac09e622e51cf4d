"""Features that are too large to be copied, quotas of groups, and what progress is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from neighbor_loops import Array, both_paths, brute_force, flags
from numpy.typing import NDArray

from al_lightning.core.quota import Quota
from al_lightning.neighbors import k_center_greedy, nearest_others, search, weighted_kmeans
from al_lightning.strategies.density import density


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of some 64 vectors, so that a few hundred are many blocks."""
    monkeypatch.setattr(search, "QUERIES", 32)
    monkeypatch.setattr(search, "NUMBERS", 64 * 8)


def textbook_with_groups(
    features: Array, mask: NDArray[np.bool_], budget: int, group: Array, left: Array
) -> tuple[list[int], list[float]]:
    """The loop in float64, in which a row whose group is full is no candidate."""
    x, left = features.astype(np.float64), left.copy()
    minima = np.min([((x - x[c]) ** 2).sum(axis=1) for c in np.flatnonzero(mask)], axis=0)
    picks: list[int] = []
    reach: list[float] = []
    while len(picks) < budget:
        candidates = ~mask & ~np.isin(np.arange(len(x)), picks) & (left[group] > 0)
        picks.append(int(np.where(candidates, minima, -1).argmax()))
        reach.append(float(np.sqrt(minima[picks[-1]])))
        minima = np.minimum(minima, ((x - x[picks[-1]]) ** 2).sum(axis=1))
        left[group[picks[-1]]] -= 1
    return picks, reach


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("kind", ["<f4", "<f2", "<f8", ">f4", "<i2"])
@pytest.mark.parametrize("labelled", [0, 40])
def test_a_mapped_file_gives_the_picks_of_an_array(tmp_path: Path, kind: str, labelled: int) -> None:
    rng = np.random.default_rng(1)
    features = (rng.standard_normal((700, 8)) * 50 + 3).astype(kind)
    np.save(tmp_path / "z.npy", features)
    mask = flags(700, labelled, rng)
    expected, reach = k_center_greedy(np.asarray(features), mask, 90)
    for memory in (0, search.MEMORY):
        picks, distance = k_center_greedy(np.load(tmp_path / "z.npy", mmap_mode="r"), mask, 90, 16, memory=memory)
        assert picks.tolist() == expected.tolist()
        np.testing.assert_allclose(distance, reach, rtol=1e-6)


def test_float32_is_enough_where_it_is_used() -> None:
    rng = np.random.default_rng(2)
    for scale in (1e-30, 1.0, 1e30):
        features = (rng.standard_normal((300, 5)) * scale + scale).astype(np.float32)
        frame = search.Frame.of(features)
        wide = ((features.astype(np.float64) - frame.offset) * frame.scale).astype(np.float32)
        np.testing.assert_array_equal(frame.apply(features), wide)


@both_paths
@pytest.mark.parametrize("block", [1, 8, 1024])
@pytest.mark.parametrize("left", [1, 3])
def test_a_row_whose_group_is_full_is_no_candidate(block: int, left: int) -> None:
    rng = np.random.default_rng([block, left])
    features = rng.standard_normal((160, 6)).astype(np.float32)
    mask, group = flags(160, 7, rng), rng.integers(0, 20, 160)
    quota = Quota(group, np.where(np.arange(20) % 5 == 2, 0, left))  # some groups are full from the start
    budget = quota.available(np.flatnonzero(~mask))
    picks, reach = k_center_greedy(features, mask, budget, block, quota)
    expected, distances = textbook_with_groups(features, mask, budget, group, quota.left)
    assert picks.tolist() == expected
    np.testing.assert_allclose(reach, distances, rtol=1e-5)
    assert np.bincount(group[picks]).max() == left
    assert quota.left.max() == left, "the caller's quota was changed"


def test_groups_of_copies_and_a_first_pick_without_centres() -> None:
    features = np.repeat(np.arange(6.0), 5)[:, None]
    quota = Quota(np.arange(30) % 3, np.array([2, 2, 2]))
    picks, _ = k_center_greedy(features, np.zeros(30, bool), 6, 4, quota)
    assert sorted((picks % 3).tolist()) == [0, 0, 1, 1, 2, 2]
    assert len(set(features[picks, 0].tolist())) == 6
    closed = Quota(np.arange(30) // 5, np.array([1, 1, 0, 0, 1, 1]))  # copies of 2 and 3 are nearest the mean
    assert k_center_greedy(features, np.zeros(30, bool), 4, 4, closed)[0].tolist() == [5, 25, 0, 20]
    with pytest.raises(ValueError, match="budget = 7: expected 0 to 6, the points that the quota of groups admits"):
        k_center_greedy(features, np.zeros(30, bool), 7, quota=quota)
    with pytest.raises(ValueError, match=r"quota has shape \(29,\)"):
        k_center_greedy(features, np.zeros(30, bool), 2, quota=Quota(quota.group[1:], quota.left))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("memory", [0, search.MEMORY])
def test_nearest_others_against_brute_force(memory: int) -> None:
    rng = np.random.default_rng(3)
    features = rng.standard_normal((400, 8)).astype(np.float32) + 100
    features[7] = features[9]
    some = np.flatnonzero(rng.random(400) < 0.6)
    found = nearest_others(features, some, 20, memory)
    matrix = brute_force(features[some], features[some])
    np.fill_diagonal(matrix, np.inf)
    np.testing.assert_allclose(found, np.sqrt(np.sort(matrix, axis=1)[:, :20]), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="k = 3 nearest others of 3 vectors"):
        nearest_others(features, np.arange(3), 3)


def test_k_means_on_a_sample_assigns_every_vector() -> None:
    rng = np.random.default_rng(4)
    centres = rng.standard_normal((6, 5)) * 20
    truth = rng.integers(0, 6, 3000)
    truth[100:200] = truth[0]
    features = (centres[truth] + rng.standard_normal((3000, 5))).astype(np.float32)
    features[100:200] = features[0]
    rows = np.flatnonzero(rng.random(3000) < 0.9)
    told: list[float] = []
    found = weighted_kmeans(
        features,
        np.ones(len(rows)),
        6,
        np.random.default_rng(0),
        positions=rows,
        progress=lambda what, done: told.append(done),
        memory=400 * 5 * 4,
    )
    np.testing.assert_array_equal(found.assignment, brute_force(features[rows], found.centroids).argmin(axis=1))
    assert len(found.centroids) == 6
    # the six groups are far apart: each is one cluster
    assert len(set(zip(truth[rows].tolist(), found.assignment.tolist(), strict=True))) == 6
    assert told == sorted(told)
    assert told[-1] == 1


def test_k_means_of_some_positions_is_that_of_their_copy() -> None:
    rng = np.random.default_rng(5)
    features, rows = rng.standard_normal((300, 4)), np.arange(0, 300, 3)
    some = weighted_kmeans(features, np.ones(100), 9, np.random.default_rng(0), positions=rows)
    copy = weighted_kmeans(features[rows], np.ones(100), 9, np.random.default_rng(0))
    assert some.inertia == pytest.approx(copy.inertia, rel=1e-6)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_density_in_blocks_is_that_of_the_whole(positive: bool, kind: type) -> None:
    rng = np.random.default_rng(6)
    features = rng.standard_normal((5000, 8))
    features = (np.abs(features) if positive else features).astype(kind)
    rows = np.arange(1, 5000, 2)
    told: list[float] = []
    blockwise = density(features, rows, lambda what, done: told.append(done), memory=0)
    z = features[rows].astype(np.float64)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    np.testing.assert_allclose(blockwise, np.maximum(z @ z.T, 0).mean(axis=1), rtol=1e-4)
    assert told[-1] == 1


def test_progress_of_k_center_only_grows_and_ends_with_1() -> None:
    rng = np.random.default_rng(7)
    features = rng.standard_normal((500, 4))
    told: list[float] = []
    k_center_greedy(features, flags(500, 20, rng), 200, 16, progress=lambda what, done: told.append(done))
    assert len(told) > 5
    assert told == sorted(told)
    assert told[-1] == 1
