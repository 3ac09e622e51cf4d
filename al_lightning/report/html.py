"""Runs to one HTML file that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from al_lightning.report import facts
from al_lightning.report.budgets import budget_rows, share_rows
from al_lightning.report.compare import Group, extra_axes, groups
from al_lightning.report.curves import Line, Style, draw, styles
from al_lightning.report.gallery import Images, gallery
from al_lightning.report.page import figure, note, page, table
from al_lightning.report.quantities import AXES, Metric
from al_lightning.report.runs import Run
from al_lightning.report.statistics import paired_difference, summarise
from al_lightning.report.tables import Row, difference_rows, penalties, seconds_rows, stage_cells


def write_report(runs: Sequence[Run], path: str | Path, images: Images | None = None) -> Path:
    """Write the report of `runs` (`find_runs`) and return its path.

    Args:
        path: the file to write; folders above it are made.
        images: gives the pictures of some ids of a run, for the gallery of picks; None shows ids.

    Raises:
        ValueError: no run has a finished stage, or a run holds neither mIoU nor RMSE.
    """
    found = groups(runs)
    datasets = list(dict.fromkeys(group.dataset for group in found))
    title = f"Active learning on {', '.join(datasets)}"
    experiments = list(dict.fromkeys(run.experiment for run in runs))
    word = "Experiment" if len(experiments) == 1 else "Experiments"
    parts = [f"<h1>{escape(title)}</h1>", f'<p class="quiet">{word}: {escape(", ".join(experiments))}</p>']
    for group in found:
        parts.append(f"<h2>{escape(group.title)}</h2>")
        parts.append(_section(group, images))
    if len(found) > 1:
        parts.append(_across(found))
    parts.append(facts.versions(runs))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(title, "\n".join(parts)), encoding="utf-8")
    return path


def _section(group: Group, images: Images | None) -> str:
    look = styles([curve.label for curve in group.curves], group.baseline)
    metric = group.primary
    seeds = [seed for curve in group.curves for seed in {run.seed for run in curve.runs}]
    common = max(sorted(set(seeds)), key=seeds.count)
    parts = [
        _headline(group),
        note(facts.warnings(group), "warning"),
        facts.settings(group),
        note(facts.notes(group)),
        f"<h3>{escape(metric.name)} against labelled images</h3>",
        _curve(group, metric, look),
        _metric_table(group, metric, look),
        "<h3>Over the whole budget</h3>",
        _rows(*budget_rows(group), look),
    ]
    if (shares := share_rows(group)) is not None:
        parts += ["<h4>At shares of the pool's pixels</h4>", _rows(*shares, look)]
    if group.baseline and (versus := difference_rows(group)) is not None:
        parts += [f"<h3>Against {escape(group.baseline)}</h3>", _rows(*versus, look)]
    if len(group.curves) > 1 and len(group.seeds) > 1:
        names = [curve.label for curve in group.curves]
        parts += ["<h3>Who beats whom</h3>", _rows(*penalties([group.setting()], names), look)]
    if axes := extra_axes(group):
        figures = "".join(_curve(group, metric, look, axis, small=True) for axis in axes)
        parts.append(f'<h3>{escape(metric.name)} against other costs</h3><div class="small">{figures}</div>')
    if group.others:
        parts.append(f"<h3>Other metrics</h3>{_others(group, look)}")
    parts += [f"<h3>What was picked, seed {common}</h3>", gallery(group.curves, common, images)]
    if (times := seconds_rows(group)) is not None:
        parts += ["<h3>Time a stage</h3>", _rows(*times, look)]
    return "\n".join(parts)


def _headline(group: Group) -> str:
    """The result at the largest budget that every run has reached (or else every strategy), in a sentence."""
    metric, summaries = group.primary, group.summaries(group.primary)
    shared = [c for c in range(len(group.columns)) if all(np.isfinite(s.mean[c]) for s in summaries.values())]
    if not shared:
        return '<p class="lead">The strategies have no number of labelled images in common yet.</p>'
    whole = [c for c in shared if all(s.count[c] == max(s.count) for s in summaries.values())]
    c = (whole or shared)[-1]
    sign = 1 if metric.higher_is_better else -1
    order = sorted(summaries, key=lambda label: -sign * float(summaries[label].mean[c]))

    def said(label: str) -> str:
        summary = summaries[label]
        spread = f"\u00a0±\u00a0{metric.text(summary.sd[c])}" if summary.count[c] > 1 else ""
        return escape(f"{label} {metric.text(summary.mean[c])}{spread}\u00a0{metric.unit}")

    order_said = "" if len(order) == 1 else ", lowest first" if sign < 0 else ", highest first"
    lead = f"{escape(metric.name)} on the test set at {group.columns[c]} labelled images{order_said}: "
    lead += f"<b>{said(order[0])}</b>" + "".join(f"; {said(label)}" for label in order[1:]) + "."
    tables = group.table(f"test.{metric.key}")
    if group.baseline is not None and order[0] != group.baseline:
        d = paired_difference(tables[order[0]][:, c], tables[group.baseline][:, c])
        if d.count > 1:
            unit = "points" if metric.unit == "%" else metric.unit
            lead += (
                f" Paired by seed, {escape(order[0])} minus {escape(group.baseline)} is "
                f"{metric.text(d.mean, True)} {unit} "
                f"(95 % interval {metric.text(d.low, True)} to {metric.text(d.high, True)}, {d.count} seeds)."
            )
    return f'<p class="lead">{lead}</p>'


def _curve(group: Group, metric: Metric, look: dict[str, Style], axis: str = "labelled", small: bool = False) -> str:
    scale = 100.0 if metric.unit == "%" else 1.0
    name, unit = AXES[axis]
    if axis.startswith("cost.") and (total := group.total(axis.removeprefix("cost."))):
        name, unit = f"{name.split(' (')[0]} (% of the pool)", 100 / total
    lines = []
    for curve in group.curves:
        summary = summarise(curve.values(f"test.{metric.key}"))
        # The t-interval of two seeds is ten times as wide as their spread and would cover the figure; the tables
        # against the baseline hold intervals.
        band = (summary.mean - summary.sd, summary.mean + summary.sd)
        arrays = (curve.mean(axis) * unit, summary.mean * scale, band[0] * scale, band[1] * scale)
        lines.append(Line(curve.label, look[curve.label], *arrays))
    full = group.full_value(metric)
    reference = ("all labels", scale * float(np.mean(list(full.values())))) if full else None
    svg = draw(lines, name, metric.label, reference, (4.4, 3.2) if small else (5.0, 3.5))
    bands = "Lines: mean over seeds. Bands: one sample standard deviation to each side."
    if not any(np.isfinite(line.low).any() for line in lines):
        bands = "Lines: the one seed; no spread can be given."
    lower = "" if metric.higher_is_better else " Lower is better."
    caption = "" if small else f"{bands}{lower}"
    return figure(
        svg, f"{metric.label} against {name.lower()}: {', '.join(look)}; the tables hold the figures", caption
    )


def _metric_table(group: Group, metric: Metric, look: dict[str, Style]) -> str:
    cells = stage_cells(group, metric)
    fractions = [summarise(f).mean for f in group.table("fraction").values()]
    fraction = summarise(np.stack(fractions)).mean
    head = [f"{escape(metric.label)}<br><small>labelled images</small>"] + [
        str(n) + (f"<br><small>{100 * share:.3g} %</small>" if np.isfinite(share) else "")
        for n, share in zip(group.columns, fraction, strict=True)
    ]
    body = []
    for label, row in cells.items():
        written = []
        for cell in row:
            mean = f"<b>{cell.mean}</b>" if cell.best else cell.mean
            spread = f" <small>± {cell.sd}</small>" if cell.sd else ""
            few = f"<br><small>{cell.few}</small>" if cell.few else ""
            written.append(mean + spread + few)
        body.append([_label(label, look), *written])
    several = any(cell.sd for row in cells.values() for cell in row)
    text = "Mean ± standard deviation over seeds." if several else "One seed, so no standard deviation."
    if any(cell.best for row in cells.values() for cell in row):
        text += " Bold: the best mean of a column, which alone does not say that the difference is more than chance."
    better = "Lower is better." if metric.higher_is_better is False else ""
    return table(head, body, " ".join(part for part in (text, metric.meaning, better) if part))


def _others(group: Group, look: dict[str, Style]) -> str:
    known = [metric for metric in group.others if not metric.folded]
    rest = [metric for metric in group.others if metric.folded]
    html = '<div class="small">' + "".join(_curve(group, m, look, small=True) for m in known) + "</div>"
    for metric in known:
        html += _metric_table(group, metric, look)
    if rest:
        names = ", ".join(metric.name for metric in rest)
        tables = "".join(_metric_table(group, metric, look) for metric in rest)
        html += f"<details><summary>{len(rest)} more: {escape(names)}</summary>{tables}</details>"
    return html


def _across(found: Sequence[Group]) -> str:
    names = list(dict.fromkeys(curve.label for group in found for curve in group.curves))
    if len(names) < 2:
        return ""
    return "<h2>All settings together</h2>" + _rows(*penalties([group.setting() for group in found], names), {})


def _rows(head: Sequence[str], rows: Sequence[Row], caption: str, look: dict[str, Style]) -> str:
    """A table of texts; the first cell of a row is a label, with its colour where it has one."""
    body = [[_label(label, look), *(_cell(text) for text in cells)] for label, cells in rows]
    return table([escape(cell) for cell in head], body, caption)


def _cell(text: str) -> str:
    """The figure in full, its spread smaller behind it, its interval smaller below it."""
    for mark, gap in ((" ±", " "), (" (", " "), (" [", "<br>")):
        figure_, found, rest = text.partition(mark)
        if found:
            return f"{escape(figure_)}{gap}<small>{mark.strip()}{escape(rest)}</small>"
    return escape(text)


def _label(label: str, look: dict[str, Style]) -> str:
    swatch = f'<i class="swatch" style="background:{look[label].colour}"></i>' if label in look else ""
    return swatch + escape(label)
