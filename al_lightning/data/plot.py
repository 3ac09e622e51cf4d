"""A figure of an image and its target; drawn without pyplot, so that it needs no display and leaves no state."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from al_lightning.core.task import IGNORE, Task

LEGEND = 1.5
"""Inches beside the two panels for the legend or the colour bar."""
FONT = 8
LINE = 0.18
"""Inches of a line of the legend."""


def class_colours(classes: int) -> NDArray[np.float64]:
    """(classes + 1, 3) RGB in [0, 1], one a class; the last is that of void.

    Two classes are black and white with a grey void; more are the 20 colours of tab20, then evenly spaced hues, with a
    white void.

    Example:
        >>> class_colours(2).tolist()
        [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.5, 0.5, 0.5]]
        >>> class_colours(11).shape
        (12, 3)
    """
    if classes == 2:
        return np.array([[0.0] * 3, [1.0] * 3, [0.5] * 3])
    if classes <= 20:
        colours = matplotlib.colormaps["tab20"](np.arange(classes))
    else:
        colours = matplotlib.colormaps["hsv"](np.arange(classes) / classes)
    return np.vstack([np.asarray(colours)[:, :3], np.ones((1, 3))])


def colour_classes(target: NDArray[Any], classes: int) -> NDArray[np.float64]:
    """(H, W) class indices and `IGNORE` -> (H, W, 3) RGB in [0, 1].

    Example:
        >>> colour_classes(np.array([[0, 1, 255]]), 2)[0, :, 0].tolist()
        [0.0, 1.0, 0.5]
    """
    found: NDArray[np.float64] = class_colours(classes)[np.where(target == IGNORE, classes, target)]
    return found


def plot_sample(
    image: NDArray[np.uint8], target: NDArray[Any] | None, task: Task, title: str, width: float = 8.0
) -> Figure:
    """A figure of an image beside its target.

    Args:
        image (NDArray): (H, W, 3) uint8 RGB.
        target (NDArray | None): (H, W) class indices with `IGNORE` for void, or depth in cm with NaN where it is not
            measured; None where there is none.
        task (Task): what the target holds.
        title (str): of the figure.
        width (float): of the figure, in inches. Default 8.
    """
    panel = (width - LEGEND) / 2
    height = panel * image.shape[0] / image.shape[1] + 0.7
    if task.kind == "segmentation":
        height = max(height, LINE * (len(task.classes) + 1) + 0.7)
    with matplotlib.rc_context({"font.size": FONT}):
        figure = Figure(figsize=(width, height), layout="constrained")
        left, right = figure.subplots(1, 2)
        figure.suptitle(title, parse_math=False)
        left.imshow(image)
        left.set_title("image")
        right.set_title("target")
        for axes in (left, right):  # a frame stays, because void is white
            axes.set(xticks=[], yticks=[], anchor="N")
        if target is None:
            right.text(0.5, 0.5, "no target yet", ha="center", va="center", transform=right.transAxes)
        elif task.kind == "depth":
            _plot_depth(right, target)
        else:
            _plot_classes(right, target, task.classes)
    return figure


def _plot_depth(axes: Axes, target: NDArray[Any]) -> None:
    shades = matplotlib.colormaps["magma"].with_extremes(bad="0.6")
    shown = axes.imshow(target, cmap=shades, vmin=0.0, interpolation="nearest")
    if not np.isfinite(target).all():
        axes.set_xlabel("grey: not measured")
    axes.figure.colorbar(shown, ax=axes, label="depth in cm", fraction=0.05)


def _plot_classes(axes: Axes, target: NDArray[Any], classes: tuple[str, ...]) -> None:
    axes.imshow(colour_classes(target, len(classes)), interpolation="nearest")
    names = [*classes, "void"] if (target == IGNORE).any() else [*classes]
    colours = class_colours(len(classes))
    handles = [Patch(facecolor=tuple(c), edgecolor="0.4", label=n) for c, n in zip(colours, names, strict=False)]
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, borderaxespad=0.0)
