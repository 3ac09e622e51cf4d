"""The tables of a report as text, for the terminal and for HTML alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from al_lightning.report.compare import Group, groups
from al_lightning.report.quantities import Metric
from al_lightning.report.runs import Run
from al_lightning.report.statistics import Setting, checkpoints, paired_difference, penalty_matrix

Row = tuple[str, list[str]]
"""A label and its cells."""
TextTable = tuple[list[str], list[Row], str]
"""Headings (the first over the labels), rows, caption."""


@dataclass(frozen=True)
class Cell:
    """Mean over seeds at one number of labelled images."""

    mean: str
    sd: str
    """"" below two seeds."""
    few: str
    """"2 of 3 seeds" where seeds are missing, else ""."""
    best: bool


def stage_cells(group: Group, metric: Metric) -> dict[str, list[Cell]]:
    """label -> a cell for each of `group.columns`; "–" as the mean where a strategy has no such stage."""
    summaries = group.summaries(metric)
    means = np.stack([summary.mean for summary in summaries.values()])
    sizes = {curve.label: len(curve.runs) for curve in group.curves}
    cells: dict[str, list[Cell]] = {label: [] for label in summaries}
    for c in range(len(group.columns)):
        column = means[:, c][np.isfinite(means[:, c])]
        # As shown: two figures that look equal are both best, and where all look equal none is.
        best = ""
        if len({metric.text(value) for value in column}) > 1 and metric.higher_is_better is not None:
            best = metric.text(column.max() if metric.higher_is_better else column.min())
        for label, summary in summaries.items():
            n, mean = int(summary.count[c]), float(summary.mean[c])
            cells[label].append(
                Cell(
                    mean=metric.text(mean),
                    sd=metric.text(summary.sd[c]) if n > 1 else "",
                    few=f"{n} of {sizes[label]} seeds" if 0 < n < sizes[label] else "",
                    best=metric.text(mean) == best,
                )
            )
    return cells


def print_table(runs: Sequence[Run], console: Console) -> None:
    """The primary metric of every strategy at every number of labelled images, in as many tables as the width asks.

    Raises:
        ValueError: no run has a finished stage, or a run holds neither mIoU nor RMSE.
    """
    for g, group in enumerate(groups(runs)):
        if g:
            console.print()
        metric, cells = group.primary, stage_cells(group, group.primary)
        few = any(cell.few for row in cells.values() for cell in row)
        spread = "mean ± sd over seeds" if any(cell.sd for row in cells.values() for cell in row) else "one seed"
        caption = f"{metric.label} on the test set by number of labelled images, {spread}"
        caption += "" if metric.higher_is_better else "; lower is better"
        caption += "; (n): only n seeds have this stage" if few else ""
        texts = {
            label: [
                cell.mean + (f" ± {cell.sd}" if cell.sd else "") + (f" ({cell.few.split()[0]})" if cell.few else "")
                for cell in row
            ]
            for label, row in cells.items()
        }
        left = max(len("strategy"), *map(len, texts)) + len("seeds") + 4
        widths = [2 + max(len(str(n)), *(len(row[k]) for row in texts.values())) for k, n in enumerate(group.columns)]
        console.print(Text(group.title, style="bold"))
        start = 0
        while start < len(widths):
            end = start + 1
            while end < len(widths) and left + sum(widths[start : end + 1]) <= console.width:
                end += 1
            table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
            table.add_column("strategy", no_wrap=True)
            table.add_column("seeds", justify="right", no_wrap=True)
            for count in group.columns[start:end]:
                table.add_column(str(count), justify="right", no_wrap=True)
            for curve in group.curves:
                row = [
                    Text(texts[curve.label][k], style="bold" if cells[curve.label][k].best else "")
                    for k in range(start, end)
                ]
                table.add_row(Text(curve.label), Text(str(len(curve.runs))), *row)
            console.print(table)
            start = end
        console.print(Text(caption, style="dim"))


def difference_rows(group: Group) -> TextTable | None:
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
    return ["Strategy", *map(str, group.columns)], rows, caption


def penalties(settings: Sequence[Setting], names: Sequence[str]) -> TextTable:
    """Pairwise penalty matrix with wins and losses."""
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
        f"{(n := len(checkpoints(setting)))} stage{'' if n == 1 else 's'} "
        + ("in all" if setting.baseline is None else f"until {setting.baseline} has 99 % of its end")
        for setting in settings
    )
    caption = (
        "Pairwise penalty matrix (Ash et al., 2020): the share of checkpoints at which the row beats the column, by a "
        "two-sided paired t-test over up to five seeds (p < 0.05). More wins and fewer losses are better. "
        f"Checkpoints: {used}."
    )
    if len(settings) > 1:
        caption += f" Summed over {len(settings)} settings, so an entry is at most {len(settings)}."
        caption += " –: in no setting together." if any("–" in cells for _, cells in rows) else ""
    return ["Beats", *names, "Wins (row sum)"], rows, caption


def duration(seconds: float) -> str:
    """`0.25 s`, `48 s`, `3 min 20 s`, `2 h 5 min`."""
    if not np.isfinite(seconds):
        return "–"
    if seconds < 1:
        return f"{seconds:.2f}\u00a0s"
    if seconds < 10:
        return f"{seconds:.1f}\u00a0s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}\u00a0s"
    if whole < 3600:
        return f"{whole // 60}\u00a0min\u00a0{whole % 60}\u00a0s"
    return f"{whole // 3600}\u00a0h\u00a0{whole % 3600 // 60}\u00a0min"


def seconds_rows(group: Group) -> TextTable | None:
    """Mean seconds of a stage by step; None where no run recorded them."""
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
    return ["Strategy", "Fit", "Test", "Score the pool", "Select", "A run"], rows, caption
