"""Regions in the pool: what is labelled, what trains, what stays open."""

from __future__ import annotations

import json

import numpy as np
import pytest
from region_parts import IDS, ROWS, ask, new_pool, regions_of

from al_lightning.core.pool import LabelPool
from al_lightning.core.query import Query
from al_lightning.core.region import Box


def test_regions_train_stay_open_and_add_up_to_an_image():
    pool = new_pool()
    pool.commit(Query.of(np.array([3]), "initial"), 0)
    ask(pool, 8, (0, 0, 16, 48))
    assert pool.labelled.tolist() == [3]
    assert pool.partial.tolist() == [8]
    assert pool.trainable.tolist() == pool.annotated.tolist() == [3, 8]
    assert pool.unlabelled.tolist() == [4, 8, 9]
    assert (pool.labelled_equivalent, pool.fraction, pool.overspent_pixels) == (1, 1.5 / 4, 16 * 48)
    assert pool.revealed(8).sum() == 16 * 48
    assert pool.revealed(3).all()
    assert not pool.revealed(4).any()
    ask(pool, 8, (10, 0, 22, 48), stage=2)  # overlaps by 6 rows
    assert pool.labelled.tolist() == [3, 8]
    assert (pool.labelled_equivalent, pool.overspent_pixels, pool.partial.tolist()) == (2, 0, [])
    assert [label.region for label in pool.labels] == [None, Box(0, 0, 16, 48), Box(10, 0, 22, 48)]


@pytest.mark.parametrize(
    ("row", "box", "message"),
    [
        (8, (0, 0, 8, 8), "revealed already"),
        (4, (30, 0, 8, 8), r"id4: region \[30, 0, 8, 8\] is not inside the image of 32 x 48"),
        (4, (0, -1, 8, 8), "not inside"),
        (4, (0, 0, 0, 8), "not inside"),
        (3, (0, 0, 8, 8), "outside the unlabelled pool"),
        (5, (0, 0, 8, 8), "outside the unlabelled pool"),
    ],
)
def test_impossible_regions_are_refused_and_nothing_is_recorded(row, box, message):
    pool = new_pool()
    pool.commit(Query.of(np.array([3]), "initial"), 0)
    ask(pool, 8, (0, 0, 16, 16))
    before = pool.state()
    with pytest.raises(ValueError, match=message):
        pool.commit(Query.of(np.array([9, row]), "x", regions=(Box(0, 0, 4, 4), Box(*box))), 2)
    assert pool.state() == before
    assert pool.partial.tolist() == [8]


def test_a_pool_without_a_size_takes_images_only():
    pool = LabelPool(ROWS, IDS)
    pool.commit(Query.of(np.array([3, 4]), "initial"), 0)
    assert (pool.labelled_equivalent, pool.fraction, pool.overspent_pixels) == (2, 0.5, 0)
    with pytest.raises(ValueError, match=r"give LabelPool size"):
        ask(pool, 8, (0, 0, 8, 8))


def test_state_of_regions_survives_json_and_images_have_no_box():
    pool = new_pool()
    pool.commit(Query.of(np.array([3]), "initial"), 0)
    ask(pool, 8, (0, 0, 16, 48), (4, 0, 16, 20))
    ask(pool, 9, (0, 0, 32, 30), (0, 30, 32, 18), stage=2)
    pool.commit(Query.of(np.array([8]), "later"), 3)
    ask(pool, 4, (1, 2, 3, 4), stage=4)
    state = json.loads(json.dumps(pool.state()))
    assert "box" not in state[0]
    assert state[1]["box"] == [0, 0, 16, 48]
    again = new_pool()
    again.restore(state)
    assert again.state() == state
    assert again.labelled.tolist() == pool.labelled.tolist() == [3, 8, 9]
    assert again.partial.tolist() == [4]
    assert all(np.array_equal(again.revealed(row), pool.revealed(row)) for row in ROWS)
    assert (again.labelled_equivalent, again.overspent_pixels) == (3, 12)


def test_queries_of_images_and_regions_join():
    query = Query.of(np.array([4]), "a") + Query.of(
        np.array([8, 8]), "b", regions=regions_of((0, 0, 2, 2), (4, 4, 2, 2))
    )
    assert query.regions == (None, Box(0, 0, 2, 2), Box(4, 4, 2, 2))
    assert query.subset([2, 0]).regions == (Box(4, 4, 2, 2), None)
    pool = new_pool()
    pool.commit(query, 1)
    assert (pool.labelled.tolist(), pool.partial.tolist()) == ([4], [8])
