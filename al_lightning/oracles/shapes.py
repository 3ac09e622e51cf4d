"""Shapes of annotation tools -> masks, and masks -> run lengths: what COCO, CVAT and Label Studio have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def polygon(points: Sequence[tuple[float, float]], size: tuple[int, int]) -> Mask:
    """(H, W) the pixels whose centre lies inside a polygon (even-odd rule).

    Args:
        points: x, y of the corners in pixels, (0, 0) the upper left corner of the first pixel.
        size: (H, W) of the image.

    Raises:
        ValueError: fewer than three corners.

    Example:
        >>> polygon([(1, 1), (3, 1), (3, 2), (1, 2)], (3, 4)).astype(int).tolist()
        [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    if len(points) < 3:
        raise ValueError(f"a polygon of {len(points)} corners; expected at least 3")
    corners = np.asarray(points, dtype=np.float64)
    if not np.isfinite(corners).all():
        raise ValueError("a polygon with a corner that is no number")
    height, width = size
    inside = np.zeros(size, dtype=bool)
    first = max(0, int(np.ceil(corners[:, 1].min() - 0.5)))
    last = min(height, int(np.floor(corners[:, 1].max() - 0.5)) + 1)
    starts, ends = corners, np.roll(corners, -1, axis=0)
    for line in range(first, last):
        y = line + 0.5
        crossed = (starts[:, 1] <= y) != (ends[:, 1] <= y)
        a, b = starts[crossed], ends[crossed]
        at = np.sort(a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1]))
        for left, right in zip(at[::2], at[1::2], strict=True):
            inside[line, max(0, int(np.ceil(left - 0.5))) : max(0, min(width, int(np.ceil(right - 0.5))))] = True
    return inside


def box(left: float, top: float, right: float, bottom: float, size: tuple[int, int]) -> Mask:
    """(H, W) the pixels whose centre lies inside a rectangle."""
    return polygon([(left, top), (right, top), (right, bottom), (left, bottom)], size)


def ellipse(
    centre: tuple[float, float], radii: tuple[float, float], size: tuple[int, int], degrees: float = 0.0
) -> Mask:
    """(H, W) the pixels whose centre lies inside an ellipse that is turned clockwise.

    Example:
        >>> ellipse((2, 1.5), (1.2, 0.6), (3, 4)).astype(int).tolist()
        [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    if min(radii) <= 0:
        raise ValueError(f"an ellipse of radii {radii[0]:g} and {radii[1]:g}; expected both above 0")
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    angle = np.deg2rad(degrees)
    across, down = x - centre[0], y - centre[1]
    along = across * np.cos(angle) + down * np.sin(angle)
    aside = -across * np.sin(angle) + down * np.cos(angle)
    found: Mask = (along / radii[0]) ** 2 + (aside / radii[1]) ** 2 <= 1
    return found


def runs_of(mask: Mask, column_major: bool = False) -> list[int]:
    """Lengths of alternating runs of 0 and 1, zeros first, of a mask read by lines (or by columns, as in COCO).

    Example:
        >>> runs_of(np.array([[0, 1], [1, 1]], bool)), runs_of(np.array([[1, 1], [0, 1]], bool))
        ([1, 3], [0, 2, 1, 1])
    """
    flat = mask.reshape(-1, order="F" if column_major else "C").astype(np.int8)
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


def of_runs(runs: Iterable[int], size: tuple[int, int], column_major: bool = False) -> Mask:
    """The mask (H, W) that `runs_of` wrote.

    Raises:
        ValueError: the runs are not numbers of pixels, or do not add up to the image.

    Example:
        >>> of_runs([1, 3], (2, 2)).astype(int).tolist()
        [[0, 1], [1, 1]]
    """
    lengths = np.array([int(length) for length in runs], dtype=np.int64)
    if (lengths < 0).any() or lengths.sum() != size[0] * size[1]:
        raise ValueError(f"run lengths of {lengths.sum()} pixels; the image has {size[1]} x {size[0]}")
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return np.ascontiguousarray(flat.reshape(size, order="F" if column_major else "C"))


def areas(label: NDArray[np.uint8] | None, classes: int) -> Iterator[tuple[int, Mask, tuple[int, int, int, int]]]:
    """(class number, mask (H, W), (left, top, width, height) around it) of each class above 0 that occurs."""
    for number in range(1, classes) if label is not None else ():
        mask = np.asarray(label == number)
        if mask.any():
            lines, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            left, top = int(columns[0]), int(lines[0])
            yield number, mask, (left, top, int(columns[-1]) - left + 1, int(lines[-1]) - top + 1)
