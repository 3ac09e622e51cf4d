"""Which runs are compared, with which baseline, over which range and against which costs."""

import pytest
from report_pages import Page, content, report, svg_points
from report_runs import as_regions, count, fake, know_pool, one_group

from al_lightning.report import find_runs
from al_lightning.report.axes import cost_terms
from al_lightning.report.budgets import budget_table
from al_lightning.report.compare import common_range, differing, extra_axes
from al_lightning.report.figures import BASELINE
from al_lightning.report.grouping import groups
from al_lightning.report.tables import difference_table, penalty_table


def test_runs_are_compared_only_where_they_may_be(tmp_path):
    fake(tmp_path, "one", "core", 0, [0.5, 0.6])
    fake(tmp_path, "two", "core", 0, [0.5, 0.6], **{"trainer.max_epochs": 9})
    fake(tmp_path, "two", "random", 0, [0.5, 0.6])
    fake(tmp_path, "three", "core", 0, [0.5, 0.6], **{"dataset.name": "glands"})
    fake(tmp_path, "four", "core", 0, [0.5, 0.6], **{"learner.name": "other"})
    found = {(g.dataset, g.learner): g for g in groups(find_runs([tmp_path]))}
    assert set(found) == {("polyps", "unet (resnet18)"), ("glands", "unet (resnet18)"), ("polyps", "other (resnet18)")}
    group = found["polyps", "unet (resnet18)"]
    assert [c.label for c in group.curves] == ["one / core", "two / core", "random"]
    assert differing(group) == {"trainer.max_epochs": {"5": ["one / core", "random"], "9": ["two / core"]}}
    page = report(find_runs([tmp_path]), tmp_path)
    assert "trainer.max_epochs differs: 5 (one / core, random); 9 (two / core)." in page.words
    assert page.tags.count("h2") == 3 + 1 + 1  # a group each, all together, versions


def test_common_range_is_what_all_strategies_cover(tmp_path):
    fake(tmp_path, "exp", "a", 0, [0.1] * 5)
    fake(tmp_path, "exp", "b", 0, [0.1] * 3, step=40)
    fake(tmp_path, "exp", "just-begun", 0, [0.1], step=250, planned=3)
    assert common_range(one_group(tmp_path).curves) == (40.0, 120.0)


def first_figure(page: Page) -> str:
    return content(page.pictures[0]).decode()


@pytest.mark.parametrize(
    ("strategies", "baseline"),
    [
        (["cereals", "region-random", "ta-coreset"], "region-random"),
        (["cereals", "random", "region-random", "zzz"], "random"),
        (["cereals", "full-size"], None),
        (["cereals", "random,crop=8", "random,crop=16"], "random,crop=8"),
        (["random,crop=8", "random"], "random"),
        (["cereals", "random,crop=8", "region-random"], "region-random"),
        (["cereals,random=1", "randomized"], None),
    ],
)
def test_the_baseline_is_the_first_that_is_there_and_is_named_everywhere(tmp_path, strategies, baseline):
    for s, strategy in enumerate(strategies):
        for seed in (0, 1):
            lift = 0.0 if "random" in strategy else 0.04 + 0.01 * seed
            fake(tmp_path / "runs", "exp", strategy, seed, [0.5 + s / 1000, 0.6 + lift, 0.7 + lift])
    group = one_group(tmp_path / "runs")
    assert group.baseline == group.setting().baseline == baseline
    page = report(find_runs([tmp_path / "runs"]), tmp_path)
    if baseline is None:
        assert difference_table(group) is None
        assert "Against" not in page.words
        assert "Checkpoints: 3 stages in all." in page.words
        with pytest.raises(AssertionError, match="no line in"):
            svg_points(first_figure(page), BASELINE)
        return
    others = [curve.label for curve in group.curves if curve.label != baseline]
    _, rows, caption = difference_table(group)
    assert [label for label, _ in rows] == others
    assert f"is better than {baseline};" in caption
    assert f"Against {baseline}" in page.words
    if "cereals" in strategies:
        assert f"minus {baseline} is +4." in page.words
    assert f"until {baseline} has 99 % of its final value" in page.words
    assert svg_points(first_figure(page), BASELINE).shape == (3, 2)


def test_variants_stand_together_in_the_order_of_their_values_and_baselines_last(tmp_path):
    for strategy in (
        "random,crop=8",
        "random",
        "core,k=10",
        "core-b",
        "core,k=2",
        "core,k=auto",
        "core",
        "region-random",
    ):
        fake(tmp_path, "exp", strategy, 0, [0.5, 0.6])
    labels = [curve.label for curve in one_group(tmp_path).curves]
    assert labels[:5] == ["core", "core,k=2", "core,k=10", "core,k=auto", "core-b"]
    assert labels[5:] == ["region-random", "random,crop=8", "random"]
    page = report(find_runs([tmp_path]), tmp_path)
    assert [row[0] for row in page.tables[0][1:]] == labels
    assert "core,k=10 (seeds 0)" in page.words


def test_a_baseline_of_two_experiments_is_none(tmp_path):
    for experiment in ("one", "two"):
        fake(tmp_path, experiment, "random", 0, [0.5, 0.6])
    fake(tmp_path, "two", "core", 0, [0.5, 0.6])
    group = one_group(tmp_path)
    assert [curve.label for curve in group.curves] == ["core", "one / random", "two / random"]
    assert group.baseline is None


def test_settings_with_different_baselines_each_stop_at_their_own(tmp_path):
    for seed in (0, 1):
        fake(tmp_path, "images", "random", seed, [0.5, 0.7, 0.7], **{"dataset.name": "a"})
        fake(tmp_path, "regions", "region-random", seed, [0.5, 0.6, 0.7, 0.7], **{"dataset.name": "b"})
        for name, stages in (("a", 3), ("b", 4)):
            fake(tmp_path, f"core-{name}", "core", seed, [0.5, 0.65, 0.7, 0.72][:stages], **{"dataset.name": name})
    found = groups(find_runs([tmp_path]))
    _, rows, caption = penalty_table([group.setting() for group in found], ["core", "random", "region-random"])
    assert (
        "1 stage until random has 99 % of its final value, 2 stages until region-random has 99 % of its final value."
        in caption
    )
    assert [cells[:3].index("–") for label, cells in rows if label.endswith("random")] == [2, 1]
    assert caption.endswith("–: in no setting together.")


def test_a_cost_term_that_no_table_knows_is_drawn_and_counted_by_its_plain_name(tmp_path):
    for strategy, minutes in (("core", [10, 20, 40]), ("random", [10, 30, 50])):
        count(fake(tmp_path / "runs", "exp", strategy, 0, [0.6, 0.7, 0.8]), "review_minutes", minutes)
    everything = fake(tmp_path / "runs", "all", "core", 0, [0.8], step=300)
    group = one_group(tmp_path / "runs")
    assert cost_terms(group.runs) == ["pixels", "review_minutes"]
    assert extra_axes(group) == ["cost.review_minutes"]
    # No run says what the pool costs in minutes: an axis in minutes, and no column in per cent of the pool.
    page = report(find_runs([tmp_path / "runs"]), tmp_path)
    assert any(p["alt"].startswith("mIoU (%) against review minutes: core") for p in page.pictures)
    assert budget_table(group).head[2:-1] == ["Labels for 95 % of full", "Pixels for 95 %"]
    count(everything, "review_minutes", [200])
    page = report(find_runs([tmp_path / "runs"]), tmp_path)
    assert any("against review minutes (% of the pool): core" in p["alt"] for p in page.pictures)
    head, rows, caption = budget_table(one_group(tmp_path / "runs"))
    assert head[3:5] == ["Review minutes for 95 %", "Pixels for 95 %"]
    assert rows[0][1][2] == "16.0 % of the pool"  # .76 lies at .6 of the way from 20 to 40 of 200 minutes
    assert "Review minutes and pixels: the same, by that cost." in caption


def test_regions_draw_every_term_that_has_a_number(tmp_path):
    folder = fake(tmp_path, "exp", "core", 0, [0.6, 0.7])
    as_regions(folder, [None, None])
    assert extra_axes(one_group(tmp_path)) == ["cost.pixels"]
    count(folder, "clicks", [10, 20])
    assert extra_axes(one_group(tmp_path)) == ["cost.pixels", "cost.clicks"]
    know_pool(folder, None)
    (pixels, clicks) = report(find_runs([tmp_path]), tmp_path).pictures[1:3]
    assert pixels["alt"].startswith("mIoU (%) against labelled pixels (millions): core")
    assert clicks["alt"].startswith("mIoU (%) against clicks (thousands): core")
