"""Baselines, budgets in pixels and finished runs in a report, checked against loops over the rows written."""

import base64
import json
import re

import numpy as np
import pytest
from test_report import Page, fake, report
from test_report_figures import svg_points

from al_lightning.metrics.objects import glas_scores
from al_lightning.report import find_runs
from al_lightning.report.budgets import budget_rows, share_rows
from al_lightning.report.compare import common_range, groups
from al_lightning.report.curves import BASELINE
from al_lightning.report.facts import notes, settings
from al_lightning.report.quantities import metric_of
from al_lightning.report.tables import difference_rows, penalties

POOL = 300_000_000
"""Pixels of the pool of `fake`: 300 images of a million."""


def change(folder, edit=lambda row: None, pool=None):
    """Edit every row of a run; `pool` is what its environment says of the pool's cost."""
    rows = [json.loads(line) for line in (folder / "stages.jsonl").read_text().splitlines()]
    for row in rows:
        edit(row)
    (folder / "stages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    environment = json.loads((folder / "environment.json").read_text())
    environment["cost"] = {"clicks": None, "pool": pool}
    (folder / "environment.json").write_text(json.dumps(environment))


def one(path):
    (group,) = groups(find_runs([path]))
    return group


def first_figure(page):
    return base64.b64decode(page.pictures[0]["src"].split(",")[1]).decode()


@pytest.mark.parametrize(
    ("strategies", "baseline"),
    [
        (["cereals", "region-random", "ta-coreset"], "region-random"),
        (["cereals", "random", "region-random", "zzz"], "random"),
        (["cereals", "full-size"], None),
    ],
)
def test_the_baseline_is_the_first_that_is_there_and_is_named_everywhere(tmp_path, strategies, baseline):
    for s, strategy in enumerate(strategies):
        for seed in (0, 1):
            lift = 0.0 if strategy.endswith("random") else 0.04 + 0.01 * seed
            fake(tmp_path / "runs", "exp", strategy, seed, [0.5 + s / 1000, 0.6 + lift, 0.7 + lift])
    group = one(tmp_path / "runs")
    assert group.baseline == group.setting().baseline == baseline
    page = report(find_runs([tmp_path / "runs"]), tmp_path)
    if baseline is None:
        assert difference_rows(group) is None
        assert "Against" not in page.words
        assert "Checkpoints: 3 stages in all." in page.words
        with pytest.raises(AssertionError, match="no line in"):
            svg_points(first_figure(page), BASELINE)
        return
    assert group.curves[-1].label == baseline
    _, rows, caption = difference_rows(group)
    assert [label for label, _ in rows] == [curve.label for curve in group.curves[:-1]]
    assert f"is better than {baseline};" in caption
    assert f"Against {baseline}" in page.words
    assert f"minus {baseline} is +4." in page.words
    assert f"until {baseline} has 99 % of its end" in page.words
    assert svg_points(first_figure(page), BASELINE).shape == (3, 2)


def test_a_baseline_of_two_experiments_is_none(tmp_path):
    for experiment in ("one", "two"):
        fake(tmp_path, experiment, "random", 0, [0.5, 0.6])
    fake(tmp_path, "two", "core", 0, [0.5, 0.6])
    group = one(tmp_path)
    assert [curve.label for curve in group.curves] == ["core", "one / random", "two / random"]
    assert group.baseline is None


def test_settings_with_different_baselines_each_stop_at_their_own(tmp_path):
    for seed in (0, 1):
        fake(tmp_path, "images", "random", seed, [0.5, 0.7, 0.7], **{"dataset.name": "a"})
        fake(tmp_path, "regions", "region-random", seed, [0.5, 0.6, 0.7, 0.7], **{"dataset.name": "b"})
        for name, stages in (("a", 3), ("b", 4)):
            fake(tmp_path, f"core-{name}", "core", seed, [0.5, 0.65, 0.7, 0.72][:stages], **{"dataset.name": name})
    found = groups(find_runs([tmp_path]))
    _, rows, caption = penalties([group.setting() for group in found], ["core", "random", "region-random"])
    assert "1 stage until random has 99 % of its end, 2 stages until region-random has 99 % of its end." in caption
    assert [cells[:3].index("–") for label, cells in rows if label.endswith("random")] == [2, 1]
    assert caption.endswith("–: in no setting together.")


def test_shares_of_the_pixels_agree_with_a_loop_over_the_rows(tmp_path):
    rng = np.random.default_rng(0)
    scores, pixels = {}, {}
    for strategy in ("core", "random"):
        for seed in (0, 1, 2):
            stages = 6 if strategy == "core" else 3
            key = strategy, seed
            scores[key], pixels[key] = rng.uniform(0.5, 0.9, stages), rng.integers(1e7, 3.5e7, stages).cumsum()
            folder = fake(tmp_path / "runs", "exp", *key, scores[key].tolist())
            counted = iter(pixels[key].tolist())

            def edit(row, counted=counted):
                row["cost"]["pixels"] = next(counted)

            change(folder, edit, {"images": 300, "pixels": POOL, "clicks": None})
    head, rows, caption = share_rows(one(tmp_path / "runs"))
    assert head[0] == "Strategy"
    found = {}
    for share in (0.1, 0.3, 0.5):
        for strategy in ("core", "random"):
            at = []
            for seed in (0, 1, 2):
                for value, count in zip(scores[strategy, seed], pixels[strategy, seed], strict=True):
                    if count / POOL >= share:
                        at.append((100 * value, 100 * count / POOL))
                        break
            if not at:
                continue
            mean, revealed = np.mean(at, axis=0)
            spread = f" ± {np.std([v for v, _ in at], ddof=1):.1f}" if len(at) > 1 else ""
            few = f"; {len(at)} of 3 seeds" if len(at) < 3 else ""
            found[strategy, f"{100 * share:.0f} %"] = f"{mean:.1f}{spread} (at {revealed:.1f} %{few})"
    assert head[1:] == [name for name in ("10 %", "30 %", "50 %") if any(column == name for _, column in found)]
    for label, cells in rows:
        for column, cell in zip(head[1:], cells, strict=True):
            assert cell == found.get((label, column), "not reached")
    text = " ".join(cell for _, cells in rows for cell in cells)
    assert "not reached" in text  # the made-up pools have every case
    assert "of 3 seeds" in text
    assert "overshoot" in caption
    page = report(find_runs([tmp_path / "runs"]), tmp_path)
    assert "At shares of the pool's pixels" in page.words
    assert [*next(t for t in page.tables if t[0] == head)[1]] == ["core", *rows[0][1]]


def test_a_share_that_is_met_exactly_is_met(tmp_path):
    # At 30, 60 and 90 of 300 equal images.
    folder = fake(tmp_path, "exp", "core", 0, [0.5, 0.6, 0.7], **{"budget.pixels": 0.9})
    change(folder, pool={"images": 300, "pixels": POOL, "clicks": None})
    head, rows, _ = share_rows(one(tmp_path))
    assert head == ["Strategy", "10 %", "30 %"]
    assert rows == [("core", ["50.0 (at 10.0 %)", "70.0 (at 30.0 %)"])]


def test_of_equal_images_shares_of_the_pixels_say_nothing_new(tmp_path):
    known = {"images": 300, "pixels": POOL, "clicks": None}
    change(fake(tmp_path, "exp", "core", 0, [0.5, 0.6, 0.7]), pool=known)
    assert share_rows(one(tmp_path)) is None

    def larger(row):
        row["cost"]["pixels"] = int(1.2 * row["cost"]["pixels"])

    change(fake(tmp_path, "exp", "random", 0, [0.5, 0.6, 0.7]), larger, known)
    assert share_rows(one(tmp_path)) is not None


def test_no_shares_without_the_pool_or_before_the_first_is_reached(tmp_path):
    fake(tmp_path / "old", "exp", "core", 0, [0.5, 0.6])
    assert share_rows(one(tmp_path / "old")) is None
    change(fake(tmp_path / "null", "exp", "core", 0, [0.5, 0.6]), pool=None)
    assert share_rows(one(tmp_path / "null")) is None
    assert "shares of the pool" not in report(find_runs([tmp_path / "null"]), tmp_path).words
    small = fake(tmp_path / "small", "exp", "core", 0, [0.5, 0.6], step=10)
    change(small, pool={"images": 300, "pixels": POOL, "clicks": None})
    assert share_rows(one(tmp_path / "small")) is None
    stop = {"budget.pixels": 0.9}
    depth = fake(tmp_path / "depth", "exp", "core", 0, [0.5], task="depth", **stop)
    change(depth, pool={"images": 300, "pixels": POOL, "clicks": None})
    _, rows, caption = share_rows(one(tmp_path / "depth"))
    assert (rows[0][1], caption.endswith("Lower is better.")) == (["0.500 (at 10.0 %)"], True)
    # A row with all labels tells the pool's pixels too, of `full` or at the end of a curve.
    fake(tmp_path / "old", "exp", "full", 0, [0.8], step=300, planned=6, **stop)
    head, rows, caption = share_rows(one(tmp_path / "old"))
    assert (head[1:], rows[0][1]) == (["10 %"], ["50.0 (at 10.0 %)"])
    assert caption.endswith("With all labels: 80.0.")
    fake(tmp_path / "end", "exp", "core", 0, [0.5, 0.6], step=150, **stop)
    assert share_rows(one(tmp_path / "end"))[0][1:] == ["10 %", "30 %", "50 %"]


@pytest.mark.parametrize(
    ("strategy", "rows", "step", "pixels", "total", "complete"),
    [
        ("core", 3, 30, None, POOL, False),
        ("core", 6, 30, None, POOL, True),
        ("core", 2, 150, None, None, True),  # everything is labelled
        ("core", 2, 30, 0.3, POOL, False),  # 20 % of the pixels
        ("core", 3, 30, 0.3, POOL, True),
        ("core", 3, 30, 0.3, None, False),
        ("full", 1, 300, None, None, True),
        ("full", 0, 300, None, None, False),
        ("core", 0, 30, 0.1, POOL, False),
    ],
)
def test_a_run_is_complete_at_its_rows_its_pool_or_its_pixels(tmp_path, strategy, rows, step, pixels, total, complete):
    scores = [0.5 + k / 100 for k in range(rows)]
    changes = {} if pixels is None else {"budget.pixels": pixels}
    folder = fake(tmp_path / "runs", "exp", strategy, 0, scores, planned=6, step=step, **changes)
    change(folder, pool=None if total is None else {"images": 300, "pixels": total, "clicks": None})
    other = fake(tmp_path / "runs", "exp", "other", 0, [0.5] * 6, planned=6)
    assert find_runs([other])[0].complete
    run = next(run for run in find_runs([tmp_path / "runs"]) if run.strategy == strategy)
    assert (run.complete, run.planned) == (complete, 1 if strategy == "full" else 6)
    group = one(tmp_path / "runs")
    words = " ".join([*notes(group), Page(settings(group)).words])
    said = f"exp/{strategy}/seed-0 ({rows} of {'at most ' if pixels else ''}{run.planned} stages)"
    assert (said in words) == ("Not finished" in words) == (not complete)
    assert ("until 30 % of the pool's pixels are labelled" in words) == (pixels == 0.3 and rows > 0)


def test_how_a_stage_trains_is_said(tmp_path):
    config = {
        "trainer.max_epochs": -1,
        "trainer.max_steps": 2000,
        "learner.patience": 10,
        "learner.committee.members": 4,
        "learner.committee.bootstrap": True,
        "learner.augment": "flips",
    }
    folder = fake(tmp_path / "runs", "exp", "core", 0, [0.5], **config)
    environment = json.loads((folder / "environment.json").read_text())
    environment["cost"] = {"clicks": "contours", "terms": "sum", "pool": None}
    (folder / "environment.json").write_text(json.dumps(environment))
    words = report(find_runs([tmp_path / "runs"]), tmp_path).words
    assert "2000 steps, less after 10 epochs" in words
    assert "4 learners on bootstraps, with random flips" in words
    assert "and its components" in words


def test_all_labels_alone_is_one_finished_stage(tmp_path):
    fake(tmp_path / "runs", "exp", "full", 0, [0.8], step=300, planned=6)
    words = report(find_runs([tmp_path / "runs"]), tmp_path).words
    assert "all images at once" in words
    assert "6 stages" not in words
    assert "Nothing picked for seed 0." in words


def test_seeds_that_a_budget_of_pixels_ends_at_different_stages_all_count(tmp_path):
    for seed, stages in ((0, 4), (1, 3)):
        folder = fake(
            tmp_path, "exp", "core", seed, [0.5, 0.7, 0.8, 0.9][:stages], planned=6, **{"budget.pixels": 0.25}
        )

        def edit(row, factor=1 + seed):
            row["cost"]["pixels"] *= factor

        change(folder, edit, {"images": 300, "pixels": POOL, "clicks": None})
        fake(tmp_path, "exp", "full", seed, [0.8], step=300, planned=6)
    group = one(tmp_path)
    assert all(run.complete for run in group.runs)
    assert any("end at different stages" in line for line in notes(group))
    assert common_range(group.curves) == (30.0, 90.0)
    # 0.76 lies at .6 of the way from 60 to 90, which both seeds cover.
    area = np.trapezoid([50, 70, 80], dx=0.5)
    assert budget_rows(group)[1] == [("core", [f"{area:.1f} ± 0.0", "78 (26 % of the pool)", "2"])]


def clicks(folder, counts):
    counted = iter(counts)

    def edit(row):
        row["cost"]["clicks"] = next(counted)

    change(folder, edit, {"images": 300, "pixels": POOL, "clicks": 50_000})


def test_label_efficiency_says_how_to_get_what_is_missing(tmp_path):
    fake(tmp_path / "plain", "exp", "core", 0, [0.6, 0.7])
    _, _, caption = budget_rows(one(tmp_path / "plain"))
    assert "Labels for 95 % of full are missing" in caption
    assert "al-lightning run X.yaml strategy.name=full" in caption
    assert "budget.initial" not in caption
    clicks(fake(tmp_path / "regions", "exp", "cereals", 0, [0.6, 0.7]), [5000, 9000])
    clicks(fake(tmp_path / "regions", "exp", "region-random", 0, [0.6, 0.7]), [5000, 8000])
    head, _, caption = budget_rows(one(tmp_path / "regions"))
    assert "Labels, clicks and pixels for 95 % of full are missing" in caption
    assert not any("95 %" in cell for cell in head)
    # Full supervision of a seed that no curve has leaves nothing to compare with, which is not "not reached".
    fake(tmp_path / "regions", "exp", "full", 7, [0.8], step=300)
    head, rows, caption = budget_rows(one(tmp_path / "regions"))
    assert head[2:5] == ["Labels for 95 % of full", "Clicks for 95 %", "Pixels for 95 %"]
    assert all(cells[1:4] == ["–"] * 3 for _, cells in rows)
    assert "no seed of the strategy has both" in caption


def test_object_metrics_have_names_units_and_directions(tmp_path):
    rng = np.random.default_rng(1)
    scores = glas_scores([rng.random((20, 20)) > 0.7], [rng.integers(0, 3, (20, 20))])
    assert len(scores) == 7
    assert metric_of("object_f1_B").name == "Object F1, part B"
    for key in [*scores, *(f"{name}_A" for name in scores)]:
        metric = metric_of(key)
        assert metric.meaning.endswith(".")
        assert metric.name != key.replace("_", " ")
        assert metric.higher_is_better == ("hausdorff" not in key)
        assert metric.folded == ("image" in key or "undefined" in key)
        assert metric.unit == ("images" if "undefined" in key else "%" if metric.higher_is_better else "pixels")
    for strategy, far in (("core", 44.736), ("random", 45.418)):
        folder = fake(tmp_path / "runs", "exp", strategy, 0, [0.6], **{"dataset.options.part": "A"})

        def edit(row, far=far):
            row["test"] |= scores | {"object_hausdorff": far, "object_f1": 0.921}

        change(folder, edit)
    page = report(find_runs([tmp_path / "runs"]), tmp_path)
    table = next(t for t in page.tables if t[0][0].startswith("Object Hausdorff (pixels)"))
    assert [row[1] for row in table[1:]] == ["44.7", "45.4"]
    assert "weighted by area over the test set. Lower is better." in page.words
    assert re.search("<b>44.7</b>", (tmp_path / "out/report.html").read_text())
    assert next(t for t in page.tables if t[0][0].startswith("Object F1 (%)"))[1][1] == "92.1"
    assert "Test partA" in page.words
