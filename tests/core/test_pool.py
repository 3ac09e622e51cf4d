"""The pool of labelled and unlabelled images."""

from __future__ import annotations

import json

import numpy as np
import pytest

from al_lightning.core.pool import LabelPool
from al_lightning.core.query import Query

IDS = [f"id{i}" for i in range(10)]


def test_commit_moves_rows_and_keeps_source_score_stage():
    pool = LabelPool(np.array([9, 1, 3, 5]), IDS)
    assert pool.rows.tolist() == [1, 3, 5, 9]
    pool.commit(Query.of(np.array([5, 1]), "k-center", np.array([0.5, np.nan])), stage=2, targets={1: "here.png"})
    assert pool.labelled.tolist() == [1, 5]
    assert pool.unlabelled.tolist() == [3, 9]
    assert [(x.row, x.stage, x.source, x.score) for x in pool.labels] == [
        (5, 2, "k-center", 0.5),
        (1, 2, "k-center", None),
    ]
    assert (pool.target(1), pool.target(5)) == ("here.png", None)


@pytest.mark.parametrize("rows", [[1, 2], [1, 1], [5]])
def test_commit_refuses_outside_repeated_and_labelled_and_records_nothing(rows):
    pool = LabelPool(np.array([1, 3, 5]), IDS)
    pool.commit(Query.of(np.array([5]), "initial"), 0)
    with pytest.raises(ValueError, match="outside the unlabelled pool or repeated"):
        pool.commit(Query.of(np.array(rows), "x"), 1)
    assert pool.labelled.tolist() == [5]


def test_state_survives_json_and_names_ids():
    pool = LabelPool(np.arange(10), IDS)
    pool.commit(Query.of(np.array([7, 2]), "bvsb", np.array([0.25, 0.5])), 1)
    state = json.loads(json.dumps(pool.state()))
    assert [entry["id"] for entry in state] == ["id7", "id2"]
    moved = LabelPool(np.arange(10), IDS[::-1])
    moved.restore(state)
    assert [moved.ids[row] for row in moved.labelled] == ["id7", "id2"]
    assert moved.state() == state


def test_restore_refuses_ids_that_are_gone():
    pool = LabelPool(np.arange(3), IDS)
    with pytest.raises(ValueError, match="id7"):
        pool.restore([{"id": "id7", "stage": 0, "source": "x", "score": None, "target": None}])


def test_commit_forgets_pseudo_labels_and_they_can_be_picked():
    pool = LabelPool(np.arange(6), [f"id{i}" for i in range(6)])
    pool.commit(Query.of(np.array([0]), "initial"), 0)
    pool.pseudo = {4: "a.npy", 5: "b.npy"}
    assert pool.trainable.tolist() == [0, 4, 5]
    assert pool.labelled.tolist() == [0]
    assert 4 in pool.unlabelled
    pool.commit(Query.of(np.array([4]), "bvsb"), 1)
    assert pool.pseudo == {}
    assert pool.trainable.tolist() == [0, 4]
