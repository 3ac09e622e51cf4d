"""What every built-in strategy of regions must keep, whatever its rule: one contract, no strategy left out."""

from __future__ import annotations

import copy
import json
from functools import partial

import numpy as np
import pytest
import torch
from region_parts import IDS, ROWS, SIZE, ask, new_pool
from region_stage import acquire, area_of, candidates_of, context_of
from strategy_parts import REGIONS, predict, strategy_of

from al_lightning.core.pool import LabelPool
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates, RegionStrategy
from al_lightning.strategies import STRATEGIES, UncertaintySampling, choose

IMAGE = SIZE[0] * SIZE[1]
CLICKS = {int(row): np.random.default_rng([2, row]).uniform(0, (SIZE[1], SIZE[0]), (40, 2)) for row in ROWS}
SHUFFLED = (ROWS[[2, 0]], ROWS[[3, 1]])


@pytest.fixture(params=REGIONS)
def strategy(request: pytest.FixtureRequest) -> RegionStrategy:
    return strategy_of(request.param)


@pytest.fixture
def pool() -> LabelPool:
    """Row 3 is labelled as a whole; of rows 8 and 9 regions are known, in row 8 two that overlap."""
    pool = new_pool()
    pool.commit(Query.of(ROWS[:1], "initial"), 0)
    ask(pool, 8, (0, 0, 16, 24), (8, 8, 20, 20))
    ask(pool, 9, (20, 30, 10, 10))
    return pool


def options(strategy: RegionStrategy) -> dict:
    """The learner provides what the strategy needs and nothing else."""
    return {"clicks": CLICKS, "predict": partial(predict, fields=strategy.needs, size=SIZE)}


def chosen(strategy: RegionStrategy, pool: LabelPool, budget: int = 1, seed: int = 0, **more) -> Query:
    return acquire(strategy, pool, budget=budget, seed=seed, **options(strategy) | more)


def revealed(pool: LabelPool) -> int:
    return sum(int(pool.revealed(row).sum()) for row in ROWS.tolist())


def committed(pool: LabelPool, query: Query, stage: int) -> list[int]:
    """Pixels that are revealed after each pick, in the order of choice."""
    found = []
    for pick in range(len(query)):
        pool.commit(query.subset([pick]), stage)
        found.append(revealed(pool))
    return found


def same(a: Query, b: Query) -> bool:
    scores = np.array_equal(a.score, b.score, equal_nan=True)
    return np.array_equal(a.rows, b.rows) and a.regions == b.regions and a.source == b.source and scores


@pytest.mark.parametrize("budgets", [(2,), (1, 1)])
def test_area_is_reached_by_the_last_region_and_not_before(strategy, pool, budgets):
    """Also at the next stage, which asks for as much less as this one has revealed too much."""
    for stage, budget in enumerate(budgets, 2):
        start = revealed(pool)
        wanted = start + area_of(pool, budget)
        query = chosen(strategy, pool, budget, stage)
        before, last = [start, *committed(pool, query, stage)][-2:]
        assert before < wanted <= last


def test_regions_lie_inside_images_that_are_not_labelled(strategy, pool):
    query = chosen(strategy, pool, 2)
    assert query.rows.dtype == np.int64
    assert np.isin(query.rows, pool.unlabelled).all()
    assert query.regions is not None
    assert any(region is not None for region in query.regions)
    for region in query.regions:
        if region is not None:
            region.check(SIZE)


def test_the_pool_takes_its_regions_and_saves_them(strategy, pool):
    """A pool refuses what is outside, revealed already or labelled, and an image that comes twice."""
    query = chosen(strategy, pool)
    pool.commit(query, 2)
    again = new_pool()
    again.restore(json.loads(json.dumps(pool.state())))
    assert again.labels == pool.labels
    assert [label.region for label in pool.labels[-len(query) :]] == list(query.regions)


def test_repeats_under_one_seed_whatever_the_order_of_measuring(strategy, pool):
    first, second, shuffled = (
        chosen(strategy, pool, seed=3, batches=batches) for batches in ((ROWS,), (ROWS,), SHUFFLED)
    )
    assert same(first, second)
    assert np.array_equal(first.rows, shuffled.rows)
    assert first.regions == shuffled.regions
    assert first.source == shuffled.source


def test_options_pool_and_candidates_stay_as_they_are(strategy, pool):
    """Arrays are read-only, so that writing raises; what they hold is compared as well."""
    options_before, state, context = copy.deepcopy(strategy), pool.state(), context_of(pool, **options(strategy))
    ready = strategy.prepare(context)
    assert isinstance(ready, RegionStrategy)
    candidates = candidates_of(ready, pool, context)
    arrays = (candidates.rows, candidates.labelled, *candidates.values.values())
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    choose(ready, candidates, 1, np.random.default_rng(0), area_of(pool, 1))
    assert all(np.array_equal(array, other) for array, other in zip(arrays, before, strict=True))
    assert pool.state() == state
    assert strategy == options_before


def test_measure_reduces_each_image_alone(strategy, pool):
    given = options(strategy)
    ready = strategy.prepare(context_of(pool, **given))
    together = ready.measure(given["predict"](ROWS))
    for value in together.values():
        assert value.shape[0] == len(ROWS)
        assert value[0].numel() < IMAGE, "a map of pixels was returned"
    for i, row in enumerate(ROWS.tolist()):
        alone = ready.measure(given["predict"]([row]))
        for key, value in together.items():
            torch.testing.assert_close(alone[key][0], value[i], rtol=1e-5, atol=1e-5)


def test_not_a_number_is_refused(strategy, pool):
    """Where it comes from the learner, by the strategy or with its candidates; where it is measured, by these."""

    def spoilt(rows):
        prediction = predict(rows, strategy.needs, size=SIZE)
        for name, value in vars(prediction).items():
            if isinstance(value, torch.Tensor) and name != "rows":
                value[(prediction.rows == 4).nonzero().ravel()] = torch.nan
        return prediction

    if strategy.needs:
        with pytest.raises(ValueError, match=r"NaN or infinite.*id4|are not finite: it has diverged"):
            chosen(strategy, pool, predict=spoilt)
    context = context_of(pool, **options(strategy))
    for name, value in candidates_of(strategy.prepare(context), pool, context).values.items():
        bad = value.astype(float)
        bad[1] = np.nan
        with pytest.raises(ValueError, match=rf"'{name}' is NaN or infinite for 1 of 4 images \(first: id4\)"):
            Candidates.of(ROWS, [IDS[row] for row in ROWS], pool.is_labelled, {name: bad})


def test_all_that_is_left_comes_as_the_remainder(strategy, pool):
    left = pool.unlabelled
    for budget in (len(left), len(left) + 5):
        query = chosen(strategy, pool, budget)
        assert np.array_equal(query.rows, left)
        assert set(query.source) == {"remainder"}
    # More pixels than there are, of a pool that has more images than were asked for.
    context = context_of(pool, **options(strategy))
    ready = strategy.prepare(context)
    query = ready.select(candidates_of(ready, pool, context), 99 * IMAGE, np.random.default_rng(0))
    pool.commit(query, 2)
    assert np.array_equal(pool.labelled, ROWS)


@pytest.mark.parametrize("position", ["uncertain", "diverse"])
def test_mixes_with_a_strategy_of_images_in_either_position(strategy, pool, position):
    parts = {"uncertain": UncertaintySampling("bvsb"), "diverse": UncertaintySampling("bvsb"), position: strategy}
    query = chosen(STRATEGIES["mixture"](**parts, gamma=0.5), pool, 2)
    images = np.array([source == "bvsb" for source in query.source])
    assert images.sum() == 1
    assert not np.isin(query.rows[~images], query.rows[images]).any()
    wanted = revealed(pool) + area_of(pool, 2)
    *_, before, last = committed(pool, query, 2)
    assert before < wanted <= last


def test_chooses_only_once_it_is_prepared(strategy):
    candidates = Candidates.of(ROWS, [IDS[row] for row in ROWS], np.zeros(len(ROWS), bool))
    with pytest.raises(ValueError, match="ActiveLearningLoop"):
        strategy.select(candidates, IMAGE, np.random.default_rng(0))
    with pytest.raises(ValueError, match="ActiveLearningLoop"):
        strategy.measure(predict([3], strategy.needs, size=SIZE))
