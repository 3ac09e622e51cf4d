"""What every built-in oracle must keep: it answers for what was asked, and says where it cannot."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from region_parts import IDS, ROWS, new_pool, regions_of

from al_lightning.config.options import build, options_of
from al_lightning.core.oracle import Oracle
from al_lightning.core.query import Query
from al_lightning.oracles import ORACLES

REQUIRED: dict[str, dict[str, object]] = {}
"""Options without a default, by oracle; an oracle that lacks one here fails."""
UNLABELLED = 9
"""A row of the pool whose label nobody has."""


@pytest.fixture
def target_file(tmp_path: Path) -> Callable[[int], Path]:
    """As `DenseDataset.target_file`."""

    def found(row: int) -> Path:
        if row == UNLABELLED:
            raise ValueError(f"{IDS[row]}: has no target")
        path = tmp_path / f"{IDS[row]}.png"
        path.touch()
        return path

    return found


@pytest.fixture(params=ORACLES.builtin())
def oracle(request: pytest.FixtureRequest, target_file: Callable[[int], Path]) -> Oracle:
    """Built as a run builds it."""
    given = {"target_file": target_file}
    return build("oracle", ORACLES, request.param, REQUIRED.get(request.param, {}), given)


@pytest.mark.parametrize("name", ORACLES.builtin())
def test_options_are_those_of_the_yaml(name: str) -> None:
    known = set(inspect.signature(ORACLES[name]).parameters) - {"target_file"}
    assert set(options_of("oracle", ORACLES, name, REQUIRED.get(name, {}), ("target_file",))) == known


QUERIES = {
    "images": Query.of(ROWS[:3], "initial"),
    "regions": Query.of(ROWS[[0, 1, 1]], "cereals", regions=regions_of((0, 0, 0, 0), (0, 0, 4, 4), (8, 8, 4, 4))),
    "nothing": Query.of(ROWS[:0], "random"),
}


@pytest.mark.parametrize("kind", QUERIES)
def test_reveals_files_of_what_was_asked_for(oracle: Oracle, kind: str) -> None:
    """A row without a file of its own has the label of the dataset."""
    assert isinstance(oracle, Oracle)
    query, pool = QUERIES[kind], new_pool()
    before = query.rows.copy()
    answer = oracle.reveal(query)
    assert set(answer) <= set(query.rows.tolist())
    assert all(Path(file).is_file() for file in answer.values())
    assert np.array_equal(query.rows, before)
    pool.commit(query, 0, answer)
    assert pool.annotated.tolist() == sorted(set(query.rows.tolist()))
    assert [pool.target(row) for row in pool.annotated.tolist()] == [answer.get(row) for row in pool.annotated.tolist()]
    assert oracle.reveal(query) == answer, "the same question has the same answer: a stopped run asks again"


def test_an_image_without_a_label_is_named(oracle: Oracle) -> None:
    with pytest.raises(ValueError, match=IDS[UNLABELLED]):
        oracle.reveal(Query.of(np.array([ROWS[0], UNLABELLED]), "random"))
