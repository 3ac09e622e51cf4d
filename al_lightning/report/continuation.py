"""A learning curve and its forecast as SVG: points and mean as they are, what comes dashed and in a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np

from al_lightning.report.figures import STYLE, Floats, Style, empty, finish, svg, wrapped

AHEAD = 3
"""Selections that are drawn ahead."""
SIZE = (4.4, 3.0)
"""Width and height in inches."""


@dataclass(frozen=True)
class Continued:
    """One strategy, its stages and what follows; scores in the unit of the axis."""

    label: str
    style: Style
    points: Floats
    """(n, 2) labels and score of each seed and stage."""
    mean: Floats
    """(K, 2) labels and mean score of each stage."""
    ahead: Floats
    """(A, 4) labels, likely score, lowest and highest, from the last stage on."""

    @property
    def limits(self) -> tuple[float, float, float, float]:
        """(leftmost, rightmost, lowest, highest) of what is drawn; the band with no more than half of the height, for
        it may be wide."""
        x, y = np.concatenate([self.points, self.ahead[:, :2]]).T
        low, high = float(y.min()), float(y.max())
        room = 0.5 * (high - low)
        lowest, highest = min(low, self.ahead[:, 2].min()), max(high, self.ahead[:, 3].max())
        return float(x.min()), float(x.max()), float(max(lowest, low - room)), float(min(highest, high + room))


def draw_continued(one: Continued, limits: Sequence[float], x_label: str, y_label: str) -> str:
    """An SVG document, text as paths; the same for the same arguments.

    Args:
        one: what to draw.
        limits: as `Continued.limits`, of all figures that are to be compared.
        x_label, y_label: labels of the axes, with units.

    Example:
        >>> look = Style("#0072B2", "o", "-")
        >>> seen = np.array([[30, 60.0], [60, 70], [90, 74]])
        >>> ahead = np.array([[90, 74, 72, 76.0], [120, 76, 72, 79]])
        >>> one = Continued("core", look, seen, seen, ahead)
        >>> draw_continued(one, one.limits, "Labelled images", "mIoU (%)").count("<svg")
        1
    """
    left, right, low, high = limits
    with matplotlib.rc_context(STYLE):
        figure, axes = empty(SIZE)
        colour = one.style.colour
        x, likely, lowest, highest = one.ahead.T
        axes.axvspan(x[0], right + 0.05 * (right - left), color="#f3f3f5", linewidth=0, zorder=0)
        axes.fill_between(x, lowest, highest, color=colour, alpha=0.18, linewidth=0, zorder=2)
        for edge in (lowest, highest):
            axes.plot(x, edge, color=colour, linewidth=0.8, linestyle=(0, (2, 2)), zorder=2)
        axes.plot(x, likely, color=colour, linewidth=1.7, linestyle=(0, (4, 2.5)), zorder=3)
        if len(one.points) > len(one.mean):
            axes.plot(*one.points.T, color=colour, linestyle="", marker=".", markersize=4, alpha=0.5, zorder=3)
        axes.plot(*one.mean.T, **one.style.line | {"linestyle": "-"}, zorder=4)
        falls = one.mean[-1, 1] < one.mean[0, 1]
        axes.text(
            0.99,
            0.98 if falls else 0.02,
            "forecast",
            transform=axes.transAxes,
            ha="right",
            va="top" if falls else "bottom",
            fontsize=9,
            color="#5c5c61",
        )
        finish(axes, x_label, y_label, whole_x=True)
        axes.set_xlim(left - 0.03 * (right - left), right + 0.03 * (right - left))
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        axes.set_title(wrapped(one.label, int(SIZE[0] * 13)), loc="left", fontsize=10, color="#1d1d1f")
        return svg(figure)
