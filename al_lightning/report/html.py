"""Runs to one HTML file that needs nothing beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from al_lightning.report.compare import Group, differing, extra_axes, groups, recorded
from al_lightning.report.curves import Line, Style, draw, styles
from al_lightning.report.gallery import Images, gallery
from al_lightning.report.page import definitions, figure, note, page, table
from al_lightning.report.quantities import AXES, Metric
from al_lightning.report.runs import Run, lookup
from al_lightning.report.statistics import paired_difference, summarise
from al_lightning.report.tables import Row, budget_rows, difference_rows, penalties, seconds_rows, stage_cells

CLICKS = {
    "polygons": "vertices of the annotators' polygons",
    "contours": "corners of simplified mask outlines, a stand-in: nobody made these clicks",
}
"""Where the clicks of a run come from."""


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
    parts.append(_versions(runs))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(title, "\n".join(parts)), encoding="utf-8")
    return path


def _section(group: Group, images: Images | None) -> str:
    look = styles({curve.label: curve.runs[0].strategy for curve in group.curves})
    metric = group.primary
    better = "" if metric.higher_is_better else " Lower is better."
    seeds = [seed for curve in group.curves for seed in {run.seed for run in curve.runs}]
    common = max(sorted(set(seeds)), key=seeds.count)
    parts = [
        _headline(group),
        note(_warnings(group), "warning"),
        _what(group),
        note(_notes(group)),
        f"<h3>{escape(metric.name)} against labelled images</h3>",
        _curve(group, metric, look),
        _metric_table(group, metric, look, f"{metric.meaning}{better}"),
        "<h3>Over the whole budget</h3>",
        _rows(*budget_rows(group), look),
    ]
    if (versus := difference_rows(group)) is not None:
        parts += ["<h3>Against random</h3>", _rows(*versus, look)]
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
        spread = f" ± {metric.text(summary.sd[c])}" if summary.count[c] > 1 else ""
        return escape(f"{label} {metric.text(summary.mean[c])}{spread} {metric.unit}").replace(" ±", "&nbsp;±")

    order_said = "" if len(order) == 1 else ", lowest first" if sign < 0 else ", highest first"
    lead = f"{escape(metric.name)} on the test set at {group.columns[c]} labelled images{order_said}: "
    lead += f"<b>{said(order[0])}</b>" + "".join(f"; {said(label)}" for label in order[1:]) + "."
    tables = group.table(f"test.{metric.key}")
    if "random" in tables and order[0] != "random":
        d = paired_difference(tables[order[0]][:, c], tables["random"][:, c])
        if d.count > 1:
            unit = "points" if metric.unit == "%" else metric.unit
            lead += (
                f" Paired by seed, {escape(order[0])} minus random is {metric.text(d.mean, True)} {unit} "
                f"(95 % interval {metric.text(d.low, True)} to {metric.text(d.high, True)}, {d.count} seeds)."
            )
    return f'<p class="lead">{lead}</p>'


def _warnings(group: Group) -> list[str]:
    lines: dict[str, None] = {}
    for run in group.runs:
        by_id = lookup(run.environment, "dataset.overlap.by_id") or 0
        by_thumbnail = lookup(run.environment, "dataset.overlap.by_thumbnail") or 0
        if by_id or by_thumbnail:
            of = lookup(run.environment, "dataset.test")
            size = f" of the {of} test images" if of else " test images"
            lines[
                f"The test set overlaps the pool: {by_id}{size} are in the pool by name and {by_thumbnail} by look. "
                "A model may have been trained on images that it is tested on; these figures cannot be compared "
                "with those of a clean split."
            ] = None
    return list(lines)


def _notes(group: Group) -> list[str]:
    lines = []
    single = [curve.label for curve in group.curves if len(curve.runs) == 1]
    if single:
        lines.append(f"One seed only: {', '.join(single)}. Without a second seed there is no spread and no interval.")
    unfinished = [f"{run.name} ({len(run.rows)} of {run.planned} stages)" for run in group.runs if not run.complete]
    if unfinished:
        lines.append(f"Not finished: {', '.join(unfinished)}. Means over fewer seeds are marked in the tables.")
    for key, values in differing(group).items():
        split = "; ".join(f"{value} ({', '.join(labels)})" for value, labels in values.items())
        lines.append(f"Beside the strategy, {key} differs: {split}.")
    if any("box" in pick for run in group.runs for row in run.rows for pick in row.get("selected") or []):
        lines.append("Regions count by their pixels: a number of labelled images is as many images' worth of pixels.")
    bare = [run.name for run in group.runs if not run.config]
    if bare:
        lines.append(f"No config.yaml: {', '.join(bare)}. What these runs did is known from their rows only.")
    return lines


def _what(group: Group) -> str:
    def values(key: str) -> str:
        return ", ".join(dict.fromkeys(recorded(run, key) for curve in group.curves for run in curve.runs))

    environment = next((run.environment for run in group.runs if "dataset" in run.environment), {})
    part = {name: lookup(environment, f"dataset.{name}") for name in ("pool", "validation", "test")}
    sizes = ", ".join(f"{count} {name}" for name, count in part.items() if count is not None)
    task = lookup(environment, "dataset.task") or ("segmentation" if group.primary.key == "miou" else "depth")
    strategies = [f"{curve.label} (seeds {', '.join(str(run.seed) for run in curve.runs)})" for curve in group.curves]
    pairs = [
        ("Task", str(task)),
        ("Data set", group.dataset + (f": {sizes} images" if sizes else "")),
        ("Protocol", group.protocol),
        ("Learner", group.learner),
        (
            "Each stage starts",
            {"scratch": "from scratch", "finetune": "from the weights of the one before"}.get(
                restart := values("learner.restart"), restart
            ),
        ),
        ("Image size", str(lookup(environment, "dataset.size") or values("dataset.options.size"))),
        ("Epochs a stage", values("trainer.max_epochs")),
        (
            "Budget",
            f"{values('budget.initial')} images at the start, {values('budget.per_stage')} more a stage, "
            f"{values('budget.stages')} stages",
        ),
        ("Strategies", "; ".join(strategies)),
    ]
    if kind := lookup(environment, "cost.clicks"):
        pairs.append(("Clicks", CLICKS.get(kind, kind)))
    if evaluated := lookup(environment, "dataset.evaluate_at"):
        pairs.append(("Evaluated at", f"{evaluated} size of the images"))
    if group.full:
        pairs.append(("All labels", ", ".join(run.name for run in group.full)))
    return definitions(pairs)


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


def _metric_table(group: Group, metric: Metric, look: dict[str, Style], meaning: str) -> str:
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
    return table(head, body, f"{text} {meaning}".strip())


def _others(group: Group, look: dict[str, Style]) -> str:
    known = [metric for metric in group.others if not metric.folded]
    rest = [metric for metric in group.others if metric.folded]
    html = '<div class="small">' + "".join(_curve(group, m, look, small=True) for m in known) + "</div>"
    for metric in known:
        html += _metric_table(group, metric, look, metric.meaning)
    if rest:
        names = ", ".join(metric.name for metric in rest)
        tables = "".join(_metric_table(group, metric, look, metric.meaning) for metric in rest)
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


def _versions(runs: Sequence[Run]) -> str:
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        versions = lookup(run.environment, "versions")
        for name, version in (versions if isinstance(versions, dict) else {}).items():
            found.setdefault(str(name), {})[version if isinstance(version, str) else json.dumps(version)] = None
    pairs = [(name, ", ".join(versions)) for name, versions in sorted(found.items())]
    text = definitions(pairs) if pairs else '<p class="quiet">No run recorded its versions.</p>'
    names = escape(", ".join(run.name for run in runs))
    return f'<h2>Versions</h2>{text}<p class="quiet">Runs in this report: {names}</p>'
