"""The robust core-set against brute force, and what it does when time or memory ends."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from candidate_pools import RNG, pool

from al_lightning.strategies import RobustCoreset, TACoreset, robust


def brute_radius(z: Any, labelled: list[int], budget: int, outliers: int) -> float:
    """Smallest radius over all choices of `budget` centres, the `outliers` farthest points left out."""
    rest = [i for i in range(len(z)) if i not in labelled]
    gap = np.linalg.norm(z[:, None] - z[None], axis=2)
    radii = [
        np.sort(gap[np.ix_(rest, [*labelled, *chosen])].min(1))[-1 - outliers]
        for chosen in itertools.combinations(rest, budget)
    ]
    return float(min(radii))


@pytest.mark.parametrize("outliers", [0, 1])
@pytest.mark.parametrize("labelled", [[], [0, 5]])
def test_robust_core_set_against_brute_force(outliers: int, labelled: list[int]) -> None:
    better = 0
    for seed in range(4):
        z = RNG(seed).standard_normal((11, 2))
        query = RobustCoreset(outliers=outliers).select(pool(labelled, latent=z), 3, RNG(0))
        best = brute_radius(z, labelled, 3, outliers)
        rest = np.setdiff1d(np.arange(11), labelled)
        gap = np.linalg.norm(z[rest][:, None] - z[[*labelled, *query.rows]], axis=2).min(1)
        assert np.sort(gap)[-1 - outliers] == pytest.approx(best, rel=1e-5)
        assert query.score == pytest.approx(best, rel=1e-5)
        assert set(query.source) == {"robust k-center"}
        greedy = TACoreset().select(pool(labelled, latent=z), 3, RNG(0)).rows
        better += brute_radius(z, [*labelled, *greedy], 0, outliers) > best * 1.001
    assert better, "greedy was optimal everywhere: these points test nothing"


def test_outliers_may_leave_less_than_half_the_greedy_radius() -> None:
    z = [[0.0], [1.0], [-2.0], [100.0], [-101.0]]
    query = RobustCoreset(outliers=1).select(pool([0], latent=z), 1, RNG(0))
    assert query.rows[0] in (3, 4)
    np.testing.assert_allclose(query.score, 2)


def test_robust_core_set_falls_back_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = pool([0], latent=RNG(0).standard_normal((40, 2)))
    greedy = TACoreset().select(candidates, 5, RNG(0)).rows
    with pytest.warns(UserWarning, match="robust-coreset.*greedy"):
        late = RobustCoreset(time_limit=1e-9).select(candidates, 5, RNG(0))
    monkeypatch.setattr(robust, "MAX_PAIRS", 20)
    with pytest.warns(UserWarning, match="robust-coreset.*more than 20 pairs"):
        large = RobustCoreset().select(candidates, 5, RNG(0))
    monkeypatch.setattr(robust, "MAX_POINTS", 38)
    with pytest.warns(UserWarning, match="robust-coreset.*39 unlabelled images"):
        largest = RobustCoreset().select(candidates, 5, RNG(0))
    for query in (late, large, largest):
        np.testing.assert_array_equal(query.rows, greedy)
        assert set(query.source) == {"k-center (greedy fallback)"}


def test_robust_core_set_keeps_the_best_cover_when_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = pool([0], latent=RNG(1).standard_normal((30, 2)))
    greedy = TACoreset().select(candidates, 4, RNG(0))
    solved = robust.cover
    answers: list[bool] = []

    def once(*arguments: Any) -> Any:
        found = None if any(answers) else solved(*arguments)
        answers.append(found is not None and len(found) > 0)
        return found

    monkeypatch.setattr(robust, "cover", once)
    with pytest.warns(UserWarning, match="may not be the smallest"):
        query = RobustCoreset().select(candidates, 4, RNG(0))
    assert set(query.source) == {"robust k-center (time limit)"}
    z = candidates.values["latent"]
    radius = [np.linalg.norm(z[:, None] - z[[0, *rows]], axis=2).min(1).max() for rows in (query.rows, greedy.rows)]
    assert radius[0] < radius[1]
    assert radius[0] <= query.score[0] * (1 + 1e-6)
