"""A report as a page. All figures are checked against numpy on the rows that were written."""

import json
import re

import numpy as np
import pytest
from jinja2 import UndefinedError
from report_pages import content, report, svg_points
from report_runs import SCORES, edit, environment, fake, scored, write_stages

from al_lightning.report import find_runs, write_report
from al_lightning.report.figures import BASELINE, COLOURS
from al_lightning.report.html import render


@pytest.fixture
def runs(tmp_path):
    return scored(tmp_path / "runs")


def test_table_of_the_metric_holds_mean_and_sd(tmp_path, runs):
    page = report(runs, tmp_path)
    head, core, random = page.tables[0]
    assert [cell.split("|")[0] for cell in head] == ["mIoU (%)", "30", "60", "90"]
    for row, name in ((core, "core"), (random, "random")):
        assert row[0] == name
        for k, cell in enumerate(row[1:]):
            values = [100 * v[k] for (s, _), v in SCORES.items() if s == name and len(v) > k]
            few = "|2 of 3 seeds" if len(values) == 2 else ""
            assert cell == f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}{few}"
    bold = re.findall(r"<b>([\d.]+)</b> <small>±", (tmp_path / "out/report.html").read_text())
    assert bold[:2] == ["72.3", "79.0"]  # at 30 labelled both are 61.0, and neither is best


def test_aubc_and_paired_differences_in_the_page(tmp_path, runs):
    page = report(runs, tmp_path)
    budget = next(t for t in page.tables if t[0][1].startswith("AUBC"))
    areas = [100 * np.trapezoid(v, dx=0.5) for (s, _), v in SCORES.items() if s == "core"]
    assert budget[1] == ["core", f"{np.mean(areas):.1f} ± {np.std(areas, ddof=1):.1f}", "3"]
    assert budget[2][2] == "2 of 3"
    versus = page.tables[page.tables.index(budget) + 1]
    z = np.array([3.0, 5.0, 2.0])
    half = 4.302652729911275 * z.std(ddof=1) / np.sqrt(3)
    assert versus[1][2] == f"+{z.mean():.1f}|[{z.mean() - half:.1f}, +{z.mean() + half:.1f}]".replace("-", "−")
    assert versus[1][1] == "0.0|[0.0, 0.0]"
    assert "exp/random/seed-2 (2 of 3 stages)" in page.words
    assert "at 60 labelled images, highest first: core 72.3" in page.words  # the last that every run has reached


def test_page_is_self_contained(tmp_path, runs):
    page = report(runs, tmp_path)
    text = (tmp_path / "out/report.html").read_text()
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert not re.search(r"https?://|url\(|@import", text)
    assert all(p["src"].startswith("data:image/") for p in page.pictures)
    assert all(p["alt"] for p in page.pictures)
    assert "torch" in page.words
    assert "2.99" in page.words
    assert text == write_report(runs, tmp_path / "again.html").read_text()


def test_everything_from_disk_is_escaped(tmp_path):
    evil = "<b onload=x>&'\"$x_1$"
    fake(tmp_path, evil, evil, 0, [0.5, 0.6], **{"dataset.name": "<u>", "learner.name": "<s>"})
    path = tmp_path / evil / evil / "seed-0"
    row = json.loads((path / "stages.jsonl").read_text().splitlines()[0])
    row["selected"] = [
        {"id": '"><svg>', "source": "<em>", "score": float("nan")},
        {"id": "i", "source": "s", "score": None, "<kbd>": [1]},
    ]
    row["test"]["<q>"] = 0.5
    row["cost"]["<var>"] = 3
    write_stages(path, [row])
    environment(path, versions={"<a>": "<ins>"}, dataset={"evaluate_at": "<del>"})
    page = report(find_runs([tmp_path]), tmp_path)
    unwanted = {"u", "s", "svg", "em", "kbd", "q", "var", "a", "ins", "del"}
    assert not unwanted & set(page.tags)
    assert all(f"<{tag}>" in page.words for tag in ("u", "s", "q", "a", "ins", "del", "em", "svg"))
    assert {"i, 1 region (<kbd>) picked by s"} & {value for _, value in page.attributes}
    assert not any(name == "onload" for name, _ in page.attributes)
    assert evil in page.words


def test_overlap_is_a_visible_warning_and_only_where_there_is_one(tmp_path, runs):
    assert 'class="warning"' not in write_report(runs, tmp_path / "a.html").read_text()
    fake(tmp_path / "leak", "exp", "core", 0, [0.5, 0.6], overlap=17)
    page = report(find_runs([tmp_path / "leak"]), tmp_path)
    assert ("class", "warning") in page.attributes
    assert "17 of the 50 test images are in the pool by name" in page.words


def test_one_seed_has_no_band_and_says_so(tmp_path):
    fake(tmp_path, "exp", "core", 4, [0.5, 0.6])
    page = report(find_runs([tmp_path]), tmp_path)
    assert page.tables[0][1] == ["core", "50.0", "60.0"]
    assert "One seed only: core." in page.words
    assert "Bands" not in page.words


def test_depth_is_in_cm_and_lower_is_better(tmp_path):
    for seed in (0, 1):
        fake(tmp_path, "exp", "core", seed, [0.9, 0.5 + seed / 10], task="depth")
        fake(tmp_path, "exp", "random", seed, [0.9, 0.75 + seed / 10], task="depth")
    found = find_runs([tmp_path])
    page = report(found, tmp_path)
    assert page.tables[0][0][0].startswith("RMSE (cm)")
    assert page.tables[0][1][2] == f"0.550 ± {np.std([0.5, 0.6], ddof=1):.3f}"
    assert "Lower is better" in page.words
    assert "lowest first: core 0.550" in page.words
    assert "<b>0.550</b>" in (tmp_path / "out/report.html").read_text()


def test_penalty_matrix_says_which_stages_it_compares(tmp_path, runs):
    # random: .61, .69, .755; only the last is within a hundredth of it.
    assert "Checkpoints: 2 stages until random has 99 % of its final value." in report(runs, tmp_path).words
    alone = [run for run in runs if run.strategy == "core"]
    for seed in (0, 1):
        fake(tmp_path / "more", "exp", "bvsb", seed, [0.61, 0.7, 0.7])
    assert "Checkpoints: 3 stages in all." in report(alone + find_runs([tmp_path / "more"]), tmp_path).words


@pytest.mark.parametrize("factor", [1.005, 1.5])
def test_other_costs_are_drawn_only_where_they_differ(tmp_path, runs, factor):
    for folder in (tmp_path / "runs/exp/random").iterdir():
        edit(folder, lambda row: row["cost"].update(pixels=factor * row["cost"]["pixels"]))
    page = report(find_runs([tmp_path / "runs"]), tmp_path)
    assert ("mIoU against other costs" in page.words) == (factor > 1.01)
    drawn = [p for p in page.pictures if "pixels" in p["alt"]]
    assert len(drawn) == (factor > 1.01)
    assert not any("clicks" in p["alt"] or "fraction" in p["alt"] for p in page.pictures)
    if drawn:
        svg = content(drawn[0]).decode()
        core, random = (svg_points(svg, colour)[:, 0] for colour in (COLOURS[0], BASELINE))
        assert np.ptp(random) / np.ptp(core) == pytest.approx(factor, abs=0.01)


def test_what_a_template_asks_for_and_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UndefinedError, match="has no attribute 'title'"):
        render(object())


def test_numbers_of_one_are_singular(tmp_path):
    one = {"trainer.max_epochs": 1, "learner.patience": 1, "budget.initial": 1, "budget.stages": 1}
    fake(tmp_path, "exp", "core", 0, [0.5], step=1, **one)
    words = report(find_runs([tmp_path]), tmp_path).words
    assert "1 epoch, less after 1 epoch without" in words
    assert "1 image at the start, 1 more a stage, 1 stage " in words
    assert "at 1 labelled image:" in words
