"""Tables over a whole budget: area under the curve, label efficiency, and the metric at fractions of the pixels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from al_lightning.report.axes import cost_terms, plain_name
from al_lightning.report.compare import common_range, efficiency, extra_axes
from al_lightning.report.group import Curve, Group
from al_lightning.report.metrics import Metric
from al_lightning.report.statistics import aubc, label_efficiency, summarise
from al_lightning.report.tables import TextTable
from al_lightning.report.text import joined, plural, sentence_case

FRACTIONS = (0.1, 0.3, 0.5)
"""Of the pool's pixels, at which Suggestive Annotation is compared (Yang et al., 2017)."""


def budget_table(group: Group) -> TextTable:
    """AUBC and label efficiency: what a strategy needs, in images and in other terms of the cost, for 95 % of the
    metric with all labels."""
    metric = group.primary
    span = common_range(group.curves)
    full = group.full_value(metric)
    terms = _terms(group)
    totals = {term: total for term in terms if full and (total := group.total(term))}
    head = ["Strategy", f"AUBC of {metric.label}"] + (["Labels for 95 % of full"] if full else [])
    head += [f"{sentence_case(plain_name(term))} for 95 %" for term in totals] + ["Seeds"]
    rows = []
    for curve in group.curves:
        areas = np.full(len(curve.runs), np.nan)
        if span is not None:
            x, y = curve.values("labelled"), curve.values(f"test.{metric.key}")
            areas = np.array([aubc(x[s], y[s], *span) for s in range(len(curve.runs))])
        summary = summarise(areas[:, None])
        n = int(summary.count[0])
        cells = [metric.text(summary.mean[0]) + (f" ± {metric.text(summary.sd[0])}" if n > 1 else "")]
        if full:
            cells += [_needed_labels(curve, metric, full)]
            cells += [_needed_cost(curve, metric, full, term, total) for term, total in totals.items()]
        rows.append((curve.label, [*cells, str(n) if n == len(curve.runs) else f"{n} of {len(curve.runs)}"]))
    caption = "AUBC, the area under the curve divided by its range, is the mean of the metric along the way. "
    caption += (
        f"Range: {span[0]:.0f} to {span[1]:.0f} labelled images, which all strategies cover; seeds that do not get "
        "to its end are left out. "
        if span
        else "No range of labelled images is covered by all strategies, so there is none. "
    )
    if not full:
        return TextTable(head, rows, caption + _how_to_measure(terms))
    goal = "95 % of" if metric.higher_is_better else "at most 1/0.95 of"
    caption += (
        f"Labels for 95 % of full: where the mean curve first reaches {goal} {metric.text(_mean(full))} "
        f"{metric.unit}, the {metric.name} of the same learner with all labels (same seeds, linear between stages)."
    )
    if totals:
        caption += f" {sentence_case(joined([plain_name(term) for term in totals]))}: the same, by that cost."
    if any("–" in cells[1:-1] for _, cells in rows):
        caption += " –: no seed of the strategy has both all of its stages and a run with all labels."
    return TextTable(head, rows, caption)


def _terms(group: Group) -> list[str]:
    """The terms that are counted beside images, the finest first; none where the curves differ in pixels only, for
    `fraction_table` compares them by pixels."""
    drawn = set(extra_axes(group))
    terms = cost_terms(group.runs)
    return terms[::-1] if any(f"cost.{term}" in drawn for term in terms if term != "pixels") else []


def _how_to_measure(terms: list[str]) -> str:
    """What is missing without a run with all labels, and how to get one."""
    return (
        f"{sentence_case(joined(['labels', *map(plain_name, terms)]))} for 95 % of full are missing, for they need the "
        "same learner trained on all labels. Run this experiment with the same seeds and strategy.name=full, and "
        "report both together."
    )


def _needed_labels(curve: Curve, metric: Metric, full: Mapping[int, float]) -> str:
    """What the curve needs for 95 % of full, in labelled images: `78 (26 % of the pool)`."""
    needed = _needed(curve, metric, full, "labelled")
    if isinstance(needed, str):
        return needed
    x, _, _ = efficiency(curve, metric, full, "labelled")
    fraction, _, _ = efficiency(curve, metric, full, "fraction")
    of_pool = f" ({100 * np.interp(needed, x, fraction):.0f} % of the pool)" if len(fraction) else ""
    return f"{needed:.0f}{of_pool}"


def _needed_cost(curve: Curve, metric: Metric, full: Mapping[int, float], term: str, total: float) -> str:
    """What the curve needs for 95 % of full, in a term of the cost of which the pool has `total`."""
    needed = _needed(curve, metric, full, f"cost.{term}")
    return needed if isinstance(needed, str) else f"{100 * needed / total:.1f} % of the pool"


def _needed(curve: Curve, metric: Metric, full: Mapping[int, float], key: str) -> float | str:
    """In the unit of `key`; a text where there is no such number."""
    x, y, target = efficiency(curve, metric, full, key)
    if len(x) == 0:
        return "–"
    needed = label_efficiency(x, y, target, higher_is_better=metric.higher_is_better is not False)
    return "not reached" if needed is None else needed


def _mean(full: Mapping[int, float]) -> float:
    """The mean over seeds of the metric with all labels."""
    return float(np.mean(list(full.values())))


def fraction_table(group: Group) -> TextTable | None:
    """The primary metric at the first stage that has revealed each of `FRACTIONS` of the pool's pixels.

    Each seed has a stage of its own, for images differ in size. Fractions that no strategy has reached are left out;
    None where all are, where the pool's number of pixels is not known, or where images of one size make these
    fractions those of the main table.
    """
    metric, total = group.primary, group.total("pixels")
    if total is None or _follows_from_images(group, total):
        return None
    columns: dict[float, list[str]] = {}
    for fraction in FRACTIONS:
        cells = [_at_fraction(curve, metric, fraction, total) for curve in group.curves]
        if any(cell is not None for cell in cells):
            columns[fraction] = [cell or "not reached" for cell in cells]
    if not columns:
        return None
    rows = [(curve.label, [cells[k] for cells in columns.values()]) for k, curve in enumerate(group.curves)]
    spread = "Mean ± standard deviation over seeds" if any(len(c.runs) > 1 for c in group.curves) else "One seed"
    caption = (
        f"{spread}: {metric.label} on the test set at the first stage that has revealed this fraction of the pool's "
        "pixels or more. In brackets: the fraction revealed by then, for the last images overshoot. Strategies are "
        "compared fairly only where these are about the same."
    )
    caption += "" if metric.higher_is_better else " Lower is better."
    if full := group.full_value(metric):
        caption += f" With all labels: {metric.text(_mean(full))}."
    return TextTable(["Strategy", *(f"{100 * fraction:.0f} %" for fraction in columns)], rows, caption)


def _follows_from_images(group: Group, total: float) -> bool:
    """Whether all images are of one size, so that a fraction of pixels is one of images, and no run stops by pixels."""
    if any(run.pixel_budget is not None for run in group.runs):
        return False
    pairs = [(curve.values("cost.pixels") / total, curve.values("fraction")) for curve in group.curves]
    return all(np.nanmax(np.abs(pixels - images), initial=0) < 1e-3 for pixels, images in pairs)


def _at_fraction(curve: Curve, metric: Metric, fraction: float, total: float) -> str | None:
    """`78.2 ± 1.0 (at 31.2 %)`; None where no seed has reached the fraction."""
    revealed, values = curve.values("cost.pixels") / total, curve.values(f"test.{metric.key}")
    # NaN, of a stage that a seed does not have, is below every fraction.
    reached = [(s, int(np.argmax(seed >= fraction))) for s, seed in enumerate(revealed) if (seed >= fraction).any()]
    if not reached:
        return None
    at = float(np.mean([revealed[s, k] for s, k in reached]))
    summary = summarise(np.array([[values[s, k]] for s, k in reached]))
    spread = f" ± {metric.text(summary.sd[0])}" if summary.count[0] > 1 else ""
    few = f"; {len(reached)} of {plural(len(curve.runs), 'seed')}" if len(reached) < len(curve.runs) else ""
    return f"{metric.text(summary.mean[0])}{spread} (at {100 * at:.1f} %{few})"
