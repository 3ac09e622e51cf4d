"""Hash buckets, their merging, and how the budget is split over them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from candidate_pools import RNG, images, pool

from al_lightning.strategies import UncPCAHash, hashing


def test_round_robin_is_balanced() -> None:
    buckets = np.repeat([0, 1, 2], [10, 2, 5])
    for number, expected in ((3, [1, 1, 1]), (6, [2, 2, 2]), (10, [4, 2, 4]), (17, [10, 2, 5])):
        pick = hashing.round_robin(buckets, number, RNG(number))
        assert len(np.unique(pick)) == number
        np.testing.assert_array_equal(np.bincount(buckets[pick], minlength=3), expected)
    first = [int(hashing.round_robin(buckets, 1, RNG(seed))[0]) for seed in range(300)]
    assert set(first) == set(range(10)), "members of a bucket are drawn at random"


def test_buckets_of_a_hash() -> None:
    z = RNG(0).standard_normal((400, 6))
    z[[3, 9]] = 0
    for banded in (False, True):
        label = hashing.hash_buckets(z, RNG(1), planes=5, bins=20, banded=banded)
        assert set(np.flatnonzero(label == label[3])) == {3, 9}
        assert len(np.unique(label)) == 21
    planes = RNG(1).standard_normal((6, 5))
    kept = np.delete(z, [3, 9], axis=0)
    bits = (kept - kept.mean(0)) @ planes > 0
    fine = hashing.hash_buckets(z, RNG(1), planes=5, bins=32)
    for i, j in itertools.combinations(range(60), 2):
        rows = np.delete(np.arange(400), [3, 9])[[i, j]]
        assert (fine[rows[0]] == fine[rows[1]]) == bool((bits[i] == bits[j]).all())


def test_smallest_group_joins_its_nearest() -> None:
    x = np.array([[0.0], [0.1], [5.0], [9.0], [9.1], [9.2]])
    np.testing.assert_array_equal(hashing.merge(x, np.array([7, 7, 3, 1, 1, 1]), 2), [1, 1, 0, 0, 0, 0])


def test_bands_join_equal_images_only() -> None:
    x = np.repeat(RNG(0).standard_normal((8, 40)), 3, axis=0)
    label = hashing.banded_groups(x, RNG(1))
    np.testing.assert_array_equal(np.unique(label, return_counts=True)[1], [3] * 8)


def test_many_groups_are_merged_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "MOST", 4)
    x = np.concatenate([np.full((5, 1), v) for v in (0.0, 10, 20, 30)] + [np.array([[1.0], [11], [29]])])
    groups = np.concatenate([np.repeat(np.arange(4), 5), [4, 5, 6]])
    np.testing.assert_array_equal(hashing.merge(x, groups, 4)[-3:], [0, 1, 3])


def test_hashing_splits_the_budget() -> None:
    pictures = images(60)
    score = RNG(0).random(60)
    candidates = pool([2, 5], least_confidence=score, images=lambda rows: pictures[rows])
    for descriptor in ("per_image_pc1", "pca_pixels"):
        query = UncPCAHash(ratio=0.7, descriptor=descriptor, size=16).select(candidates, 10, RNG(0))
        free = np.setdiff1d(np.arange(60), [2, 5])
        np.testing.assert_array_equal(query.rows[:7], free[np.argsort(-score[free])][:7])
        assert query.source == ("least-confidence",) * 7 + ("hash",) * 3
        assert len(np.unique(query.rows)) == 10
