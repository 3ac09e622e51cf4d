"""Runs to the plain data of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from al_lightning.report import facts
from al_lightning.report.axes import LABELLED, Axis, axis_of
from al_lightning.report.budgets import budget_table, fraction_table
from al_lightning.report.compare import extra_axes
from al_lightning.report.figures import Line, Style, draw, styles
from al_lightning.report.gallery import Images, gallery
from al_lightning.report.group import Group
from al_lightning.report.grouping import groups
from al_lightning.report.metrics import Metric
from al_lightning.report.more_labels import more_labels
from al_lightning.report.pictures import data_uri
from al_lightning.report.runs import Run
from al_lightning.report.statistics import paired_difference, summarise
from al_lightning.report.tables import TextTable, difference_table, penalty_table, seconds_table, stage_cells
from al_lightning.report.text import plural
from al_lightning.report.views import Cell, Figure, Headline, OtherMetrics, Page, Row, Section, Table

Look = Mapping[str, Style]
"""label -> style, in the order of the tables."""


def page_of(runs: Sequence[Run], images: Images | None = None) -> Page:
    """All that a report of `runs` shows.

    Args:
        images: as of `write_report`.

    Raises:
        ValueError: no run has a finished stage, or a run holds neither mIoU nor RMSE.
    """
    found = groups(runs)
    names = list(dict.fromkeys(curve.label for group in found for curve in group.curves))
    several = len(found) > 1 and len(names) > 1
    return Page(
        title=f"Active learning on {', '.join(dict.fromkeys(group.dataset for group in found))}",
        experiments=list(dict.fromkeys(run.experiment for run in runs)),
        sections=[_section(group, images) for group in found],
        together=_table(penalty_table([group.setting() for group in found], names), {}) if several else None,
        versions=facts.versions(runs),
        runs=[run.name for run in runs],
    )


def _section(group: Group, images: Images | None) -> Section:
    labels = [curve.label for curve in group.curves]
    look = styles(labels, group.baseline)
    metric = group.primary
    seeds = [run.seed for curve in group.curves for run in curve.runs]
    most_common = max(group.seeds, key=seeds.count)
    fractions, differences, seconds = fraction_table(group), difference_table(group), seconds_table(group)
    compared = len(labels) > 1 and len(group.seeds) > 1
    return Section(
        title=group.title,
        headline=headline(group),
        warnings=facts.warnings(group),
        settings=facts.settings(group),
        notes=facts.notes(group),
        metric=metric.name,
        baseline=group.baseline,
        curve=_figure(group, metric, look),
        by_stage=_by_stage(group, metric, look),
        budget=_table(budget_table(group), look),
        fractions=_table(fractions, look) if fractions else None,
        more_labels=more_labels(group, look),
        differences=_table(differences, look) if differences else None,
        penalties=_table(penalty_table([group.setting()], labels), look) if compared else None,
        costs=[_figure(group, metric, look, axis_of(key), small=True) for key in extra_axes(group)],
        others=_others(group, look) if group.others else None,
        gallery=gallery(group.curves, most_common, images),
        seconds=_table(seconds, look) if seconds else None,
    )


def headline(group: Group) -> Headline:
    """The result at the largest budget that every run has reached (or else every strategy), in a sentence."""
    metric, summaries = group.primary, group.summaries(group.primary)
    common = [c for c in range(len(group.columns)) if all(np.isfinite(s.mean[c]) for s in summaries.values())]
    if not common:
        return Headline("The strategies have no number of labelled images in common yet.")
    whole = [c for c in common if all(s.count[c] == max(s.count) for s in summaries.values())]
    c = (whole or common)[-1]
    sign = 1 if metric.higher_is_better else -1
    order = sorted(summaries, key=lambda label: -sign * float(summaries[label].mean[c]))

    def said(label: str) -> str:
        summary = summaries[label]
        spread = f"\u00a0±\u00a0{metric.text(summary.sd[c])}" if summary.count[c] > 1 else ""
        return f"{label} {metric.text(summary.mean[c])}{spread}\u00a0{metric.unit}"

    order_said = "" if len(order) == 1 else ", lowest first" if sign < 0 else ", highest first"
    before = f"{metric.name} on the test set at {plural(group.columns[c], 'labelled image')}{order_said}: "
    after = "".join(f"; {said(label)}" for label in order[1:]) + "."
    tables = group.table(f"test.{metric.key}")
    if group.baseline is not None and order[0] != group.baseline:
        d = paired_difference(tables[order[0]][:, c], tables[group.baseline][:, c])
        if d.count > 1:
            unit = "points" if metric.unit == "%" else metric.unit
            after += (
                f" Paired by seed, {order[0]} minus {group.baseline} is {metric.text(d.mean, True)} {unit} "
                f"(95 % interval {metric.text(d.low, True)} to {metric.text(d.high, True)}, {d.count} seeds)."
            )
    return Headline(before, said(order[0]), after)


def _figure(group: Group, metric: Metric, look: Look, axis: Axis = LABELLED, small: bool = False) -> Figure:
    """A metric against an axis; a cost in per cent of the pool's where that is known."""
    scale = 100.0 if metric.unit == "%" else 1.0
    if axis.key.startswith("cost.") and (total := group.total(axis.key.removeprefix("cost."))):
        axis = axis.of_pool(total)
    lines = []
    for curve in group.curves:
        summary = summarise(curve.values(f"test.{metric.key}"))
        # The t-interval of two seeds is ten times as wide as their spread and would cover the figure; the tables
        # against the baseline hold intervals.
        band = (summary.mean - summary.sd, summary.mean + summary.sd)
        arrays = (curve.mean(axis.key) * axis.factor, summary.mean * scale, band[0] * scale, band[1] * scale)
        lines.append(Line(curve.label, look[curve.label], *arrays))
    full = group.full_value(metric)
    reference = ("all labels", scale * float(np.mean(list(full.values())))) if full else None
    svg = draw(lines, axis.label, metric.label, reference, (4.4, 3.2) if small else (5.0, 3.5), axis.whole)
    bands = "Lines: mean over seeds. Bands: one sample standard deviation to each side."
    if not any(np.isfinite(line.low).any() for line in lines):
        bands = "Lines: the one seed; no spread can be given."
    return Figure(
        source=data_uri(svg.encode(), "image/svg+xml"),
        alt=f"{metric.label} against {axis.label.lower()}: {', '.join(look)}; the tables hold the figures",
        caption="" if small else f"{bands}{'' if metric.higher_is_better else ' Lower is better.'}",
    )


def _by_stage(group: Group, metric: Metric, look: Look) -> Table:
    """Means over seeds by number of labelled images."""
    cells = stage_cells(group, metric)
    fractions = summarise(np.stack([summarise(values).mean for values in group.table("fraction").values()])).mean
    head = [Cell(metric.label, below="labelled images")] + [
        Cell(str(count), below=f"{100 * fraction:.3g} %" if np.isfinite(fraction) else "")
        for count, fraction in zip(group.columns, fractions, strict=True)
    ]
    rows = [
        Row(
            label,
            look[label].colour,
            [Cell(cell.mean, f"± {cell.sd}" if cell.sd else "", cell.few, cell.best) for cell in row],
        )
        for label, row in cells.items()
    ]
    every = [cell for row in cells.values() for cell in row]
    text = (
        "Mean ± standard deviation over seeds."
        if any(cell.sd for cell in every)
        else "One seed, so no standard deviation."
    )
    if any(cell.best for cell in every):
        text += " Bold: the best mean of a column, which alone does not say that the difference is more than chance."
    better = "Lower is better." if metric.higher_is_better is False else ""
    return Table(head, rows, " ".join(filter(None, (text, metric.meaning, better))))


def _others(group: Group, look: Look) -> OtherMetrics:
    shown = [metric for metric in group.others if not metric.folded]
    folded = [metric for metric in group.others if metric.folded]
    return OtherMetrics(
        figures=[_figure(group, metric, look, small=True) for metric in shown],
        tables=[_by_stage(group, metric, look) for metric in shown],
        folded_names=[metric.name for metric in folded],
        folded_tables=[_by_stage(group, metric, look) for metric in folded],
    )


def _table(table: TextTable, look: Look) -> Table:
    """Labels with the colours of their curves, and texts as cells."""
    rows = [
        Row(label, look[label].colour if label in look else "", [_cell(text) for text in cells])
        for label, cells in table.rows
    ]
    return Table([Cell(text) for text in table.head], rows, table.caption)


def _cell(text: str) -> Cell:
    """The number in full, its spread smaller beside it, its interval smaller below it."""
    for mark in (" ±", " ("):
        number, found, rest = text.partition(mark)
        if found:
            return Cell(number, beside=mark.strip() + rest)
    number, found, rest = text.partition(" [")
    return Cell(number, below=f"[{rest}" if found else "")
