"""What the next labels are likely to bring: a power law through the stages so far, with its uncertainty."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST = 3
"""Stages below which nothing is said: two points fit every curve."""
NOISE = 0.01
"""Standard deviation of a score, as a fraction of its scale, that is assumed beside what the residuals show: about what
repeated trainings on the same labels differ by."""
CEILINGS, EXPONENTS = 60, 40
"""Points of the grid."""
STEEPEST = 2.0
"""Largest exponent c."""


@dataclass(frozen=True)
class Forecast:
    """A learning curve y(n) = a − b·n^(−c) that fits the stages so far, as many as are likely."""

    ceiling: NDArray[np.float64]
    """(G,) a of each curve; of an error, the floor."""
    slope: NDArray[np.float64]
    """(G,) b >= 0."""
    exponent: NDArray[np.float64]
    """(G,) c in (0, 2]."""
    weight: NDArray[np.float64]
    """(G,) how likely each is; they sum to 1."""
    noise: float
    """Standard deviation of a score around its curve."""
    sign: float
    """1 where larger is better, −1 for errors."""

    def at(self, labels: float, level: float = 0.8) -> tuple[float, float, float]:
        """(median, lowest, highest) score of a training with so many labels: the spread of the curves and the noise of
        a training together, in an interval that is meant to hold it with probability `level`."""
        values = self.sign * (self.ceiling - self.slope * labels**-self.exponent)
        middle, low, high = self._quantiles(values, (0.5, (1 - level) / 2, (1 + level) / 2))
        spread = NormalDist().inv_cdf((1 + level) / 2) * self.noise
        return middle, middle - float(np.hypot(middle - low, spread)), middle + float(np.hypot(high - middle, spread))

    def limit(self, level: float = 0.8) -> tuple[float, float, float]:
        """(median, lowest, highest) score with endless labels."""
        middle, low, high = self._quantiles(self.sign * self.ceiling, (0.5, (1 - level) / 2, (1 + level) / 2))
        return middle, low, high

    def labels_for(self, score: float) -> float:
        """Labels at which the median curve reaches a score; infinite where half of the likely curves never do."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            gap = self.ceiling - self.sign * score
            needed = np.where(gap > 0, (self.slope / gap) ** (1 / self.exponent), np.inf)
        return self._quantiles(needed, (0.5,))[0]

    def _quantiles(self, values: NDArray[np.float64], levels: Sequence[float]) -> list[float]:
        order = np.argsort(values, kind="stable")
        sums = np.cumsum(self.weight[order])
        places = np.minimum(np.searchsorted(sums, levels), len(order) - 1)
        return [float(value) for value in values[order][places]]


def forecast(labels: Sequence[float], scores: Sequence[float], larger_is_better: bool = True) -> Forecast | None:
    """The curves that fit n points; None for fewer than three.

    Each curve of a grid over a and c has the least-squares b >= 0, and the likelihood of normal errors whose variance
    is unknown: SSE^(−(n − 1)/2), with `NOISE` added to the squared residuals. Scores are at most 1 where larger is
    better; errors are at least 0.

    Args:
        labels: (n,) labelled images of each stage, above 0 and ascending.
        scores: (n,) scores of the stages, finite; fractions, or errors of any unit.
        larger_is_better: False for errors.

    Example:
        >>> n = [50, 100, 200, 400]
        >>> found = forecast(n, [0.9 - 2 * x**-0.5 for x in n])
        >>> round(found.at(800)[0], 2)
        0.82
    """
    n, y = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if len(n) < LEAST or not np.isfinite(y).all() or (n <= 0).any() or len(np.unique(n)) < LEAST:
        return None
    sign = 1.0 if larger_is_better else -1.0
    up = sign * y
    best = float(up.max())
    highest = 1.0 if larger_is_better else 0.0
    scale = 1.0 if larger_is_better else float(np.abs(y).max()) or 1.0
    top = max(highest, best + NOISE * scale)
    ceiling = np.linspace(best, top, CEILINGS)
    exponent = np.geomspace(0.05, STEEPEST, EXPONENTS)
    a, c = (grid.reshape(-1) for grid in np.meshgrid(ceiling, exponent, indexing="ij"))
    power = n[None] ** -c[:, None]
    gap = a[:, None] - up[None]
    b = np.maximum((gap * power).sum(1) / (power**2).sum(1), 0.0)
    residual = ((gap - b[:, None] * power) ** 2).sum(1)
    log_weight = -0.5 * (len(n) - 1) * np.log(residual + len(n) * (NOISE * scale) ** 2)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    noise = float(np.sqrt((weight @ residual + len(n) * (NOISE * scale) ** 2) / (len(n) - 1)))
    return Forecast(a, b, c, weight, noise, sign)


def gains(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """What the labels of each stage but the first brought: points of mIoU, or cm of RMSE less.

    Example:
        >>> gains([{"test": {"rmse_cm": 1.5}}, {"test": {"rmse_cm": 1.25}}])
        [0.25]
    """
    metric = "miou" if rows and "miou" in rows[-1]["test"] else "rmse_cm"
    scores = [row["test"].get(metric) for row in rows]
    pairs = [(a, b) for a, b in itertools.pairwise(scores) if a is not None and b is not None]
    return [100 * (b - a) if metric == "miou" else a - b for a, b in pairs]


def plateau(rows: Sequence[Mapping[str, Any]], gain: float | None, stages: int) -> bool:
    """Whether each of the last `stages` stages brought less than `gain`.

    Example:
        >>> rows = [{"test": {"miou": value}} for value in (0.5, 0.6, 0.603, 0.604)]
        >>> plateau(rows, 0.5, 2), plateau(rows, 0.5, 3), plateau(rows, None, 1)
        (True, False, False)
    """
    found = gains(rows)
    return gain is not None and len(found) >= stages and max(found[-stages:]) < gain


def said(rows: Sequence[Mapping[str, Any]], next_labels: int | None) -> list[str]:
    """What to tell after a stage, a line each: what its labels brought, and what the next ones are likely to bring.

    Args:
        rows: the stage rows so far.
        next_labels: labelled images after the next selection; None after the last stage.

    Example:
        >>> rows = [{"labelled": 50, "test": {"miou": 0.6}}, {"labelled": 100, "test": {"miou": 0.65}}]
        >>> said(rows, 150)
        ['50 labels brought +5.0 points of mIoU; a forecast needs 3 stages']
    """
    metric = next((name for name in ("miou", "rmse_cm") if rows and name in rows[-1]["test"]), None)
    known = [(row["labelled"], row["test"].get(metric)) for row in rows]
    points = [(labels, score) for labels, score in known if score is not None]
    if metric is None or len(points) < 2:
        return []
    better = metric == "miou"
    (before, old), (now, new) = points[-2:]
    unit = "points of mIoU" if better else "cm of RMSE"
    factor = 100 if better else 1
    brought = f"{now - before} labels brought {factor * (new - old):+.{1 if better else 2}f} {unit}"
    found = forecast([labels for labels, _ in points], [score for _, score in points], better)
    if found is None:
        return [f"{brought}; a forecast needs {LEAST} stages"]
    if next_labels is None:
        return [brought]
    _, low, high = found.at(next_labels)
    digits = 1 if better else 2
    change = sorted((factor * (low - new), factor * (high - new)))
    lines = [
        f"{brought}; the next {next_labels - now} are likely to bring "
        f"{change[0]:+.{digits}f} to {change[1]:+.{digits}f}"
    ]
    middle, low, high = (factor * value for value in found.limit())
    if better:
        target = 0.9 * found.limit()[0]
        more = found.labels_for(target) - now
        reach = f"needs about {more:.0f} more labels"
        if more <= 0 or more > 20 * now:
            reach = "is reached already" if more <= 0 else "is out of sight"
        lines.append(f"estimated ceiling {middle:.0f} ({low:.0f} to {high:.0f}) mIoU; 90 % of it {reach}")
    return lines
