"""Tables over a whole budget: area under the curve, label efficiency, and the metric at shares of the pixels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from al_lightning.report.compare import Curve, Group, common_range, efficiency, extra_axes
from al_lightning.report.quantities import Metric
from al_lightning.report.statistics import aubc, label_efficiency, summarise
from al_lightning.report.tables import TextTable

SHARES = (0.1, 0.3, 0.5)
"""Of the pool's pixels, at which Suggestive Annotation is compared (Yang et al., 2017)."""


def budget_rows(group: Group) -> TextTable:
    """AUBC and label efficiency."""
    metric = group.primary
    span = common_range(group.curves)
    full = group.full_value(metric)
    costs = ["clicks", "pixels"] if "cost.clicks" in extra_axes(group) else []
    totals = {key: total for key in costs if full and (total := group.total(key))}
    head = ["Strategy", f"AUBC of {metric.label}"] + (["Labels for 95 % of full"] if full else [])
    head += [f"{key.capitalize()} for 95 %" for key in totals] + ["Seeds"]
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
            cells += [_needed(curve, metric, full, None)]
            cells += [_needed(curve, metric, full, key, total) for key, total in totals.items()]
        rows.append((curve.label, [*cells, str(n) if n == len(curve.runs) else f"{n} of {len(curve.runs)}"]))
    caption = "AUBC, the area under the curve divided by its range, is the mean of the metric along the way. "
    caption += (
        f"Range: {span[0]:.0f} to {span[1]:.0f} labelled images, which all strategies cover; seeds that do not get "
        "to its end are left out."
        if span
        else "No range of labelled images is covered by all strategies, so there is none."
    )
    if full:
        goal = "95 % of" if metric.higher_is_better else "at most 1/0.95 of"
        caption += (
            f" Labels for 95 % of full: where the mean curve first reaches {goal} {metric.text(target_of(full))} "
            f"{metric.unit}, the {metric.name} of the same learner with all labels (same seeds, linear between stages)."
        )
        caption += f" {' and '.join(totals).capitalize()}: the same, by that cost." if totals else ""
        if any("–" in cells[1:-1] for _, cells in rows):
            caption += " –: no seed of the strategy has both all of its stages and a run with all labels."
    else:
        caption += (
            f" {'Labels, clicks and pixels' if costs else 'Labels'} for 95 % of full are missing, for they need the "
            "same learner trained on all labels. Run this experiment's file with the same seeds and strategy.name=full "
            "(al-lightning run X.yaml strategy.name=full, or a file experiments/*-full.yaml) and report both together."
        )
    return head, rows, caption


def _needed(curve: Curve, metric: Metric, full: Mapping[int, float], cost: str | None, total: float = 1.0) -> str:
    """What the curve needs for 95 % of full: in labelled images, or in a cost of which the pool has `total`."""
    x, y, target = efficiency(curve, metric, full, f"cost.{cost}" if cost else "labelled")
    if len(x) == 0:
        return "–"
    needed = label_efficiency(x, y, target, higher_is_better=metric.higher_is_better is not False)
    if needed is None:
        return "not reached"
    if cost:
        return f"{100 * needed / total:.1f} % of the pool"
    share, _, _ = efficiency(curve, metric, full, "fraction")
    part = f" ({100 * np.interp(needed, x, share):.0f} % of the pool)" if len(share) else ""
    return f"{needed:.0f}{part}"


def target_of(full: Mapping[int, float]) -> float:
    """The mean over seeds of the metric with all labels."""
    return float(np.mean(list(full.values())))


def share_rows(group: Group) -> TextTable | None:
    """The primary metric at the first stage that has revealed each of `SHARES` of the pool's pixels.

    Each seed has a stage of its own, for images differ in size. Shares that no strategy has reached are left out;
    None where all are, where the pool's number of pixels is not known, or where images of one size make these shares
    those of the main table.
    """
    metric, total = group.primary, group.total("pixels")
    if total is None or _says_what_images_say(group, total):
        return None
    columns: dict[float, list[str]] = {}
    for share in SHARES:
        cells = [_at_share(curve, metric, share, total) for curve in group.curves]
        if any(cell is not None for cell in cells):
            columns[share] = [cell or "not reached" for cell in cells]
    if not columns:
        return None
    rows = [(curve.label, [cells[k] for cells in columns.values()]) for k, curve in enumerate(group.curves)]
    spread = "Mean ± standard deviation over seeds" if any(len(c.runs) > 1 for c in group.curves) else "One seed"
    caption = (
        f"{spread}: {metric.label} on the test set at the first stage that has revealed this share of the pool's "
        "pixels or more. In brackets: the share revealed by then, for the last images overshoot. Strategies are "
        "compared fairly only where these are about the same."
    )
    caption += "" if metric.higher_is_better else " Lower is better."
    if full := group.full_value(metric):
        caption += f" With all labels: {metric.text(target_of(full))}."
    return ["Strategy", *(f"{100 * share:.0f} %" for share in columns)], rows, caption


def _says_what_images_say(group: Group, total: float) -> bool:
    """Whether all images are of one size, so that shares of pixels are those of images, and no run stops by them."""
    if any(run.pixel_budget is not None for run in group.runs):
        return False
    pairs = [(curve.values("cost.pixels") / total, curve.values("fraction")) for curve in group.curves]
    return all(np.nanmax(np.abs(pixels - images), initial=0) < 1e-3 for pixels, images in pairs)


def _at_share(curve: Curve, metric: Metric, share: float, total: float) -> str | None:
    """`78.2 ± 1.0 (at 31.2 %)`; None where no seed has reached the share."""
    revealed, values = curve.values("cost.pixels") / total, curve.values(f"test.{metric.key}")
    # NaN, of a stage that a seed does not have, is below every share.
    reached = [(s, int(np.argmax(row >= share))) for s, row in enumerate(revealed) if (row >= share).any()]
    if not reached:
        return None
    at = float(np.mean([revealed[s, k] for s, k in reached]))
    summary = summarise(np.array([[values[s, k]] for s, k in reached]))
    spread = f" ± {metric.text(summary.sd[0])}" if summary.count[0] > 1 else ""
    few = f"; {len(reached)} of {len(curve.runs)} seeds" if len(reached) < len(curve.runs) else ""
    return f"{metric.text(summary.mean[0])}{spread} (at {100 * at:.1f} %{few})"
