"""Line figures as SVG: a metric against a budget, one line and band a strategy.

Only matplotlib's object interface: no pyplot, no window, no state that a caller could trip over.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from al_lightning.report.text import pieces

Floats = NDArray[np.floating[Any]]

# Okabe & Ito's palette without yellow (too pale on white); grey is kept for the baseline.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
BASELINE = "#6b6b6b"

STYLE: Any = {
    "svg.fonttype": "path",
    "svg.hashsalt": "al-lightning",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": "#8a8a8a",
    "axes.labelcolor": "#1d1d1f",
    "axes.linewidth": 0.8,
    "xtick.color": "#8a8a8a",
    "ytick.color": "#8a8a8a",
    "xtick.labelcolor": "#1d1d1f",
    "ytick.labelcolor": "#1d1d1f",
}


@dataclass(frozen=True)
class Style:
    """How one strategy looks in every figure."""

    colour: str
    marker: str
    dash: str

    @property
    def line(self) -> dict[str, Any]:
        """Arguments of a line with its points."""
        return {
            "color": self.colour,
            "linestyle": self.dash,
            "marker": self.marker,
            "linewidth": 1.7,
            "markersize": 5.5,
            "markeredgewidth": 1.6 if self.marker == "x" else 0.0,
        }


@dataclass(frozen=True)
class Line:
    """One strategy in one figure; all arrays (K,)."""

    label: str
    style: Style
    x: Floats
    mean: Floats
    low: Floats
    """NaN where there is no band."""
    high: Floats


def styles(labels: Sequence[str], baseline: str | None = None) -> dict[str, Style]:
    """label -> style: colours and markers by turn, dashes after the last colour; the baseline in grey.

    Example:
        >>> look = styles(["core", "random"], baseline="random")
        >>> look["core"].colour, look["random"] == Style(BASELINE, "x", "--")
        ('#0072B2', True)
    """
    chosen: dict[str, Style] = {}
    k = 0
    for label in labels:
        if label == baseline:
            chosen[label] = Style(BASELINE, "x", "--")
            continue
        turn = k // len(COLOURS)
        chosen[label] = Style(COLOURS[k % len(COLOURS)], MARKERS[(k + turn) % len(MARKERS)], ("-", "-.", ":")[turn % 3])
        k += 1
    return chosen


def draw(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    reference: tuple[str, float] | None = None,
    size: tuple[float, float] = (5.0, 3.5),
    whole_x: bool = False,
) -> str:
    """An SVG document, text as paths; the same for the same arguments.

    Args:
        lines: what to draw; the last one is drawn lowest.
        x_label, y_label: labels of the axes, with units.
        reference: name and height of a horizontal line, such as the metric with all labels.
        size: width and height in inches.
        whole_x: whether the ticks of x are whole numbers only, as a number of images asks for.

    Example:
        >>> x, y, none = np.array([30, 60]), np.array([61.0, 72.0]), np.full(2, np.nan)
        >>> svg = draw([Line("core", styles(["core"])["core"], x, y, none, none)], "Labelled images", "mIoU (%)")
        >>> svg.count("<svg")
        1
    """
    with matplotlib.rc_context(STYLE):
        figure, axes = empty(size)
        if reference is not None:
            name, height = reference
            axes.axhline(height, color="#1d1d1f", linewidth=1, linestyle=(0, (1, 2)))
            # At the left end, where the curves are furthest from what all labels give.
            axes.text(0.01, height, name, transform=axes.get_yaxis_transform(), va="bottom", fontsize=9)
        for depth, line in enumerate(reversed(lines)):
            order = np.argsort(line.x, kind="stable")
            x = line.x[order]
            axes.fill_between(
                x,
                line.low[order],
                line.high[order],
                color=line.style.colour,
                alpha=0.15,
                linewidth=0,
                zorder=2,
            )
            axes.plot(
                x,
                line.mean[order],
                **line.style.line,
                # matplotlib leaves a label that begins with an underscore out of the legend.
                label=f" {line.label}" if line.label.startswith("_") else line.label,
                zorder=3 + depth,
            )
        finish(axes, x_label, y_label, whole_x)
        _limit(axes, lines, reference)
        _legend(figure, axes)
        return svg(figure)


def empty(size: tuple[float, float]) -> tuple[Figure, Axes]:
    """A figure of so many inches, and its axes; to be called with `STYLE` on."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e3e3e3", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def finish(axes: Axes, x_label: str, y_label: str, whole_x: bool) -> None:
    """Labels and ticks, after all lines are drawn."""
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10], integer=whole_x))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    axes.ticklabel_format(useOffset=False)
    axes.margins(x=0.03, y=0.06)


def svg(figure: Figure) -> str:
    """The figure as a document; to be called with `STYLE` on."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return buffer.getvalue()


def _limit(axes: Axes, lines: Sequence[Line], reference: tuple[str, float] | None) -> None:
    """Heights from the means, with at most a quarter of their range for the bands, so that one wide band does not
    flatten every curve."""
    means = np.concatenate([line.mean[np.isfinite(line.mean)] for line in lines] + [np.empty(0)])
    if reference is not None:
        means = np.append(means, reference[1])
    if len(means) == 0 or np.ptp(means) == 0:
        return
    low, high, room = float(means.min()), float(means.max()), float(np.ptp(means))
    lows = [float(np.nanmin(line.low)) for line in lines if np.isfinite(line.low).any()]
    highs = [float(np.nanmax(line.high)) for line in lines if np.isfinite(line.high).any()]
    low, high = max(min([low, *lows]), low - 0.25 * room), min(max([high, *highs]), high + 0.25 * room)
    axes.set_ylim(low - 0.04 * (high - low), high + 0.04 * (high - low))


def wrapped(label: str, width: int) -> str:
    """A label on lines of at most `width` characters, as far as its `pieces` allow.

    Example:
        >>> print(wrapped("package.module.Name,gamma=0.3,k=5", 24))
        package.module.Name,
        gamma=0.3,k=5
    """
    lines = [""]
    for piece in pieces(label):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def _legend(figure: Figure, axes: Axes) -> None:
    """Above the axes, line by line, in the order that the tables have."""
    handles, labels = axes.get_legend_handles_labels()
    # A letter is about 1/13 inch wide, and a handle with its gaps six letters.
    room = int(figure.get_figwidth() * 13)
    pairs = [(handle, wrapped(label, room - 6)) for handle, label in zip(handles, labels, strict=True)][::-1]
    widest = max((len(line) for _, label in pairs for line in label.split("\n")), default=1)
    columns = max(1, min(len(pairs), room // (widest + 6)))
    # matplotlib fills a legend column by column.
    pairs = [pair for k in range(columns) for pair in pairs[k::columns]]
    figure.legend(
        [handle for handle, _ in pairs],
        [label for _, label in pairs],
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        handlelength=2.4,
        fontsize=9.5,
    )
