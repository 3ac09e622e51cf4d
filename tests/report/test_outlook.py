"""What the last labels brought and what more would bring, in the words of terminal and page."""

from __future__ import annotations

import re

import numpy as np
import pytest
from report_pages import content, report
from report_runs import fake

from al_lightning.config.schema import StopSection
from al_lightning.report import find_runs
from al_lightning.report.figures import COLOURS
from al_lightning.report.forecast import forecast
from al_lightning.report.outlook import coming_labels, outlook, said

RISING = [0.5, 0.6, 0.65, 0.68]


def rows(*scores: float | None, metric: str = "miou", first: int = 50, pool: int = 400) -> list[dict]:
    return [
        {"stage": k, "labelled": n, "fraction": n / pool, "test": {metric: score}}
        for k, score in enumerate(scores)
        for n in [first + 50 * k]
    ]


def test_lines_after_a_stage() -> None:
    assert said(rows(0.5)) == []
    assert said(rows(0.5, 0.55)) == ["50 labels brought +5.0 points of mIoU; a forecast needs 3 stages"]
    first, second = said(rows(*RISING))
    assert first.startswith("50 labels brought +3.0 points of mIoU; the next 50 are likely to bring ")
    assert second.startswith("estimated ceiling ")
    assert said(rows(0.5, None, 0.65)) == ["100 labels brought +15.0 points of mIoU; a forecast needs 3 stages"]
    assert said(rows(2.0, 1.5, metric="rmse_cm"))[0].startswith("50 labels brought −0.500 cm of RMSE")
    assert "; 110 % of it " in said(rows(2.0, 1.5, 1.4, metric="rmse_cm"))[1]
    assert said(rows(2.0, 1.5, 1.4, metric="rmse_cm"))[1].startswith("estimated floor ")


def test_the_last_stage_says_what_another_selection_would_bring_and_what_ended_the_run() -> None:
    (first, _) = said(rows(*RISING), last=True)
    assert "; 50 more would be likely to bring " in first
    whole = said(rows(*RISING, pool=200), last=True)
    assert whole[0] == "50 labels brought +3.0 points of mIoU", "nothing is left to label"
    flat = rows(0.5, 0.7, 0.702, 0.701)
    assert said(flat, True, StopSection(0.5))[-1] == (
        "stopped: 2 stages in a row brought less than 0.5 points (budget.stop)"
    )
    for other in (said(flat, True, None), said(flat, True, StopSection(0.1)), said(flat, False, StopSection(0.5))):
        assert not any("stopped" in line for line in other)


def test_all_points_of_all_seeds_are_in_one_fit() -> None:
    seeds = [rows(0.50, 0.60, 0.65, 0.68), rows(0.54, 0.58, 0.66, 0.70), rows(0.52, 0.61, 0.64)]
    found = outlook(seeds)
    assert found is not None
    assert (found.points, found.seeds) == (11, 2)
    assert found.gain == pytest.approx(0.035)
    assert found.score == pytest.approx(0.69)
    same = forecast(
        [row["labelled"] for seed in seeds for row in seed], [row["test"]["miou"] for seed in seeds for row in seed]
    )
    assert same is not None
    assert found.fit is not None
    assert found.fit.at(250, trainings=2) == same.at(250, trainings=2)
    low, high = (float(text.replace("−", "-")) for text in found.change.split(" to "))
    assert (low, high) == pytest.approx(
        tuple(100 * (value - 0.69) for value in same.at(250, trainings=2)[1:]), abs=0.06
    )


def test_two_stages_of_seeds_with_other_numbers_of_labels_are_no_curve() -> None:
    found = outlook([rows(0.5, 0.6), rows(0.5, 0.6, first=49)])
    assert found is not None
    assert found.fit is None


def test_labels_to_come_are_those_selected_else_as_many_as_before() -> None:
    assert coming_labels(rows(*RISING)) == 50
    assert coming_labels(rows(*RISING, pool=220)) == 20
    assert coming_labels(rows(*RISING, pool=200)) is None
    picked = rows(*RISING)
    picked[-1]["selected"] = [{"id": "a", "source": "x"}, {"id": "b", "source": "x"}, {"id": "c", "source": "pseudo"}]
    assert coming_labels(picked) == 2
    picked[-1]["selected"] = [{"id": "a", "source": "x", "box": [0, 0, 8, 8]}]
    assert coming_labels(picked) == 50


def test_the_page_says_what_the_terminal_says(tmp_path) -> None:
    fake(tmp_path, "exp", "core", 0, RISING)
    page = report(find_runs([tmp_path]), tmp_path)
    table = next(table for table in page.tables if "Last brought" in table[0])
    found = outlook([find_runs([tmp_path])[0].rows])
    assert found is not None
    middle, interval = found.ceiling
    assert table[1] == [
        *("core", "+3.0|for 30 labels", f"{found.change}|for 30 labels", f"{middle}|{interval}", found.reach, "4")
    ]
    first, second = said(find_runs([tmp_path])[0].rows, last=True)
    assert found.change in first
    assert f"{middle} ({interval})" in second
    assert found.reach in second


def points(path: str) -> np.ndarray:
    """(n, 2) vertices of a path of straight lines."""
    return np.array([[float(x) for x in pair] for pair in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)])


def test_the_forecast_continues_the_curve_in_a_figure_of_its_own(tmp_path) -> None:
    for strategy, seed in (("core", 0), ("core", 1), ("other", 0)):
        fake(tmp_path, "exp", strategy, seed, [score + seed / 50 for score in RISING])
    page = report(find_runs([tmp_path]), tmp_path)
    drawn = [picture for picture in page.pictures if "forecast" in picture["alt"]]
    assert [picture["alt"].split(" against")[0] for picture in drawn] == ["mIoU (%) of core", "mIoU (%) of other"]
    svg = content(drawn[0]).decode()
    wanted = ("fill: none", f"stroke: {COLOURS[0].lower()}", "clip-path=")
    strokes = [path for path in svg.split("<path")[1:] if all(word in path.split("/>")[0] for word in wanted)]
    dashed = [points(path) for path in strokes if "stroke-dasharray" in path]
    (measured,) = (points(path) for path in strokes if "stroke-dasharray" not in path)
    assert len(dashed) == 3, "the middle and the two edges of its interval"
    for line in dashed:
        assert line[0, 0] == pytest.approx(measured[-1, 0])
        assert line[-1, 0] > line[0, 0]
    low, middle, high = sorted((line[-1, 1] for line in dashed), reverse=True)  # SVG's y points down
    assert low > middle > high
    assert "details" not in page.tags


def test_many_forecasts_are_folded(tmp_path) -> None:
    for k in range(6):
        fake(tmp_path, "exp", f"core,k={k}", 0, RISING)
    page = report(find_runs([tmp_path]), tmp_path)
    assert "6 forecasts as figures" in page.words
    assert sum("forecast" in picture["alt"] for picture in page.pictures) == 6


def test_fewer_than_three_stages_are_no_forecast_and_one_is_no_section(tmp_path) -> None:
    fake(tmp_path / "two", "exp", "core", 0, [0.5, 0.6])
    page = report(find_runs([tmp_path / "two"]), tmp_path)
    table = next(table for table in page.tables if "Last brought" in table[0])
    assert table[1] == ["core", "+10.0|for 30 labels", "–|needs 3 stages", "–", "–", "2"]
    assert "A forecast needs 3 stages" in page.words
    assert not any("forecast" in picture["alt"] for picture in page.pictures)
    fake(tmp_path / "one", "exp", "core", 0, [0.5])
    assert "What more labels would bring" not in report(find_runs([tmp_path / "one"]), tmp_path).words


def test_a_run_that_the_stop_rule_ended_is_complete_and_named(tmp_path) -> None:
    stop = {"budget.stop.gain": 0.5, "budget.stop.stages": 2}
    fake(tmp_path, "exp", "core", 0, [0.5, 0.7, 0.702, 0.701], planned=8, **stop)
    fake(tmp_path, "exp", "core", 1, [0.5, 0.6], planned=8, **stop)
    ended, going = find_runs([tmp_path])
    assert (ended.stopped, ended.complete, going.stopped, going.complete) == (True, True, False, False)
    words = report([ended, going], tmp_path).words
    rule = "2 stages in a row brought less than 0.5 points"
    assert f"Ended by budget.stop, because {rule}: exp/core/seed-0 (4 of 8 stages)." in words
    assert "Not finished: exp/core/seed-1 (2 of 8 stages)" in words
    assert f"at most 8 stages, until {rule}" in words


def test_a_run_without_a_stop_rule_in_its_config_is_read(tmp_path) -> None:
    fake(tmp_path, "exp", "core", 0, RISING, planned=8)
    (run,) = find_runs([tmp_path])
    assert (run.stopped, run.stop_rule, run.complete) == (False, "", False)
