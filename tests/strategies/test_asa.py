"""ASA against the definition of the maximum mean discrepancy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from candidate_pools import RNG, pool

from al_lightning.strategies import ASA, asa


@pytest.mark.parametrize("labelled", [[], [0, 4, 9]])
@pytest.mark.parametrize("mode", ["greedy", "independent"])
@pytest.mark.parametrize("seed", range(4))
def test_discrepancy_against_the_definition(mode: Any, labelled: list[int], seed: int) -> None:
    z = RNG(seed).standard_normal((25, 3)) * [3, 1, 1]
    disagreement = RNG(seed + 9).random(25)
    candidates = pool(labelled, members_mean=z, disagreement=disagreement)
    query = ASA(mode=mode, pool_factor=2.5).select(candidates, 8, RNG(0))
    gap = np.linalg.norm(z[:, None] - z[None], axis=2)
    sigma = np.median(gap[np.triu_indices(25, 1)])
    k = np.exp(-(gap**2) / (2 * sigma**2))

    def mmd(left: list[int]) -> float:
        right = [i for i in range(25) if i not in left]
        return float(k[np.ix_(left, left)].mean() + k[np.ix_(right, right)].mean() - 2 * k[np.ix_(left, right)].mean())

    u = candidates.unlabelled
    uncertain = sorted(u[np.argsort(-disagreement[u])][:20])
    chosen: list[int] = []
    if mode == "independent":
        chosen = sorted(uncertain, key=lambda i: mmd([*labelled, i]))[:8]
    else:
        for _ in range(8):
            left = [i for i in uncertain if i not in chosen]
            chosen.append(min(left, key=lambda i: mmd([*labelled, *chosen, i])))
    np.testing.assert_array_equal(query.rows, chosen)
    if mode == "independent":  # scores are MMD² but for what all candidates share
        true = np.array([mmd([*labelled, i]) for i in chosen])
        np.testing.assert_allclose(np.diff(query.score), np.diff(true), atol=1e-9)


def test_bandwidth_of_equal_points_is_one() -> None:
    assert asa.median_distance(np.ones((5, 2))) == 1
    assert asa.median_distance(np.array([[0.0], [3.0]])) == 3
    z = RNG(0).standard_normal((3000, 2))
    everything = np.median(np.linalg.norm(z[::3, None] - z[None, 1::3], axis=2))
    assert asa.median_distance(z) == pytest.approx(everything, rel=0.05)
