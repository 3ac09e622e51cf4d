"""Means, intervals and areas under curves, as pure functions of arrays.

    S   seeds;   K   stages;   NaN marks a stage that a seed has not reached.

Ratios are in [0, 1], errors in cm; nothing here is in per cent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Summary:
    """Mean over seeds and its spread, each (K,)."""

    mean: Floats
    """NaN where no seed has the stage."""
    sd: Floats
    """Sample standard deviation (n − 1); NaN below two seeds."""
    low: Floats
    high: Floats
    """95 % t-interval of the mean: mean ± t(.975, n − 1) · sd / √n; NaN below two seeds."""
    count: NDArray[np.int64]
    """n: seeds that have the stage."""


def summarise(values: Floats) -> Summary:
    """Summary over seeds of values (S, K), in the unit of the values.

    Example:
        >>> summary = summarise(np.array([[0.5, 0.7], [0.7, np.nan]]))
        >>> summary.mean.round(2).tolist(), summary.count.tolist()
        ([0.6, 0.7], [2, 1])
    """
    values = np.asarray(values, dtype=np.float64)
    present = np.isfinite(values)
    count = present.sum(axis=0).astype(np.int64)
    total = np.where(present, values, 0.0).sum(axis=0)
    mean = np.divide(total, count, out=np.full(values.shape[1], np.nan), where=count > 0)
    squares = np.where(present, values - mean, 0.0) ** 2
    several = count > 1
    freedom = np.where(several, count - 1, 1)
    sd = np.where(several, np.sqrt(squares.sum(axis=0) / freedom), np.nan)
    half = np.where(several, stats.t.ppf(0.975, freedom), np.nan) * sd / np.sqrt(np.maximum(count, 1))
    return Summary(mean, sd, mean - half, mean + half, count)


@dataclass(frozen=True)
class Difference:
    """A paired difference over seeds."""

    mean: float
    low: float
    high: float
    """95 % t-interval; NaN below two pairs."""
    p: float
    """Two-sided one-sample t-test of the differences against 0; NaN below two pairs."""
    count: int
    """Seeds that both have."""


def paired_difference(values: Floats, baseline: Floats) -> Difference:
    """values − baseline, seed by seed, both (S,) in one unit with NaN where a seed is missing.

    Where all differences are equal the t-statistic is 0/0 or infinite; p is then 1 for a difference of 0 and
    0 otherwise.

    Example:
        >>> difference = paired_difference(np.array([0.8, 0.7, np.nan]), np.array([0.7, 0.5, 0.6]))
        >>> round(difference.mean, 2), difference.count
        (0.15, 2)
    """
    z = np.asarray(values, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    z = z[np.isfinite(z)]
    if len(z) == 0:
        return Difference(np.nan, np.nan, np.nan, np.nan, 0)
    mean = float(z.mean())
    if len(z) == 1:
        return Difference(mean, np.nan, np.nan, np.nan, 1)
    error = float(z.std(ddof=1)) / np.sqrt(len(z))
    # Equal differences leave rounding noise in the standard deviation; a test must not depend on it.
    if error <= 1e-12 * max(abs(mean), 1e-12):
        return Difference(mean, mean, mean, 1.0 if abs(mean) <= 1e-12 else 0.0, len(z))
    half = float(stats.t.ppf(0.975, len(z) - 1)) * error
    p = 2 * float(stats.t.sf(abs(mean) / error, len(z) - 1))
    return Difference(mean, mean - half, mean + half, p, len(z))


def aubc(budget: Floats, metric: Floats, low: float | None = None, high: float | None = None) -> float:
    """Area under the budget curve (Zhan et al., IJCAI 2021): ∫ metric d((budget − low) / (high − low)).

    Trapezoids over the actual budgets, which for equal steps are steps of 1/(K − 1); the curve is interpolated
    linearly at `low` and `high` (default: its own ends), so that curves are compared over one range.

    Args:
        budget, metric: (K,) the curve, in any order; points with NaN are left out.

    Returns:
        The area, in units of the metric; NaN where the curve does not reach from `low` to `high` or the range
        is empty.

    Example:
        >>> round(aubc(np.array([10, 20, 40]), np.array([0.4, 0.6, 0.8])), 3)
        0.633
    """
    x, y = _sorted_curve(budget, metric)
    if len(x) == 0:
        return float("nan")
    start = float(x[0]) if low is None else low
    end = float(x[-1]) if high is None else high
    if not x[0] <= start < end <= x[-1]:
        return float("nan")
    inside = (x > start) & (x < end)
    x_in = np.concatenate([[start], x[inside], [end]])
    y_in = np.interp(x_in, x, y)
    return float(np.trapezoid(y_in, (x_in - start) / (end - start)))


def label_efficiency(
    cost: Floats, metric: Floats, full: float, fraction: float = 0.95, higher_is_better: bool = True
) -> float | None:
    """p95: the smallest cost at which the curve reaches 95 % of the metric with all labels.

    The target is fraction · full, or full / fraction for an error such as RMSE; the curve is linear between points.

    Args:
        cost, metric: (K,) the curve, in any order; points with NaN are left out.
        full: the metric of the same learner trained on the whole pool, > 0.
        fraction: of `full` that is asked for, in (0, 1].

    Returns:
        The cost in its own unit; None where the curve does not reach the target.

    Example:
        >>> label_efficiency(np.array([10, 20]), np.array([0.5, 0.9]), full=0.8)
        16.5
    """
    x, y = _sorted_curve(cost, metric)
    target = fraction * full if higher_is_better else full / fraction
    gain = (y - target) if higher_is_better else (target - y)
    reached = np.flatnonzero(gain >= 0)
    if len(reached) == 0:
        return None
    k = int(reached[0])
    if k == 0:
        return float(x[0])
    step = -gain[k - 1] / (gain[k] - gain[k - 1])
    return float(x[k - 1] + step * (x[k] - x[k - 1]))


def _sorted_curve(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    known = np.isfinite(x) & np.isfinite(y)
    order = np.argsort(x[known], kind="stable")
    return x[known][order], y[known][order]
