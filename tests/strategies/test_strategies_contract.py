"""What every built-in strategy of whole images must keep, whatever its rule: one contract, no strategy left out."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from strategy_parts import IMAGES, REGIONS, REQUIRED, pixels, predict, strategy_of

from al_lightning.config.options import options_of
from al_lightning.core.arrays import Rows
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates, RegionStrategy, Strategy, asks_for_regions
from al_lightning.strategies import STRATEGIES, choose

POOL = np.arange(5, 85, 2)
"""Rows with gaps, so that a position taken for a row is found out."""
LABELLED = np.isin(POOL, POOL[[0, 7, 8, 19, 31, 39]])
BUDGET = 9
SIZE = (16, 16)


def candidates_of(
    strategy: Strategy, kind: str = "varied", order: Rows | None = None, batch: int = 7, stage: int = 0
) -> Candidates:
    """Measure the pool in batches, in the given order of positions, as the loop does."""
    order = np.arange(len(POOL)) if order is None else order
    gathered: dict[str, list[Any]] = {}
    for start in range(0, len(order), batch):
        rows = POOL[order[start : start + batch]]
        for key, value in strategy.measure(predict(rows.tolist(), strategy.needs, kind)).items():
            gathered.setdefault(key, []).append(value.numpy())
    made = Candidates.of(
        POOL[order],
        [f"image-{row}" for row in POOL[order]],
        LABELLED[order],
        {key: np.concatenate(parts) for key, parts in gathered.items()},
        (lambda rows: pixels(rows, kind)) if "images" in strategy.needs else None,
        stage,
        {"accelerator": "cpu"},
    )
    for array in (made.rows, made.labelled, *made.values.values()):
        array.flags.writeable = False
    return made


def same(a: Query, b: Query) -> bool:
    pseudo = (a.pseudo is None) == (b.pseudo is None)
    if a.pseudo is not None and b.pseudo is not None:
        pseudo = np.array_equal(a.pseudo.rows, b.pseudo.rows) and a.pseudo.kind == b.pseudo.kind
    scores = np.array_equal(a.score, b.score, equal_nan=True)
    return np.array_equal(a.rows, b.rows) and a.source == b.source and scores and pseudo


def check(query: Query, budget: int) -> None:
    """Exactly `budget` distinct unlabelled rows, and pseudo-labels only for other unlabelled ones."""
    left = POOL[~LABELLED]
    assert query.rows.dtype == np.int64
    assert len(query.rows) == len(np.unique(query.rows)) == budget
    assert np.isin(query.rows, left).all()
    if query.pseudo is not None:
        assert len(np.unique(query.pseudo.rows)) == len(query.pseudo.rows) > 0
        assert np.isin(query.pseudo.rows, left).all()
        assert not np.isin(query.pseudo.rows, query.rows).any()


@pytest.mark.parametrize("name", STRATEGIES.builtin())
def test_regions_have_a_contract_of_their_own(name: str) -> None:
    """What a strategy asks for says which of the two contracts is its own."""
    strategy = strategy_of(name)
    assert isinstance(strategy, RegionStrategy) == asks_for_regions(strategy) == (name in REGIONS)
    assert isinstance(strategy, Strategy)
    assert (name in IMAGES) != (name in REGIONS)


@pytest.fixture(params=IMAGES)
def strategy(request: pytest.FixtureRequest) -> Strategy:
    return strategy_of(request.param)


@pytest.mark.parametrize("name", sorted(STRATEGIES.builtin()))
def test_options_are_those_of_the_yaml(name: str) -> None:
    """The config layer finds every option with a type it knows; all but those of REQUIRED have defaults."""
    found = inspect.signature(STRATEGIES[name]).parameters
    without_default = {key for key, value in found.items() if value.default is inspect.Parameter.empty}
    assert without_default == set(REQUIRED.get(name, {}))
    nested: dict[type, Any] = {Strategy: STRATEGIES}
    given = {key: {"name": "random"} for key in without_default}
    assert set(options_of("strategy", STRATEGIES, name, given, nested=nested)) == set(found)


@pytest.mark.parametrize("classes", [2, 3])
def test_measure_reduces_each_image_alone(strategy: Strategy, classes: int) -> None:
    rows = POOL[:5].tolist()
    together = strategy.measure(predict(rows, strategy.needs, classes=classes))
    for value in together.values():
        assert value.shape[0] == len(rows)
        assert value[0].numel() < SIZE[0] * SIZE[1], "a map of pixels was returned"
    for i, row in enumerate(rows):
        alone = strategy.measure(predict([row], strategy.needs, classes=classes))
        for key, value in together.items():
            torch.testing.assert_close(alone[key][0], value[i])


@pytest.mark.parametrize("kind", ["varied", "constant", "duplicates"])
@pytest.mark.parametrize("stage", [0, 6])
def test_exact_budget_of_distinct_unlabelled_rows(strategy: Strategy, kind: str, stage: int) -> None:
    candidates = candidates_of(strategy, kind, stage=stage)
    for budget in (1, BUDGET, int((~LABELLED).sum()) - 1):
        check(strategy.select(candidates, budget, np.random.default_rng(0)), budget)


def test_nothing_labelled_yet(strategy: Strategy) -> None:
    made = candidates_of(strategy)
    fresh = Candidates(made.rows, made.ids, np.zeros(len(POOL), bool), made.values, made.images, 0, made.trainer)
    query = strategy.select(fresh, BUDGET, np.random.default_rng(0))
    assert len(np.unique(query.rows)) == BUDGET
    assert np.isin(query.rows, POOL).all()


def test_repeats_under_one_seed(strategy: Strategy) -> None:
    first, second = (choose(strategy, candidates_of(strategy), BUDGET, np.random.default_rng(3)) for _ in range(2))
    assert same(first, second)


def test_does_not_depend_on_order_or_batches(strategy: Strategy) -> None:
    shuffled = np.random.default_rng(1).permutation(len(POOL))
    first = choose(strategy, candidates_of(strategy), BUDGET, np.random.default_rng(3))
    second = choose(strategy, candidates_of(strategy, order=shuffled, batch=7), BUDGET, np.random.default_rng(3))
    assert np.array_equal(first.rows, second.rows)
    assert first.source == second.source


def test_inputs_stay_as_they_are(strategy: Strategy) -> None:
    """Arrays are read-only, so that writing raises; what they hold is compared as well."""
    candidates = candidates_of(strategy)
    before = {key: value.copy() for key, value in candidates.values.items()}
    rows, labelled = candidates.rows.copy(), candidates.labelled.copy()
    strategy.select(candidates, BUDGET, np.random.default_rng(0))
    assert np.array_equal(candidates.rows, rows)
    assert np.array_equal(candidates.labelled, labelled)
    assert candidates.values.keys() == before.keys()
    assert all(np.array_equal(candidates.values[key], value) for key, value in before.items())


def test_not_a_number_is_refused(strategy: Strategy) -> None:
    made = candidates_of(strategy)
    floats = [key for key, value in made.values.items() if value.dtype.kind == "f"]
    assert floats or strategy.needs <= {"images"}
    for key in floats:
        spoilt = made.values[key].copy()
        spoilt[3] = np.nan
        with pytest.raises(ValueError, match=rf"{key}.*image-{POOL[3]}"):
            Candidates.of(POOL, made.ids, LABELLED, {**made.values, key: spoilt})


def test_all_that_is_left_comes_in_row_order(strategy: Strategy) -> None:
    left = POOL[~LABELLED]
    for budget in (len(left), len(left) + 5):
        query = choose(strategy, candidates_of(strategy), budget, np.random.default_rng(0))
        assert np.array_equal(query.rows, left)
        assert set(query.source) == {"remainder"}


def test_missing_values_and_images_are_named(strategy: Strategy) -> None:
    """Candidates without what the strategy measured or reads are refused, not guessed at."""
    made = candidates_of(strategy)
    empty = Candidates(made.rows, made.ids, made.labelled)
    if strategy.needs:
        with pytest.raises(ValueError, match=r"no value|images"):
            strategy.select(empty, BUDGET, np.random.default_rng(0))
    else:
        check(strategy.select(empty, BUDGET, np.random.default_rng(0)), BUDGET)
