"""Nearest neighbours against brute force, the branch for GPUs, and the memory of both searches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from neighbor_loops import both_paths, brute_force, flags

from al_lightning.neighbors import k_center_greedy, nearest, nearest_k


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
    with pytest.raises(ValueError, match="references: 1 of 2 vectors"):
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

    monkeypatch.setattr("al_lightning.neighbors.search.faiss.get_num_gpus", lambda: 2)
    monkeypatch.setattr("al_lightning.neighbors.search._gpu_resources", lambda: [None, None])
    monkeypatch.setattr("al_lightning.neighbors.search.faiss.index_cpu_to_gpu_multiple_py", move)
    np.testing.assert_array_equal(k_center_greedy(features, mask, 60, 16)[0], expected[0])
    assert moved[0] == 10
    assert len(moved) >= 4


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
