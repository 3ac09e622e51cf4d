"""The tables of a report as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from al_lightning.report.group import Group
from al_lightning.report.metrics import Metric
from al_lightning.report.penalty import Setting, checkpoints, penalty_matrix
from al_lightning.report.statistics import paired_difference
from al_lightning.report.text import duration, plural


class TextTable(NamedTuple):
    """A table of texts."""

    head: list[str]
    """The first is over the labels."""
    rows: list[tuple[str, list[str]]]
    """A label and its cells each."""
    caption: str


@dataclass(frozen=True)
class StageCell:
    """Mean over seeds at one number of labelled images."""

    mean: str
    sd: str
    """"" below two seeds."""
    few: str
    """"2 of 3 seeds" where seeds are missing, else ""."""
    best: bool


def stage_cells(group: Group, metric: Metric) -> dict[str, list[StageCell]]:
    """label -> a cell for each of `group.columns`; "–" as the mean where a strategy has no such stage."""
    summaries = group.summaries(metric)
    means = np.stack([summary.mean for summary in summaries.values()])
    sizes = {curve.label: len(curve.runs) for curve in group.curves}
    cells: dict[str, list[StageCell]] = {label: [] for label in summaries}
    for c in range(len(group.columns)):
        column = means[:, c][np.isfinite(means[:, c])]
        # As shown: two numbers that look equal are both best, and where all look equal none is.
        best = ""
        if len({metric.text(value) for value in column}) > 1 and metric.higher_is_better is not None:
            best = metric.text(column.max() if metric.higher_is_better else column.min())
        for label, summary in summaries.items():
            n, mean = int(summary.count[c]), float(summary.mean[c])
            cells[label].append(
                StageCell(
                    mean=metric.text(mean),
                    sd=metric.text(summary.sd[c]) if n > 1 else "",
                    few=f"{n} of {plural(sizes[label], 'seed')}" if 0 < n < sizes[label] else "",
                    best=metric.text(mean) == best,
                )
            )
    return cells


def difference_table(group: Group) -> TextTable | None:
    """Paired differences to the baseline at every number of labelled images; None without it or without a pair."""
    metric, baseline, tables = group.primary, group.baseline, group.table(f"test.{group.primary.key}")
    if baseline is None or len(tables) < 2:
        return None
    unit = "points" if metric.unit == "%" else metric.unit
    rows = []
    pairs = 0
    for label, values in tables.items():
        if label == baseline:
            continue
        cells = []
        for c in range(len(group.columns)):
            d = paired_difference(values[:, c], tables[baseline][:, c])
            pairs = max(pairs, d.count)
            interval = f" [{metric.text(d.low, True)}, {metric.text(d.high, True)}]" if d.count > 1 else ""
            cells.append(metric.text(d.mean, True) + interval)
        rows.append((label, cells))
    if pairs == 0:
        return None
    better = "Above" if metric.higher_is_better else "Below"
    caption = (
        f"Difference of {metric.name} to {baseline} in {unit}, paired by seed at each number of labelled images, with "
        f"its 95 % t-interval where there are two seeds or more. {better} 0 is better than {baseline}; an interval "
        "that holds 0 is no evidence of a difference. Many intervals at once: about one in twenty misses by chance."
    )
    return TextTable(["Strategy", *map(str, group.columns)], rows, caption)


def penalty_table(settings: Sequence[Setting], names: Sequence[str]) -> TextTable:
    """Pairwise penalty matrix of strategies with wins and losses; "–" where two are in no setting together."""
    matrix = penalty_matrix(settings, names)

    def cell(i: int, j: int) -> str:
        if i == j:
            return ""
        met = any(names[i] in setting.values and names[j] in setting.values for setting in settings)
        return f"{matrix[i, j]:.2f}" if met else "–"

    rows = [
        (name, [*(cell(i, j) for j in range(len(names))), f"{matrix[i].sum():.2f}"]) for i, name in enumerate(names)
    ]
    rows.append(("Losses (column mean)", [*(f"{matrix[:, j].mean():.2f}" for j in range(len(names))), ""]))
    used = ", ".join(
        plural(len(checkpoints(setting)), "stage")
        + (" in all" if setting.baseline is None else f" until {setting.baseline} has 99 % of its final value")
        for setting in settings
    )
    caption = (
        "Pairwise penalty matrix (Ash et al., 2020): the fraction of checkpoints at which the row beats the column, by "
        "a two-sided paired t-test over up to five seeds (p < 0.05). More wins and fewer losses are better. "
        f"Checkpoints: {used}."
    )
    if len(settings) > 1:
        caption += f" Summed over {len(settings)} settings, so an entry is at most {len(settings)}."
        caption += " –: in no setting together." if any("–" in cells for _, cells in rows) else ""
    return TextTable(["Beats", *names, "Wins (row sum)"], rows, caption)


def seconds_table(group: Group) -> TextTable | None:
    """Mean duration of a stage by step; None where no run recorded them."""
    steps = ("fit", "test", "score", "select")
    rows = []
    for curve in group.curves:
        values = [curve.values(f"seconds.{step}") for step in steps]
        means = [float(np.mean(v[np.isfinite(v)])) if np.isfinite(v).any() else float("nan") for v in values]
        runs = [np.nansum(np.stack([v[s] for v in values])) for s in range(len(curve.runs))]
        rows.append((curve.label, [*map(duration, means), duration(float(np.mean(runs)))]))
    if all(cell == "–" for _, cells in rows for cell in cells[:-1]):
        return None
    caption = "Mean over stages and seeds; a run: the sum of its recorded steps, mean over seeds."
    return TextTable(["Strategy", "Fit", "Test", "Score the pool", "Select", "A run"], rows, caption)
