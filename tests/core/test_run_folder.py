from __future__ import annotations

import json

import pytest

from al_lightning.core.files import write_atomic
from al_lightning.core.run_folder import RunFolder, read_rows


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    write_atomic(path, "old")

    def fail(handle: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, "new")
    assert path.read_text() == "old"


def test_torn_last_line_is_dropped_and_overwritten(tmp_path):
    folder = RunFolder(tmp_path)
    rows = [{"stage": i, "labelled": 10 * i, "test": {}, "selected": [{"id": "é", "score": 0.1 + i}]} for i in range(3)]
    for row in rows[:2]:
        folder.append_row(row)
    whole = folder.stages.read_bytes()
    for cut in range(1, 12):
        folder.stages.write_bytes(whole + json.dumps(rows[2]).encode()[:cut])
        assert read_rows(folder.stages) == tuple(rows[:2])
        folder.append_row(rows[2])
        assert read_rows(folder.stages) == tuple(rows)
        folder.stages.write_bytes(whole)


def test_a_complete_last_line_without_newline_keeps_its_row(tmp_path):
    folder = RunFolder(tmp_path)
    rows = [{"stage": i, "labelled": i, "test": {"miou": 0.1}} for i in range(3)]
    for row in rows[:2]:
        folder.append_row(row)
    folder.stages.write_bytes(folder.stages.read_bytes().rstrip())
    folder.append_row(rows[2])
    assert [json.loads(line) for line in folder.stages.read_text().splitlines()] == rows


def test_a_row_is_appended_once(tmp_path):
    folder = RunFolder(tmp_path)
    for _ in range(2):
        folder.append_row({"stage": 0, "labelled": 1, "test": {}})
    assert len(folder.rows()) == 1


def test_progress_accumulates_over_steps(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.progress(1) == {}
    fit = {"seconds": 1.0, "checkpoint": "best.ckpt"}
    test = {"seconds": 1.0, "val": {}, "test": {"miou": 0.5}}
    folder.finish(1, fit=fit)
    assert folder.finish(1, test=test) == {"fit": fit, "test": test}
    assert RunFolder(tmp_path).progress(1) == {"fit": fit, "test": test}
