"""k-center-greedy against the textbook loop and brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from neighbor_loops import both_paths, brute_force, flags, textbook

from al_lightning.neighbors import k_center_greedy


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
    with pytest.raises(
        ValueError, match=r"features: 2 of 20 vectors hold NaN or infinite values \(first: position 7\)"
    ):
        k_center_greedy(features, mask, 3)
    picks, reach = k_center_greedy(features[:7], mask[:7], 0)
    assert picks.shape == reach.shape == (0,)
    assert k_center_greedy(np.empty((0, 3)), np.empty(0, bool), 0)[0].shape == (0,)
