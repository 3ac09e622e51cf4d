"""Sums over windows, non-maximum suppression, and selection up to an area (CEREALS, Mackowiak et al. 2018).

A window of size (h, w) is clipped to the image: a larger one becomes the image, which then has one window. Windows
start at 0, s, 2s, ... along each axis, where s is the step, and a last one ends at the border of the image, so that
every pixel is in a window for any step. H' and W' are the numbers of these starts.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from al_lightning.core.arrays import Floats, Rows, Size

SEGMENT = 64
"""Number of neighbouring windows of one line whose maximum `suppress` stores."""


def clipped(size: Size, image: Size) -> Size:
    """The window (h, w) inside an image (H, W).

    Raises:
        ValueError: a side is below one pixel.

    Example:
        >>> clipped((128, 128), (96, 256))
        (96, 128)
    """
    if min(size) < 1 or min(image) < 1:
        raise ValueError(f"size={size}, image={image}: expected a window and an image of at least one pixel a side")
    return min(size[0], image[0]), min(size[1], image[1])


def starts(length: int, window: int, step: int = 1) -> Rows:
    """First pixels of the windows along one axis, ascending; the last window ends at `length`.

    Raises:
        ValueError: the step is below 1.

    Example:
        >>> starts(10, window=4, step=4).tolist()
        [0, 4, 6]
    """
    if step < 1:
        raise ValueError(f"step={step}: expected at least 1 pixel")
    last = max(length - window, 0)
    return np.append(np.arange(0, last, step), last).astype(np.int64)


def box_sums(maps: Tensor, size: Size, step: int = 1) -> Tensor:
    """Sum over every window: (B, H, W) -> (B, H', W').

    The sums are built by doubling (of 2, 4, 8, ... neighbours along each axis), not from an integral image: every
    window adds its pixels in the same order, so equal windows have equal sums and empty ones exactly 0, and the
    rounding error grows with ln(h·w) and not with the sum over the image. Floats keep their type (16-bit ones become
    float32); masks become int32, integers int64, whose sums are exact.

    Raises:
        ValueError: not three axes, a side or a step below 1.

    Example:
        >>> box_sums(torch.ones(1, 3, 4), (2, 2), step=2).tolist()
        [[[4.0, 4.0], [4.0, 4.0]]]
    """
    if maps.ndim != 3:
        raise ValueError(f"maps: shape {tuple(maps.shape)}, expected (B, H, W)")
    if not maps.is_floating_point():
        maps = maps.int() if maps.dtype == torch.bool else maps.long()
    elif maps.dtype in (torch.float16, torch.bfloat16):
        maps = maps.float()
    window = clipped(size, (maps.shape[1], maps.shape[2]))
    for dim, n in ((1, window[0]), (2, window[1])):
        first = starts(maps.shape[dim], n, step)
        maps = _sliding(maps, n, dim)
        if step > 1:
            maps = maps.index_select(dim, torch.as_tensor(first, device=maps.device))
    return maps


def _sliding(maps: Tensor, n: int, dim: int) -> Tensor:
    """Sums of n neighbours along `dim`, put together from those of 1, 2, 4, ... that the binary digits of n name."""
    length = maps.shape[dim] - n + 1
    total: Tensor | None = None
    offset, width = 0, 1
    while True:
        if n & width:
            sums = maps.narrow(dim, offset, length)
            total = sums if total is None else total + sums
            offset += width
        if 2 * width > n:
            assert total is not None
            return total
        kept = maps.shape[dim] - width
        maps = maps.narrow(dim, 0, kept) + maps.narrow(dim, width, kept)
        width *= 2


def information(entropy_map: Tensor, size: Size, classes: int, votes: int | None = None, step: int = 1) -> Tensor:
    """I = Σ_window H / (h·w·ln N), in [0, 1]: entropy (B, H, W) in nats -> (B, H', W').

    Args:
        entropy_map: 0 on revealed pixels.
        size: of the window; h·w is its area after clipping.
        classes: number of classes.
        votes: number M of passes where the map is a vote entropy: N = min(M, classes), otherwise N = classes.
        step: pixels between neighbouring windows.

    Raises:
        ValueError: fewer than two classes or passes.

    Example:
        >>> information(torch.full((1, 2, 2), log(2)), (2, 2), classes=2).round(decimals=3).tolist()
        [[[1.0]]]
    """
    outcomes = classes if votes is None else min(votes, classes)
    if outcomes < 2:
        raise ValueError(f"classes={classes}, votes={votes}: entropy needs at least 2 classes, and 2 passes to vote")
    h, w = clipped(size, (entropy_map.shape[-2], entropy_map.shape[-1]))
    return box_sums(entropy_map, size, step) / (h * w * log(outcomes))


def product(information: Tensor, cost: Tensor) -> Tensor:
    """g = (1 − C)·I, eq. 4 of the paper and the best there.

    Example:
        >>> product(torch.tensor([0.5]), torch.tensor([0.25])).tolist()
        [0.375]
    """
    return (1 - cost) * information


def info_only(information: Tensor, cost: Tensor) -> Tensor:
    """g = I.

    Example:
        >>> info_only(torch.tensor([0.5]), torch.tensor([1.0])).tolist()
        [0.5]
    """
    return information


def ratio(information: Tensor, cost: Tensor, eps: float = 0.1) -> Tensor:
    """g = I / (C + ε). Form and ε are ours; with ε = 0.1 a window without cost counts 11 times one of cost 1.

    Example:
        >>> ratio(torch.tensor([0.5, 0.5]), torch.tensor([0.0, 0.75]), eps=0.25).tolist()
        [2.0, 0.5]
    """
    return information / (cost + eps)


def difference(information: Tensor, cost: Tensor, weight: float = 1.0) -> Tensor:
    """g = I − λC; the form is ours.

    Example:
        >>> difference(torch.tensor([0.75]), torch.tensor([0.5])).tolist()
        [0.25]
    """
    return information - weight * cost


FUSIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "product": product,
    "info_only": info_only,
    "ratio": ratio,
    "difference": difference,
}
"""(I, C) -> g, of one shape; I and C in [0, 1]."""


def suppress(
    values: Tensor, size: Size, image: Size, step: int = 1, most: int | None = None
) -> list[NDArray[np.float64]]:
    """Greedy non-maximum suppression within each image: B arrays (K, 3) of (top, left, value), best first.

    The best window is taken and all that overlap it are dropped, until none is left. Of equal values the topmost is
    taken, then the leftmost. K ≤ floor(H/h)·floor(W/w), which is attained: of the pixels in lines a·h − 1 and columns
    b·w − 1 (a, b = 1, 2, ...) every window contains exactly one, and disjoint windows contain different ones.

    Args:
        values: (B, H', W'), −inf for windows that must not be taken.
        size: of the window, as for `box_sums`.
        image: (H, W).
        step: pixels between neighbouring windows, as for `box_sums`.
        most: maximum of windows per image; None for no limit.

    Raises:
        ValueError: shapes do not fit, a value is NaN or +inf, `most` is negative.

    Example:
        >>> values = torch.tensor([[[1.0, 3.0, 2.0]]])  # three windows of 1 x 2 pixels that overlap
        >>> suppress(values, (1, 2), (1, 4))[0].tolist()
        [[0.0, 1.0, 3.0]]
    """
    h, w = clipped(size, image)
    tops, lefts = starts(image[0], h, step), starts(image[1], w, step)
    if values.ndim != 3 or values.shape[1:] != (len(tops), len(lefts)):
        raise ValueError(
            f"values: shape {tuple(values.shape)}, expected (B, {len(tops)}, {len(lefts)}) for windows of {h} x {w} "
            f"every {step} pixels of {image[0]} x {image[1]}"
        )
    if most is not None and most < 0:
        raise ValueError(f"most={most}: expected at least 0, or None for no limit")
    bound = (image[0] // h) * (image[1] // w)
    limit = bound if most is None else min(most, bound)
    maps = values.detach().float() if values.dtype in (torch.float16, torch.bfloat16) else values.detach()
    return [_suppress_one(one, tops, lefts, (h, w), limit) for one in maps.cpu().numpy()]


def _suppress_one(values: NDArray[Any], tops: Rows, lefts: Rows, size: Size, limit: int) -> NDArray[np.float64]:
    # Maxima of short segments of each line are stored: a pick reads these and recomputes only the segments it changes.
    lines, columns = values.shape
    segments = -(-columns // SEGMENT)
    open_ = np.full((lines, segments * SEGMENT), -np.inf, dtype=np.result_type(values.dtype, np.float32))
    open_[:, :columns] = values
    blocks = open_.reshape(lines, segments, SEGMENT)
    maxima = blocks.max(2)
    best = maxima.max()
    if np.isnan(best) or best == np.inf:
        raise ValueError("values: NaN or +inf among them; exclude windows with −inf, and check the learner")
    picks: list[tuple[int, int, float]] = []
    while len(picks) < limit:
        line, segment = divmod(int(maxima.argmax()), segments)
        value = maxima[line, segment]
        if value == -np.inf:
            break
        column = segment * SEGMENT + int(blocks[line, segment].argmax())
        top, left = int(tops[line]), int(lefts[column])
        picks.append((top, left, float(value)))
        above, below = np.searchsorted(tops, [top - size[0] + 1, top + size[0]])
        before, after = np.searchsorted(lefts, [left - size[1] + 1, left + size[1]])
        open_[above:below, before:after] = -np.inf
        touched = slice(before // SEGMENT, -(-after // SEGMENT))
        maxima[above:below, touched] = blocks[above:below, touched].max(2)
    return np.array(picks, dtype=np.float64).reshape(-1, 3)


def fill_area(values: Floats, areas: NDArray[Any], wanted: float) -> Rows:
    """Positions of regions by descending value, up to the first with which their area reaches `wanted`.

    The area can thus exceed `wanted` by less than that of the last region. Of equal values the lower position comes
    first. Regions of value −inf or without area are never taken.

    Args:
        values: (R,) g of the regions of all images.
        areas: (R,) their new pixels; regions of one image are disjoint, so that these add up.
        wanted: pixels to reveal.

    Raises:
        ValueError: lengths differ, a value is NaN, an area is negative.

    Example:
        >>> fill_area(np.array([0.2, 0.9, 0.5]), np.array([16, 16, 16]), wanted=20).tolist()
        [1, 2]
    """
    values, areas = np.asarray(values, dtype=np.float64), np.asarray(areas, dtype=np.int64)
    if values.shape != areas.shape or values.ndim != 1:
        raise ValueError(f"values {values.shape} and areas {areas.shape}: expected one of each per region")
    if np.isnan(values).any() or (areas < 0).any():
        raise ValueError("values must not be NaN, areas not negative")
    order = np.argsort(-values, kind="stable")
    order = order[(values[order] > -np.inf) & (areas[order] > 0)]
    area_before = np.cumsum(areas[order]) - areas[order]
    taken: Rows = order[area_before < wanted]
    return taken
