"""Budgets in images, pixels and clicks in a report, checked against loops over the rows that were written."""

import re

import numpy as np
from report_pages import report
from report_runs import KNOWN_POOL, POOL, count, edit, environment, fake, know_pool, one_group

from al_lightning.metrics.objects import glas_scores
from al_lightning.report import find_runs
from al_lightning.report.budgets import budget_table, fraction_table
from al_lightning.report.compare import common_range
from al_lightning.report.facts import notes
from al_lightning.report.metrics import metric_of


def test_fractions_of_the_pixels_agree_with_a_loop_over_the_rows(tmp_path):
    rng = np.random.default_rng(0)
    scores, pixels = {}, {}
    for strategy in ("core", "random"):
        for seed in (0, 1, 2):
            stages = 6 if strategy == "core" else 3
            key = strategy, seed
            scores[key], pixels[key] = rng.uniform(0.5, 0.9, stages), rng.integers(1e7, 3.5e7, stages).cumsum()
            folder = fake(tmp_path / "runs", "exp", *key, scores[key].tolist())
            count(folder, "pixels", pixels[key].tolist())
            know_pool(folder)
    head, rows, caption = fraction_table(one_group(tmp_path / "runs"))
    assert head[0] == "Strategy"
    found = {}
    for fraction in (0.1, 0.3, 0.5):
        for strategy in ("core", "random"):
            at = []
            for seed in (0, 1, 2):
                for value, revealed in zip(scores[strategy, seed], pixels[strategy, seed], strict=True):
                    if revealed / POOL >= fraction:
                        at.append((100 * value, 100 * revealed / POOL))
                        break
            if not at:
                continue
            mean, place = np.mean(at, axis=0)
            spread = f" ± {np.std([v for v, _ in at], ddof=1):.1f}" if len(at) > 1 else ""
            few = f"; {len(at)} of 3 seeds" if len(at) < 3 else ""
            found[strategy, f"{100 * fraction:.0f} %"] = f"{mean:.1f}{spread} (at {place:.1f} %{few})"
    assert head[1:] == [name for name in ("10 %", "30 %", "50 %") if any(column == name for _, column in found)]
    for label, cells in rows:
        for column, cell in zip(head[1:], cells, strict=True):
            assert cell == found.get((label, column), "not reached")
    text = " ".join(cell for _, cells in rows for cell in cells)
    assert "not reached" in text  # the made-up pools have every case
    assert "of 3 seeds" in text
    assert "overshoot" in caption
    page = report(find_runs([tmp_path / "runs"]), tmp_path)
    assert "At fractions of the pool's pixels" in page.words
    assert [*next(t for t in page.tables if t[0] == head)[1]] == ["core", *rows[0][1]]


def test_a_fraction_that_is_met_exactly_is_met(tmp_path):
    # At 30, 60 and 90 of 300 equal images.
    folder = fake(tmp_path, "exp", "core", 0, [0.5, 0.6, 0.7], **{"budget.pixels": 0.9})
    know_pool(folder)
    head, rows, _ = fraction_table(one_group(tmp_path))
    assert head == ["Strategy", "10 %", "30 %"]
    assert rows == [("core", ["50.0 (at 10.0 %)", "70.0 (at 30.0 %)"])]


def test_of_equal_images_fractions_of_the_pixels_say_nothing_new(tmp_path):
    know_pool(fake(tmp_path, "exp", "core", 0, [0.5, 0.6, 0.7]))
    assert fraction_table(one_group(tmp_path)) is None
    larger = fake(tmp_path, "exp", "random", 0, [0.5, 0.6, 0.7])
    count(larger, "pixels", [36e6, 72e6, 108e6])
    know_pool(larger)
    assert fraction_table(one_group(tmp_path)) is not None


def test_no_fractions_without_the_pool_or_before_the_first_is_reached(tmp_path):
    fake(tmp_path / "old", "exp", "core", 0, [0.5, 0.6])
    assert fraction_table(one_group(tmp_path / "old")) is None
    know_pool(fake(tmp_path / "null", "exp", "core", 0, [0.5, 0.6]), None)
    assert fraction_table(one_group(tmp_path / "null")) is None
    assert "fractions of the pool" not in report(find_runs([tmp_path / "null"]), tmp_path).words
    small = fake(tmp_path / "small", "exp", "core", 0, [0.5, 0.6], step=10)
    know_pool(small)
    assert fraction_table(one_group(tmp_path / "small")) is None
    stop = {"budget.pixels": 0.9}
    depth = fake(tmp_path / "depth", "exp", "core", 0, [0.5], task="depth", **stop)
    know_pool(depth)
    _, rows, caption = fraction_table(one_group(tmp_path / "depth"))
    assert (rows[0][1], caption.endswith("Lower is better.")) == (["0.500 (at 10.0 %)"], True)
    # A stage with all labels tells the pool's pixels too, whether it is the first of a run or the last.
    fake(tmp_path / "old", "exp", "everything", 0, [0.8], step=300, planned=6, **stop)
    head, rows, caption = fraction_table(one_group(tmp_path / "old"))
    assert (head[1:], rows[0][1]) == (["10 %"], ["50.0 (at 10.0 %)"])
    assert caption.endswith("With all labels: 80.0.")
    fake(tmp_path / "end", "exp", "core", 0, [0.5, 0.6], step=150, **stop)
    assert fraction_table(one_group(tmp_path / "end"))[0][1:] == ["10 %", "30 %", "50 %"]


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
    environment(folder, cost={"clicks": "contours", "terms": "sum", "pool": None})
    words = report(find_runs([tmp_path / "runs"]), tmp_path).words
    assert "2000 steps, less after 10 epochs" in words
    assert "4 learners on bootstraps, with random flips" in words
    assert "and its components" in words


def test_seeds_that_a_budget_of_pixels_ends_at_different_stages_all_count(tmp_path):
    for seed, stages in ((0, 4), (1, 3)):
        folder = fake(
            tmp_path, "exp", "core", seed, [0.5, 0.7, 0.8, 0.9][:stages], planned=6, **{"budget.pixels": 0.25}
        )
        count(folder, "pixels", [(1 + seed) * 30e6 * (k + 1) for k in range(stages)])
        know_pool(folder)
        fake(tmp_path, "exp", "everything", seed, [0.8], step=300, planned=6)
    group = one_group(tmp_path)
    assert all(run.complete for run in group.runs)
    assert any("end at different stages" in line for line in notes(group))
    assert common_range(group.curves) == (30.0, 90.0)
    # 0.76 lies at .6 of the way from 60 to 90, which both seeds cover.
    area = np.trapezoid([50, 70, 80], dx=0.5)
    assert budget_table(group)[1] == [("core", [f"{area:.1f} ± 0.0", "78 (26 % of the pool)", "2"])]


def test_label_efficiency_is_read_off_against_the_full_data_run(tmp_path):
    for seed in (0, 1):
        fake(tmp_path, "exp", "core", seed, [0.6, 0.7, 0.8])
        fake(tmp_path, "exp", "random", seed, [0.6, 0.65, 0.7])
        fake(tmp_path, "all", "random", seed, [0.8], step=300)
    # A seed that was stopped early counts neither in the curve nor in what it is measured against.
    fake(tmp_path, "exp", "core", 2, [0.3], planned=3)
    fake(tmp_path, "all", "random", 2, [0.8], step=300)
    group = one_group(tmp_path)
    assert [c.label for c in group.curves] == ["core", "random"]
    assert [run.experiment for run in group.fully_labelled] == ["all"] * 3
    _, rows, caption = budget_table(group)
    assert [cells[1] for _, cells in rows] == ["78 (26 % of the pool)", "not reached"]  # .76 lies at 60 + 30 · .6
    assert "80.0 %" in caption


def test_label_efficiency_says_how_to_get_what_is_missing(tmp_path):
    fake(tmp_path / "plain", "exp", "core", 0, [0.6, 0.7])
    _, _, caption = budget_table(one_group(tmp_path / "plain"))
    assert "Labels for 95 % of full are missing" in caption
    assert "Run this experiment with the same seeds and strategy.name=full" in caption
    for strategy, clicks in (("cereals", [5000, 9000]), ("region-random", [5000, 8000])):
        folder = fake(tmp_path / "regions", "exp", strategy, 0, [0.6, 0.7])
        count(folder, "clicks", clicks)
        know_pool(folder, KNOWN_POOL | {"clicks": 50_000})
    head, _, caption = budget_table(one_group(tmp_path / "regions"))
    assert "Labels, clicks and pixels for 95 % of full are missing" in caption
    assert not any("95 %" in cell for cell in head)
    # All labels under a seed that no curve has leave nothing to compare with, which is not "not reached".
    fake(tmp_path / "regions", "exp", "everything", 7, [0.8], step=300)
    head, rows, caption = budget_table(one_group(tmp_path / "regions"))
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
        changed = scores | {"object_hausdorff": far, "object_f1": 0.921}
        edit(folder, lambda row, changed=changed: row["test"].update(changed))
    page = report(find_runs([tmp_path / "runs"]), tmp_path)
    table = next(t for t in page.tables if t[0][0].startswith("Object Hausdorff (pixels)"))
    assert [row[1] for row in table[1:]] == ["44.7", "45.4"]
    assert "weighted by area over the test set. Lower is better." in page.words
    assert re.search("<b>44.7</b>", (tmp_path / "out/report.html").read_text())
    assert next(t for t in page.tables if t[0][0].startswith("Object F1 (%)"))[1][1] == "92.1"
    assert "Test partA" in page.words
