"""What the next labels are likely to bring: a power law through the stages so far, with its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

LEAST = 3
"""Stages below which nothing is said: two points fit every curve."""
LEVEL = 0.8
"""Probability with which an interval is meant to hold what comes."""
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

    def at(self, labels: float, level: float = LEVEL, trainings: int = 1) -> tuple[float, float, float]:
        """(median, lowest, highest) mean score of some trainings with so many labels: the spread of the curves and the
        noise of the trainings together, in an interval that is meant to hold it with probability `level`."""
        values = self.sign * (self.ceiling - self.slope * labels**-self.exponent)
        middle, low, high = self._quantiles(values, (0.5, (1 - level) / 2, (1 + level) / 2))
        spread = NormalDist().inv_cdf((1 + level) / 2) * self.noise / np.sqrt(trainings)
        found = (middle, middle - np.hypot(middle - low, spread), middle + np.hypot(high - middle, spread))
        # A score is at most 1, an error at least 0, whatever noise is added.
        kept = [float(min(value, 1.0) if self.sign > 0 else max(value, 0.0)) for value in found]
        return kept[0], kept[1], kept[2]

    def limit(self, level: float = LEVEL) -> tuple[float, float, float]:
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
    """The curves that fit n points, of one seed or of several; None for fewer than three numbers of labels.

    Each curve of a grid over a and c has the least-squares b >= 0, and the likelihood of normal errors whose variance
    is unknown: SSE^(−(n − 1)/2), with `NOISE` added to the squared residuals. Scores are at most 1 where larger is
    better; errors are at least 0.

    Args:
        labels: (n,) labelled images of each point, above 0, in any order.
        scores: (n,) scores of the points, finite; fractions, or errors of any unit.
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
