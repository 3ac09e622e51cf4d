"""Every edit of a run's files is mended to equal rows, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from . import editing, edits


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = editing.build(tmp_path_factory.mktemp("edited"))
    editing.OTHER[:] = [found["other"]]
    return found


@pytest.fixture(scope="module")
def whole(runs: dict[str, Path]) -> list[dict[str, Any]]:
    rows = editing.without_times(runs["finished"])
    assert [row["labelled"] for row in rows] == [4, 7, 10]
    return rows


@pytest.mark.parametrize("edit", edits.EDITS, ids=str)
def test_an_edit_is_mended_to_equal_rows_or_refused_in_one_line(edit, runs, whole, tmp_path):
    tried = editing.attempt(edit, runs, tmp_path)
    assert tried.faults(edit, whole) == []


def test_there_are_no_two_edits_of_one_name():
    assert len({edit.name for edit in edits.EDITS}) == len(edits.EDITS) >= 43
