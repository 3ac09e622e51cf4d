"""The bench of k-center-greedy: it has a name, and what it prints is true."""

from __future__ import annotations

import numpy as np
import pytest

from al_lightning.bench import BENCHES
from al_lightning.bench.k_center import Problem, loop_sklearn, loop_torch, ours, time_in_turn


def test_bench_names() -> None:
    assert set(BENCHES) >= {"k-center", "k-center-large"}


@pytest.mark.bench
def test_faster_than_one_pass_a_pick() -> None:
    problem = Problem(6_000, 256, 600, 300)
    own, loop = time_in_turn(problem, {"ours": ours, "scikit-learn": loop_sklearn}, 3)
    features, mask = problem.make()
    np.testing.assert_array_equal(own.picks, loop_torch(features.astype(np.float64), mask, 300))
    assert loop.median > 5 * own.median
