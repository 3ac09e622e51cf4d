"""Clicks: what it costs an annotator to outline what is in a region (CEREALS, Mackowiak et al. 2018).

A click is a point (x, y) in pixels of the annotated image; it belongs to the pixel (row ⌊y⌋, column ⌊x⌋). Points of
an image resized to (h, w) are points · (w/W, h/H). A box is (top, left, height, width) in pixels.

`polygon_clicks` reads the clicks that annotators made. `contour_clicks` stands in for them where a data set has class
maps alone: it says what outlining costs, not what anybody clicked.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, cast

import contourpy
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, gaussian_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from al_lightning.types import IGNORE, Floats

CHUNK = 2**22
"""Pixels of windows whose components are counted at once: a bound on memory."""


@dataclass(frozen=True)
class Clicks:
    """The clicks of one image, polygon by polygon."""

    points: NDArray[np.float64]
    """(N, 2) x, y."""
    labels: NDArray[Any]
    """(N,) class of the polygon: a name where polygons were read, a class index where they were traced."""
    polygons: NDArray[np.int64]
    """(N,) which polygon of the image the click belongs to."""

    def __len__(self) -> int:
        return len(self.points)


def polygon_clicks(source: str | PathLike[str] | Mapping[str, Any], skip: Collection[str] = ()) -> Clicks:
    """Vertices of the polygons of one Cityscapes `*_gtFine_polygons.json`, given as a file or as its content.

    Vertices outside the image are dropped. A border that two polygons share counts for each. Polygons marked
    `deleted` do not count.

    Args:
        source: the file or what is in it: `imgHeight`, `imgWidth` and `objects` of `label` and `polygon`.
        skip: labels that cost nothing, for instance the frame that all images share ("ego vehicle", "out of roi",
            "rectification border"). None by default: the paper does not say.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no such JSON.
    """
    name = "polygons" if isinstance(source, Mapping) else str(source)
    try:
        content = source if isinstance(source, Mapping) else json.loads(Path(source).read_text(encoding="utf-8"))
        height, width = int(content["imgHeight"]), int(content["imgWidth"])
        kept = [o for o in content["objects"] if not o.get("deleted") and o["label"] not in skip]
        rings = [np.asarray(o["polygon"], dtype=np.float64).reshape(-1, 2) for o in kept]
        labels = [str(o["label"]) for o in kept]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{name}: not a Cityscapes polygon file ({type(error).__name__}: {error}); expected imgHeight, imgWidth "
            "and objects with a label and a polygon of [x, y] pairs"
        ) from None
    points = np.concatenate([*rings, np.empty((0, 2))])
    polygons = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    inside = (points >= 0).all(1) & (points[:, 0] < width) & (points[:, 1] < height)
    return Clicks(points[inside], np.array(labels, dtype=str)[polygons[inside]], polygons[inside])


def contour_clicks(target: NDArray[np.integer[Any]], tolerance: float = 1.5, ignore: int = IGNORE) -> Clicks:
    """A stand-in for clicks: corners of the simplified outer outline of each component of each class.

    A component is a set of 4-connected pixels of one value of the map (H, W). Its outline runs through the centres
    of its own border pixels and is simplified by Douglas and Peucker's rule: no border pixel is farther than
    `tolerance` pixels from it. So a square of 4 pixels or more has 4 clicks, a straight stroke of one pixel's width
    2, a speck within the tolerance 1, and a disc of radius R one to two times π·sqrt(R/(2·tolerance)). The edge of
    the image is outlined like any other border. Holes are not outlined: as in Cityscapes, what lies in them is drawn
    on top and has an outline of its own. A map of instances instead of classes yields the outlines of instances.

    Raises:
        ValueError: not a map of integers ≥ 0, or a negative tolerance.
    """
    target = np.asarray(target)
    if target.ndim != 2 or target.dtype.kind not in "ui" or (target.size and target.min() < 0):
        raise ValueError(f"target: {target.dtype} of shape {target.shape}, expected a class map (H, W) of integers ≥ 0")
    if not tolerance >= 0:
        raise ValueError(f"tolerance={tolerance}: expected at least 0 pixels")
    rings: list[NDArray[np.float64]] = []
    labels: list[int] = []
    for value, box in enumerate(find_objects(target.astype(np.int64) + 1) if target.size else []):
        if box is None or value == ignore:
            continue
        mask = np.pad(target[box] == value, 1).astype(np.float64)
        y, x = (np.arange(side.start - 1, side.stop + 1) for side in box)
        tracer = contourpy.contour_generator(x, y, mask, fill_type=contourpy.FillType.OuterOffset)
        # At level 0.75 the line lies within half a pixel of its inner neighbour, to which rounding moves it, and
        # the mean of two diagonal pixels, 0.5, lies outside: components are 4-connected.
        outlines, offsets = cast(tuple[list[Floats], list[NDArray[np.uint32]]], tracer.filled(0.75, 2.0))
        rings += [np.rint(outline[: end[1] - 1]) for outline, end in zip(outlines, offsets, strict=True)]
        labels += [value] * len(outlines)
    points, polygons = simplify(rings, tolerance)
    return Clicks(points, np.array(labels, dtype=np.int64)[polygons], polygons)


def simplify(rings: list[NDArray[np.float64]], tolerance: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Douglas and Peucker's rule for closed rings (n, 2): the corners (N, 2), and the ring (N,) of each.

    A ring starts at its point farthest from its centroid, a corner of its hull. All pieces of all rings are split at
    once, level by level.
    """
    if not rings:
        return np.empty((0, 2)), np.empty(0, dtype=np.int64)
    points, owner = np.concatenate(rings), np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    size, start = _pieces(owner)
    previous = np.arange(len(points)) - 1
    previous[start] = start + size - 1
    moved = (points != points[previous]).any(1)
    moved[start] |= ~np.logical_or.reduceat(moved, start)
    points, owner = points[moved], owner[moved]
    size, start = _pieces(owner)
    centroid = np.add.reduceat(points, start) / size[:, None]
    first = _largest(((points - centroid[owner]) ** 2).sum(1), start, owner)
    # Each ring as a path that ends where it begins.
    owner = np.repeat(np.arange(len(rings)), size + 1)
    low = _pieces(owner)[1]
    high = low + size
    path = points[start[owner] + (first[owner] - start[owner] + np.arange(len(owner)) - low[owner]) % size[owner]]
    keep = np.zeros(len(path), dtype=bool)
    keep[low] = True
    while True:
        long = high - low > 1
        low, high = low[long], high[long]
        if not len(low):
            return path[keep], owner[keep]
        piece = np.repeat(np.arange(len(low)), high - low - 1)
        start = _pieces(piece)[1]
        index = np.arange(len(piece)) + (low + 1 - start)[piece]
        chord = path[high] - path[low]
        squared = np.maximum((chord**2).sum(1), 1e-12)
        chord, offset = chord[piece], path[index] - path[low][piece]
        along = ((offset * chord).sum(1) / squared[piece]).clip(0, 1)
        distance = ((offset - along[:, None] * chord) ** 2).sum(1)
        farthest = _largest(distance, start, piece)
        far = distance[farthest] > tolerance**2
        split = index[farthest[far]]
        keep[split] = True
        low, high = np.concatenate([low[far], split]), np.concatenate([split, high[far]])


def _pieces(piece: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sizes and first positions of the pieces 0, 1, 2, ... whose numbers stand in ascending order."""
    size = np.bincount(piece)
    return size, np.cumsum(size) - size


def _largest(values: Floats, start: NDArray[np.int64], piece: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of the largest value of each piece, the first of equals."""
    at = np.flatnonzero(values == np.maximum.reduceat(values, start)[piece])
    first: NDArray[np.int64] = at[np.searchsorted(piece[at], np.arange(len(start)))]
    return first


def click_map(points: Floats, image: tuple[int, int]) -> NDArray[np.int64]:
    """Clicks in each pixel of an image (H, W); points outside it do not count.

    `regions.box_sums` of this map is the cost of every window, and of `click_map * ~revealed` its new cost.
    """
    column, row = np.floor(np.asarray(points, dtype=np.float64).reshape(-1, 2)).astype(np.int64).T
    inside = (row >= 0) & (column >= 0) & (row < image[0]) & (column < image[1])
    flat = np.bincount(row[inside] * image[1] + column[inside], minlength=image[0] * image[1])
    return flat.reshape(image)


def click_density(points: Floats, image: tuple[int, int], sigma: float = 4.0) -> NDArray[np.float64]:
    """The click map smoothed by a Gaussian of σ pixels, mirrored at the edges so that its sum stays the clicks."""
    density: NDArray[np.float64] = gaussian_filter(click_map(points, image).astype(np.float64), sigma)
    return density


def new_clicks(box: NDArray[np.integer[Any]], points: Floats, revealed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The points (n, 2) within a box (4,) whose pixel is not yet revealed, in their order; revealed is (H, W)."""
    points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    top, left, bottom, right = _corners(np.asarray(box)[None], revealed.shape)[:, 0]
    column, row = np.floor(points).astype(np.int64).T
    inside = np.flatnonzero((row >= top) & (row < bottom) & (column >= left) & (column < right))
    fresh = ~revealed[row[inside], column[inside]]
    found: NDArray[np.float64] = points[inside[fresh]]
    return found


def box_costs(
    boxes: NDArray[np.integer[Any]], points: Floats, target: NDArray[np.integer[Any]], ignore: int | None = IGNORE
) -> NDArray[np.int64]:
    """Clicks to annotate each of the boxes (n, 4) by itself, (n,): vertices + crossings + components.

    The three terms of Cai et al. (CVPR 2021):
        vertices strictly inside: not on the box's outermost pixels, except where the image ends there too;
        crossings: pairs of neighbouring pixels along the box's outermost pixels whose classes differ;
        components: 8-connected sets of pixels of one class within the box, one click to name each.
    Their code leaves out the first pair of each side and counts components of void, as ignore=None does here.

    Args:
        points: (N, 2) vertices; target: class map (H, W).
        ignore: value whose components cost no click; its borders count.

    Raises:
        ValueError: a box holds no pixel of the image.
    """
    height, width = target.shape
    top, left, bottom, right = _corners(boxes, (height, width))
    vertices = np.pad(click_map(points, (height, width)).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    y0, x0 = top + (top > 0), left + (left > 0)
    y1, x1 = np.maximum(bottom - (bottom < height), y0), np.maximum(right - (right < width), x0)
    cost: NDArray[np.int64] = vertices[y1, x1] - vertices[y0, x1] - vertices[y1, x0] + vertices[y0, x0]
    down = np.pad((target[1:] != target[:-1]).cumsum(0), ((1, 0), (0, 0)))
    across = np.pad((target[:, 1:] != target[:, :-1]).cumsum(1), ((0, 0), (1, 0)))
    last_row, last_column = bottom - 1, right - 1
    for column, counts in ((left, True), (last_column, right - left > 1)):
        cost += (down[last_row, column] - down[top, column]) * counts
    for row, counts in ((top, True), (last_row, bottom - top > 1)):
        cost += (across[row, last_column] - across[row, left]) * counts
    sizes = np.stack([bottom - top, right - left], 1)
    for h, w in np.unique(sizes, axis=0):
        same = np.flatnonzero((sizes == (h, w)).all(1))
        views = np.lib.stride_tricks.sliding_window_view(target, (h, w))
        for part in np.array_split(same, -(-len(same) * h * w // CHUNK)):
            cost[part] += _components(views[top[part], left[part]], ignore)
    return cost


def _components(windows: NDArray[np.integer[Any]], ignore: int | None) -> NDArray[np.int64]:
    """8-connected components of equal value in each of the windows (n, h, w): runs along rows, joined across them."""
    n, h, w = windows.shape
    begins = np.ones((n, h, w), dtype=bool)
    begins[:, :, 1:] = windows[:, :, 1:] != windows[:, :, :-1]
    run = begins.ravel().cumsum().reshape(n, h, w) - 1
    pairs = []
    for upper, lower in ((slice(None), slice(None)), (slice(1, None), slice(-1)), (slice(-1), slice(1, None))):
        touch = windows[:, :-1, upper] == windows[:, 1:, lower]
        touch &= begins[:, :-1, upper] | begins[:, 1:, lower]  # the first contact of two runs is where one begins
        pairs.append(np.stack([run[:, :-1, upper][touch], run[:, 1:, lower][touch]]))
    first, second = np.concatenate(pairs, axis=1)
    runs = int(run[-1, -1, -1]) + 1 if n else 0
    graph = coo_array((np.ones(len(first), dtype=bool), (first, second)), shape=(runs, runs))
    _, component = connected_components(graph, directed=False)
    pixel = np.flatnonzero(begins)[np.unique(component, return_index=True)[1]]
    if ignore is not None:
        pixel = pixel[windows.ravel()[pixel] != ignore]
    return np.bincount(pixel // (h * w), minlength=n)


def _corners(boxes: NDArray[np.integer[Any]], image: tuple[int, ...]) -> NDArray[np.int64]:
    """(4, n) top, left, bottom, right of boxes (n, 4) clipped to the image."""
    edges = np.asarray(boxes, dtype=np.int64).reshape(-1, 4)
    start = edges[:, :2].clip(0, image)
    stop = (edges[:, :2] + edges[:, 2:]).clip(0, image)
    if (stop <= start).any():
        bad = edges[(stop <= start).any(1)][0].tolist()
        raise ValueError(
            f"box {bad}: holds no pixel of an image of {image[0]} x {image[1]}; give top, left, height, width"
        )
    return np.concatenate([start, stop], 1).T
