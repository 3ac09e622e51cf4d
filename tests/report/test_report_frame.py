"""Runs as a DataFrame: one line a stage, as the rows on disk have it."""

import sys

import numpy as np
import pandas as pd
import pytest
from report_runs import SCORES, count, edit, fake, scored

from al_lightning.report import find_runs, to_frame

FIRST = ["experiment", "strategy", "variant", "seed", "stage", "labelled", "fraction", "steps"]


def test_every_stage_of_every_run_is_a_line(tmp_path):
    runs = scored(tmp_path)
    frame = to_frame(runs)
    assert len(frame) == sum(map(len, SCORES.values()))
    assert [*frame.columns] == [
        *FIRST,
        *(f"cost.{term}" for term in ("images", "pixels", "clicks")),
        *("test.miou", "test.dice"),
        *(f"seconds.{step}" for step in ("fit", "test", "score", "select")),
    ]
    for (strategy, seed), values in SCORES.items():
        lines = frame[(frame["strategy"] == strategy) & (frame["seed"] == seed)]
        assert lines["test.miou"].tolist() == values
        assert lines["stage"].tolist() == [*range(len(values))]
        assert lines["labelled"].tolist() == [30 * (k + 1) for k in range(len(values))]
    np.testing.assert_allclose(frame["fraction"], frame["labelled"] / 300)
    assert frame["cost.clicks"].isna().all()
    kinds = {column: frame[column].dtype.kind for column in frame.columns[3:]}
    assert kinds == {c: "i" if c in ("seed", "stage", "labelled", "cost.images") else "f" for c in kinds}
    means = frame.groupby(["strategy", "stage"])["test.miou"].mean()
    assert means["core", 1] == pytest.approx((0.71 + 0.74 + 0.72) / 3)


def test_one_run_is_its_lines_of_all(tmp_path):
    runs = scored(tmp_path)
    whole = to_frame(runs)
    joined = pd.concat([run.to_frame() for run in runs], ignore_index=True)
    pd.testing.assert_frame_equal(joined, whole)
    assert to_frame(iter(runs)).equals(whole)


def test_variants_and_terms_that_only_some_runs_have(tmp_path):
    count(fake(tmp_path, "exp", "core,gamma=0.3", 0, [0.5, 0.6]), "review_minutes", [1.5, 2.5])
    edit(fake(tmp_path, "exp", "random", 0, [0.5]), lambda row: row.update(val={"loss": 0.25}, extra=1))
    frame = to_frame(find_runs([tmp_path]))
    assert frame["strategy"].tolist() == ["core,gamma=0.3", "core,gamma=0.3", "random"]
    assert frame["variant"].tolist() == ["gamma=0.3", "gamma=0.3", ""]
    costs = [column for column in frame.columns if column.startswith("cost.")]
    assert costs == ["cost.images", "cost.pixels", "cost.clicks", "cost.review_minutes"]
    np.testing.assert_array_equal(frame["cost.review_minutes"], [1.5, 2.5, np.nan])
    np.testing.assert_array_equal(frame["val.loss"], [np.nan, np.nan, 0.25])
    assert "extra" not in frame.columns


def test_a_run_without_a_stage_has_the_first_columns(tmp_path):
    folder = fake(tmp_path, "exp", "core", 0, [])
    fake(tmp_path, "exp", "core", 1, [0.5])
    waiting, _ = find_runs([tmp_path])
    assert waiting.path == folder
    assert ([*waiting.to_frame().columns], len(waiting.to_frame())) == (FIRST, 0)
    assert [*to_frame([]).columns] == FIRST


def test_without_pandas_the_error_names_the_extra(monkeypatch, tmp_path):
    runs = scored(tmp_path)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"needs pandas.*pip install 'al-lightning\[frame\]'"):
        runs[0].to_frame()
