"""The part of a page on what more labels would bring: a table, and each learning curve with its forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from al_lightning.report.axes import LABELLED
from al_lightning.report.continuation import AHEAD, Continued, draw_continued
from al_lightning.report.figures import Style
from al_lightning.report.forecast import LEAST, LEVEL
from al_lightning.report.group import Curve, Group
from al_lightning.report.outlook import Outlook, outlook
from al_lightning.report.pictures import data_uri
from al_lightning.report.text import plural
from al_lightning.report.views import Cell, Figure, MoreLabels, Row, Table

OPEN = 4
"""Most figures that are shown at once; more are folded."""
SEEDS = "Symbols: mean over seeds; dots: each seed. "
LEGEND = "On grey the forecast: dashed its middle, coloured its interval."


def more_labels(group: Group, look: Mapping[str, Style]) -> MoreLabels | None:
    """None where no curve has two stages."""
    known = [(curve, one) for curve in group.curves if (one := outlook([run.rows for run in curve.runs]))]
    if not known:
        return None
    drawn = [_continued(curve, one, look[curve.label]) for curve, one in known if one.fit and one.more]
    _, first = known[0]
    head = ["Strategy", "Last brought", "Next would bring", f"Estimated {first.ceiling_name}", first.goal, "Scores"]
    rows = [Row(curve.label, look[curve.label].colour, _cells(one, len(curve.runs))) for curve, one in known]
    return MoreLabels(
        table=Table([Cell(text) for text in head], rows, _caption([one for _, one in known])),
        figures=_figures(drawn, group.primary.label),
        folded=len(drawn) > OPEN,
        legend=(SEEDS if any(one.seeds > 1 for _, one in known) else "") + LEGEND if drawn else "",
    )


def _figures(drawn: Sequence[Continued], y_label: str) -> list[Figure]:
    """All on the same axes."""
    if not drawn:
        return []
    lefts, rights, lows, highs = zip(*(one.limits for one in drawn), strict=True)
    frame = (min(lefts), max(rights), min(lows), max(highs))
    return [
        Figure(
            source=data_uri(draw_continued(one, frame, LABELLED.label, y_label).encode(), "image/svg+xml"),
            alt=f"{y_label} of {one.label} against labelled images, and its forecast; the table holds the figures",
        )
        for one in drawn
    ]


def _caption(found: Sequence[Outlook]) -> str:
    one = found[0]
    several = any(other.seeds > 1 for other in found)
    text = f"In {one.unit} of {one.metric.name}{', mean over seeds' if several else ''}."
    text += "" if one.metric.higher_is_better else " Below 0 is better."
    if not any(other.fit for other in found):
        return f"{text} A forecast needs {LEAST} stages: two points fit every curve."
    sign = "−" if one.metric.higher_is_better else "+"
    seeds = ", those of all seeds in one fit" if several else ""
    return (
        f"{text} What the next labels would bring is an interval that is meant to hold it with a probability of "
        f"{100 * LEVEL:.0f} %, from the power laws a {sign} b·n^(−c) of the number n of labelled images that fit all "
        f"scores so far{seeds}. It holds while strategy, learner and data stay as they are. The {one.ceiling_name}, "
        "the score with endless labels, is extrapolated far beyond what was measured; below it its interval."
    )


def _cells(one: Outlook, seeds: int) -> list[Cell]:
    few = f", {one.seeds} of {plural(seeds, 'seed')}" if one.seeds < seeds else ""
    last = Cell(one.brought, below=f"for {plural(f'{one.step:.0f}', 'label')}{few}")
    scores = Cell(str(one.points))
    if one.fit is None:
        return [last, Cell("–", below=f"needs {LEAST} stages"), Cell("–"), Cell("–"), scores]
    coming = Cell("–", below="all are labelled")
    if one.more is not None:
        coming = Cell(one.change, below=f"for {plural(f'{one.more:.0f}', 'label')}")
    middle, interval = one.ceiling
    return [last, coming, Cell(middle, below=interval), Cell(one.reach), scores]


def _continued(curve: Curve, one: Outlook, style: Style) -> Continued:
    """Drawn `AHEAD` selections ahead, but not beyond the pool."""
    assert one.fit is not None
    assert one.more is not None
    scale = 100.0 if one.metric.unit == "%" else 1.0
    labels, scores = curve.values("labelled"), scale * curve.values(f"test.{one.metric.key}")
    points = np.stack([labels, scores], -1).reshape(-1, 2)
    mean = np.stack([curve.mean("labelled"), scale * curve.mean(f"test.{one.metric.key}")], -1)
    end = one.labels + AHEAD * one.more
    if one.pool is not None:
        end = max(min(end, one.pool), one.labels + one.more)
    x = np.linspace(one.labels, end, 25)
    ahead = [(at, *(scale * value for value in one.fit.at(at, trainings=one.seeds))) for at in x]
    return Continued(
        curve.label, style, points[np.isfinite(points).all(1)], mean[np.isfinite(mean).all(1)], np.array(ahead)
    )
