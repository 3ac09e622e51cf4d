"""How the curves of a group differ, and the ranges over which they are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from al_lightning.report.axes import FRACTION, cost_terms
from al_lightning.report.group import Curve, Group
from al_lightning.report.metrics import Metric
from al_lightning.report.statistics import Floats, summarise

_OWN = ("name", "seed", "runs_dir", "strategy", "oracle", "logging", "loader.workers", "loader.cache")
"""Keys and sections of the config that may differ between runs without changing what is compared."""


def differing(group: Group) -> dict[str, dict[str, list[str]]]:
    """Settings in which the curves differ beside the strategy: dotted key -> value -> labels that have it."""
    found: dict[str, dict[str, list[str]]] = {}
    flat = [(curve.label, flatten(run.config)) for curve in group.curves for run in curve.runs if run.config]
    for key in sorted({key for _, config in flat for key in config}):
        if any(f"{key}.".startswith(f"{own}.") for own in _OWN):
            continue
        values: dict[str, list[str]] = {}
        for label, config in flat:
            labels = values.setdefault(str(config.get(key, "not set")), [])
            if label not in labels:
                labels.append(label)
        if len(values) > 1:
            found[key] = values
    return found


def flatten(tree: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys below `prefix`; an empty mapping stays a value.

    Example:
        >>> flatten({"learner": {"lr": 0.1, "options": {}}})
        {'learner.lr': 0.1, 'learner.options': {}}
    """
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def extra_axes(group: Group) -> list[str]:
    """Keys of the axes beside the number of images that tell the curves apart: at one number of labelled images the
    means of two curves differ by more than a per cent. Where regions were asked for, every term of the cost is one,
    for the terms may rank the strategies differently."""
    terms = [f"cost.{term}" for term in cost_terms(group.runs)]
    return [
        key for key in [FRACTION.key, *terms] if (group.regions and key != FRACTION.key) or _tells_apart(group, key)
    ]


def _tells_apart(group: Group, key: str) -> bool:
    means = np.stack([summarise(values).mean for values in group.table(key).values()])
    known = (column[np.isfinite(column)] for column in means.T)
    return any(len(column) > 1 and np.ptp(column) > 0.01 * column.max() for column in known)


def common_range(curves: Sequence[Curve], key: str = "labelled") -> tuple[float, float] | None:
    """The range of AUBC: from the first to the last of its common stages that every curve of two stages or more covers
    with all seeds that have got there, in the unit of `key`. None where there is none."""
    budgets = [values for curve in curves if (values := curve.values(key)[:, : curve.common_stages]).shape[1] > 1]
    if not budgets:
        return None
    low = max(float(np.nanmax(values[:, 0])) for values in budgets)
    high = min(float(np.nanmin(values[:, -1])) for values in budgets)
    return (low, high) if low < high else None


def efficiency(curve: Curve, metric: Metric, full: Mapping[int, float], cost: str) -> tuple[Floats, Floats, float]:
    """What `label_efficiency` needs: mean cost (K,), mean metric (K,) and the metric with all labels.

    Each is a mean over the seeds that have a result with all labels and all common stages of the curve (a mean over
    other seeds at other stages would bend it); empty and NaN where there are none.

    Args:
        full: seed -> the metric with all labels.
        cost: dotted key of the cost in a stage row.
    """
    x, y = (curve.values(key)[:, : curve.common_stages] for key in (cost, f"test.{metric.key}"))
    kept = [s for s, run in enumerate(curve.runs) if run.seed in full and np.isfinite(x[s] + y[s]).all()]
    if not kept:
        return np.empty(0), np.empty(0), float("nan")
    x, y = x[kept].mean(axis=0), y[kept].mean(axis=0)
    return x, y, float(np.mean([full[curve.runs[s].seed] for s in kept]))
