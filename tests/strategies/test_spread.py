"""Picks spread over patients and videos: the limits hold, and greedy strategies pick what they would of the rest."""

from __future__ import annotations

import numpy as np
import pytest

from al_lightning.core.strategy import Candidates
from al_lightning.strategies import STRATEGIES
from al_lightning.strategies.base import highest
from al_lightning.strategies.spread import Spread, choose_spread, only

RNG = np.random.default_rng(0)
VIDEOS, FRAMES = 6, 12
GROUPS = [f"v{k // FRAMES}" for k in range(VIDEOS * FRAMES)]
PLACES = [k % FRAMES for k in range(VIDEOS * FRAMES)]


class Ranked:
    """The highest score."""

    needs = frozenset()

    def measure(self, prediction):
        return {}

    def select(self, candidates, per_stage, rng):
        return highest(candidates, candidates.value("score"), per_stage, "ranked")


def pool(labelled: tuple[int, ...] = (0, 30), seed: int = 0) -> Candidates:
    rng = np.random.default_rng(seed)
    mask = np.zeros(len(GROUPS), bool)
    mask[list(labelled)] = True
    values = {"score": rng.random(len(GROUPS)), "latent": rng.normal(size=(len(GROUPS), 4)).astype(np.float32)}
    return Candidates.of(np.arange(len(GROUPS)), [str(k) for k in range(len(GROUPS))], mask, values)


def allowed(row: int, taken: list[int], labelled: list[int], per_group: int | None, apart: int) -> bool:
    same = [other for other in taken if GROUPS[other] == GROUPS[row]]
    near = [o for o in [*taken, *labelled] if GROUPS[o] == GROUPS[row] and abs(PLACES[o] - PLACES[row]) < apart]
    return row not in taken and (per_group is None or len(same) < per_group) and (apart == 1 or not near)


def by_hand(candidates: Candidates, number: int, per_group: int | None, apart: int, greedy) -> list[int]:
    """One pick after the other among what is allowed."""
    labelled, taken = candidates.rows[candidates.labelled].tolist(), []
    while len(taken) < number:
        free = [
            row
            for row in candidates.rows[~candidates.labelled].tolist()
            if allowed(row, taken, labelled, per_group, apart)
        ]
        if not free:
            break
        taken.append(greedy(candidates, free, labelled, taken))
    return taken


def by_score(candidates, free, labelled, taken):
    return max(free, key=lambda row: (candidates.value("score")[row], -row))


def by_distance(candidates, free, labelled, taken):
    z = candidates.value("latent").astype(np.float64)
    centres = z[[*labelled, *taken]]
    return max(free, key=lambda row: (np.linalg.norm(z[row] - centres, axis=1).min(), -row))


@pytest.mark.parametrize(("per_group", "apart"), [(1, 1), (2, 1), (None, 3), (2, 4), (3, 2)])
@pytest.mark.parametrize("seed", range(4))
def test_greedy_strategies_pick_what_they_would_among_what_is_allowed(per_group, apart, seed) -> None:
    candidates, spread = pool(seed=seed), Spread.of(GROUPS, PLACES, per_group, apart)
    for strategy, greedy in ((Ranked(), by_score), (STRATEGIES["ta-coreset"](), by_distance)):
        picks = choose_spread(strategy, candidates, 9, RNG, spread).rows.tolist()
        assert picks == by_hand(candidates, 9, per_group, apart, greedy)


@pytest.mark.parametrize("name", ["random", "typiclust", "ta-coreset"])
def test_limits_hold_for_any_strategy(name: str) -> None:
    candidates = pool()
    query = choose_spread(STRATEGIES[name](), candidates, 10, np.random.default_rng(1), Spread.of(GROUPS, PLACES, 2, 3))
    taken: list[int] = []
    for row in query.rows.tolist():
        assert allowed(row, taken, [0, 30], 2, 3)
        taken.append(row)
    assert len(taken) == 10


def test_fewer_are_picked_where_the_limits_leave_no_more() -> None:
    query = choose_spread(Ranked(), pool(), 50, RNG, Spread.of(GROUPS, PLACES, per_group=2))
    assert len(query) == 2 * VIDEOS
    everything = pool(labelled=tuple(range(0, len(GROUPS), 2)))
    with pytest.raises(ValueError, match=r"budget\.apart=3: no image of the pool is left"):
        choose_spread(Ranked(), everything, 5, RNG, Spread.of(GROUPS, PLACES, apart=3))


def test_without_limits_nothing_changes() -> None:
    candidates = pool()
    query = choose_spread(Ranked(), candidates, 7, RNG, Spread.of(GROUPS, PLACES))
    assert query.rows.tolist() == Ranked().select(candidates, 7, RNG).rows.tolist()
    assert only(candidates, np.ones(len(GROUPS), bool)) is candidates


@pytest.mark.parametrize("limits", [{"per_group": 0}, {"apart": 0}])
def test_impossible_limits_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected at least 1"):
        Spread.of(GROUPS, PLACES, **limits)
