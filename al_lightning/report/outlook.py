"""What the last labels of a strategy brought and what more are likely to bring, from its stage rows.

The terminal says it after each stage of one run, the page for all seeds of a strategy, both in these words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from al_lightning.config.schema import StopSection
from al_lightning.core.pool import PSEUDO
from al_lightning.report.forecast import LEAST, Forecast, forecast
from al_lightning.report.metrics import METRICS, PRIMARY, Metric
from al_lightning.report.picks import region_kind
from al_lightning.report.plateau import plateau, rule
from al_lightning.report.text import plural

Rows = Sequence[Mapping[str, Any]]
"""Stage rows of one run, in ascending order."""
SHARE = 0.9
"""Of the estimated ceiling, for which the labels that it needs are said; of a floor, 1.1."""
OUT_OF_SIGHT = 20
"""Times the labels so far, beyond which a number of labels is no longer said."""


@dataclass(frozen=True)
class Outlook:
    """Of one run, or of the seeds of a strategy together.

    All numbers are means over those seeds that have the last stage (`seeds` of them). The curve is fitted to all points
    of all seeds, each as one point, and an interval is for the mean of as many trainings: seeds tell how far trainings
    differ, and the mean of several is surer than one.
    """

    metric: Metric
    labels: float
    """Labelled images at the last stage."""
    score: float
    """Of the last stage, as in a stage row."""
    step: float
    """Labelled images that the last stage had more than the one before."""
    gain: float
    """What they brought to the score, as in a stage row."""
    more: float | None
    """Labelled images that the next selection adds; None where the pool is all labelled."""
    pool: float | None
    """Images of the pool; None where the rows do not say."""
    points: int
    """Scores that the curve is fitted to."""
    seeds: int
    fit: Forecast | None
    """None below `LEAST` stages."""

    @property
    def unit(self) -> str:
        """Of what labels bring: `points` or `cm`."""
        return "points" if self.metric.unit == "%" else self.metric.unit

    @property
    def brought(self) -> str:
        """What the last labels brought, without its unit."""
        return self._signed(self.gain)

    @property
    def change(self) -> str:
        """What the next labels are likely to bring: `+0.4 to +3.1`; "" where nothing can be said."""
        if self.fit is None or self.more is None:
            return ""
        _, low, high = self.fit.at(self.labels + self.more, trainings=self.seeds)
        return f"{self._signed(low - self.score)} to {self._signed(high - self.score)}"

    @property
    def ceiling(self) -> tuple[str, str]:
        """(score with endless labels, its interval): ("80", "72 to 95"); of an error, the floor. "" without a fit."""
        if self.fit is None:
            return "", ""
        middle, low, high = (
            f"{100 * value:.0f}" if self.metric.unit == "%" else f"{value:.2f}" for value in self.fit.limit()
        )
        return middle, f"{low} to {high}"

    @property
    def ceiling_name(self) -> str:
        return "ceiling" if self.metric.higher_is_better else "floor"

    @property
    def goal(self) -> str:
        """What `reach` is about."""
        return f"{100 * self._share:.0f} % of it"

    @property
    def reach(self) -> str:
        """Labels for `goal`: `about 120 more labels`, `reached already` or `out of sight`; "" without a fit."""
        if self.fit is None:
            return ""
        more = self.fit.labels_for(self._share * self.fit.limit()[0]) - self.labels
        if more <= 0:
            return "reached already"
        return "out of sight" if more > OUT_OF_SIGHT * self.labels else f"about {more:.0f} more labels"

    @property
    def _share(self) -> float:
        return SHARE if self.metric.higher_is_better else 2 - SHARE

    def _signed(self, value: float) -> str:
        return self.metric.text(value, signed=True)


def outlook(seeds: Sequence[Rows]) -> Outlook | None:
    """What can be said of a strategy; None where no seed has two stages with a score.

    Args:
        seeds: the stage rows of each seed.

    Example:
        >>> rows = [{"stage": k, "labelled": 50 * k + 50, "test": {"miou": y}} for k, y in enumerate((0.62, 0.7, 0.74))]
        >>> found = outlook([rows])
        >>> found.brought, found.step, found.change
        ('+4.0', 50.0, '−5.0 to +5.6')
    """
    metric = next((METRICS[key] for key in PRIMARY for rows in seeds if rows and key in rows[-1]["test"]), None)
    if metric is None:
        return None
    curves = [[row for row in rows if row["test"].get(metric.key) is not None] for rows in seeds]
    curves = [rows for rows in curves if len(rows) > 1]
    if not curves:
        return None
    stages = max(map(len, curves))
    latest = max(rows[-1]["stage"] for rows in curves)
    last = [rows for rows in curves if rows[-1]["stage"] == latest]
    points = [(float(row["labelled"]), float(row["test"][metric.key])) for rows in curves for row in rows]
    better = metric.higher_is_better is not False
    now = [(rows[-1]["labelled"], rows[-1]["test"][metric.key]) for rows in last]
    before = [(rows[-2]["labelled"], rows[-2]["test"][metric.key]) for rows in last]
    labels, score = map(float, np.mean(now, axis=0))
    old_labels, old_score = map(float, np.mean(before, axis=0))
    pools = [rows[-1]["labelled"] / fraction for rows in last if (fraction := rows[-1].get("fraction"))]
    coming = [more for rows in last if (more := coming_labels(rows)) is not None]
    return Outlook(
        metric=metric,
        labels=labels,
        score=score,
        step=labels - old_labels,
        gain=score - old_score,
        more=float(np.mean(coming)) if coming else None,
        pool=float(np.mean(pools)) if pools else None,
        points=len(points),
        seeds=len(last),
        fit=forecast([n for n, _ in points], [y for _, y in points], better) if stages >= LEAST else None,
    )


def coming_labels(rows: Rows) -> float | None:
    """Labelled images that the next selection adds: the images that the last stage selected, or, where it selected
    none or regions, as many as the last selection added, up to the pool. None where nothing is left.

    Example:
        >>> rows = [{"labelled": 50, "fraction": 0.25}, {"labelled": 100, "fraction": 0.5}]
        >>> coming_labels(rows), coming_labels([rows[0], {"labelled": 180, "fraction": 0.9}])
        (50.0, 20.0)
    """
    last = rows[-1]
    picks = [pick for pick in last.get("selected") or [] if pick.get("source") != PSEUDO]
    if picks and not any(map(region_kind, picks)):
        return float(len(picks))
    more = float(last["labelled"] - rows[-2]["labelled"])
    if fraction := last.get("fraction"):
        more = min(more, float(round(last["labelled"] / fraction) - last["labelled"]))
    return more if more > 0 else None


def said(rows: Rows, last: bool = False, stop: StopSection | None = None) -> list[str]:
    """What to tell after a stage of a run, a line each.

    Args:
        rows: the stage rows so far.
        last: whether the run has ended with them.
        stop: `budget.stop` where it can have ended the run.

    Example:
        >>> rows = [{"stage": k, "labelled": 50 * k + 50, "test": {"miou": y}} for k, y in enumerate((0.6, 0.65))]
        >>> said(rows)
        ['50 labels brought +5.0 points of mIoU; a forecast needs 3 stages']
    """
    found = outlook([rows])
    if found is None:
        return []
    brought = f"{plural(f'{found.step:.0f}', 'label')} brought {found.brought} {found.unit} of {found.metric.name}"
    if found.fit is None:
        lines = [f"{brought}; a forecast needs {LEAST} stages"]
    else:
        lines = [brought]
        if found.more is not None:
            number = f"{found.more:.0f}"
            verb = "is" if number == "1" else "are"
            more = f"{number} more would be" if last else f"the next {number} {verb}"
            lines = [f"{brought}; {more} likely to bring {found.change}"]
        middle, interval = found.ceiling
        reach = f"needs {found.reach}" if found.reach.startswith("about") else f"is {found.reach}"
        lines.append(f"estimated {found.ceiling_name} {middle} ({interval}) {found.metric.name}; {found.goal} {reach}")
    if last and stop is not None and stop.gain is not None and plateau(rows, stop.gain, stop.stages):
        lines.append(f"stopped: {rule(found.unit, stop.gain, stop.stages)} (budget.stop)")
    return lines
