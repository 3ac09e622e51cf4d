"""Strategies that honour a quota of groups, and `choose`, which refuses those that do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from candidate_pools import RNG, pool

from al_lightning.core.query import Query
from al_lightning.core.quota import Quota
from al_lightning.core.strategy import Candidates
from al_lightning.strategies import (
    InformationDensity,
    Mixture,
    Random,
    TACoreset,
    TypiClust,
    UncertaintyClustering,
    UncertaintySampling,
    choose,
)

COUNT, GROUPS = 60, 9
ENTROPY = UncertaintySampling("entropy")
STRATEGIES = [
    Random(),
    ENTROPY,
    TACoreset(),
    TypiClust(),
    InformationDensity(ENTROPY),
    UncertaintyClustering(),
    Mixture(ENTROPY, TACoreset()),
]


def limited(left: int, labelled: list[int] | None = None) -> Candidates:
    z = RNG(0).standard_normal((COUNT, 4)).astype(np.float32)
    score = RNG(1).random(COUNT)
    made = pool(labelled, latent=z, entropy=score, feature_mean=z, feature_similarity=score)
    groups = RNG(2).integers(0, GROUPS, COUNT)
    return replace(made, quota=Quota(groups, np.full(GROUPS, left)))


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: type(strategy).__name__)
@pytest.mark.parametrize("left", [1, 3])
@pytest.mark.parametrize("labelled", [[], [5, 17, 40]])
def test_no_group_gives_more_than_its_quota(strategy: Any, left: int, labelled: list[int]) -> None:
    candidates = limited(left, labelled)
    assert candidates.quota is not None
    most = candidates.quota.available(candidates.unlabelled)
    for budget in (1, most // 2, most):
        query = choose(strategy, candidates, budget, RNG(0))
        taken = np.bincount(candidates.quota.group[query.rows], minlength=GROUPS)
        assert taken.sum() == budget == len(set(query.rows.tolist()))
        assert taken.max() <= left
        assert not np.isin(query.rows, labelled).any()


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: type(strategy).__name__)
def test_a_quota_that_limits_nothing_changes_nothing(strategy: Any) -> None:
    candidates = limited(COUNT, [5, 17])
    free = strategy.select(replace(candidates, quota=None), 12, RNG(0)).rows
    bound = strategy.select(candidates, 12, RNG(0)).rows
    if isinstance(strategy, Random):  # drawn by another rule
        assert len(set(bound.tolist())) == 12
    else:
        assert bound.tolist() == free.tolist()


def test_the_highest_are_taken_group_by_group() -> None:
    candidates = limited(2)
    assert candidates.quota is not None
    groups, score, taken = candidates.quota.group, candidates.value("entropy"), np.zeros(GROUPS, int)
    expected = []
    for row in np.argsort(-score):
        if taken[groups[row]] < 2:
            expected.append(int(row))
            taken[groups[row]] += 1
    assert ENTROPY.select(candidates, 11, RNG(0)).rows.tolist() == expected[:11]


def test_random_draws_are_uniform_over_open_groups() -> None:
    # one group of 9 and one of 1, one pick each: the second pick is forced, the first is of the large one 9 times in 10
    made = replace(pool(latent=np.zeros((10, 1))), quota=Quota(np.array([0] * 9 + [1]), np.array([1, 1])))
    first = [int(Random().select(made, 2, RNG(seed)).rows[0]) for seed in range(400)]
    assert np.mean([row < 9 for row in first]) == pytest.approx(0.9, abs=0.05)


def test_picks_count_towards_the_quota_of_what_follows() -> None:
    candidates = limited(2).also_labelled(np.arange(10))
    assert candidates.quota is not None
    taken = np.bincount(candidates.quota.group[:10], minlength=GROUPS)
    assert candidates.quota.left.tolist() == np.maximum(2 - taken, 0).tolist()
    assert candidates.also_labelled(np.arange(10)).quota.left.tolist() == candidates.quota.left.tolist()  # type: ignore[union-attr]


def test_a_strategy_that_ignores_the_quota_is_refused() -> None:
    class First:
        needs: frozenset[str] = frozenset()

        def measure(self, prediction: Any) -> dict[str, Any]:
            return {}

        def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
            return Query.of(candidates.rows[candidates.quota.group == candidates.quota.group[0]][:per_stage], "first")  # type: ignore[union-attr]

    with pytest.raises(ValueError, match="First breaks its contract: it picked more images of a group than the quota"):
        choose(First(), limited(1), 2, RNG(0))
