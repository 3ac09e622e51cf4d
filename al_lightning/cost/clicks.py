"""Clicks that an annotator needs to outline the objects of an image or a region (CEREALS, Mackowiak et al. 2018).

A click is a point (x, y) in pixels of the annotated image; it belongs to the pixel in line ⌊y⌋ and column ⌊x⌋. The
points of an image resized to (h, w) are points · (w/W, h/H).

`polygon_clicks` reads the clicks of annotators. `contour_clicks` estimates them where a dataset has only class maps.
`mask_cost` counts the clicks to annotate some of the pixels of an image on their own.
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
from scipy.ndimage import binary_erosion, find_objects
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from al_lightning.core.arrays import Floats
from al_lightning.core.task import IGNORE


@dataclass(frozen=True)
class Clicks:
    """The clicks of one image, polygon by polygon."""

    points: NDArray[np.float64]
    """(N, 2) x, y."""
    labels: NDArray[Any]
    """(N,) class of the polygon: a name where polygons were read, a class index where they were traced."""
    polygons: NDArray[np.int64]
    """(N,) number of the click's polygon in the image."""

    def __len__(self) -> int:
        return len(self.points)


def polygon_clicks(source: str | PathLike[str] | Mapping[str, Any], skip: Collection[str] = ()) -> Clicks:
    """Vertices of the polygons of one Cityscapes `*_gtFine_polygons.json`, given as a file or as its content.

    Vertices outside the image are dropped. A border that two polygons have in common counts for each. Polygons marked
    `deleted` do not count.

    Args:
        source: the file or its content: `imgHeight`, `imgWidth` and `objects` of `label` and `polygon`.
        skip: labels whose polygons do not count, for instance those that are the same in all images ("ego vehicle",
            "out of roi", "rectification border"). Default (): the paper does not mention any.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no JSON of this form.

    Example:
        >>> triangle = {"label": "car", "polygon": [[0, 0], [3, 0], [0, 3]]}
        >>> len(polygon_clicks({"imgHeight": 8, "imgWidth": 8, "objects": [triangle]}))
        3
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
    """An estimate of clicks: corners of the simplified outer outline of each component of each class.

    A component is a set of 4-connected pixels of one value of the map (H, W). Its outline runs through the centres
    of its own border pixels and is simplified by Douglas and Peucker's rule: no border pixel is farther than
    `tolerance` pixels from it. So a square with sides of 4 pixels or more has 4 clicks, a straight line one pixel wide
    2, a component within the tolerance 1, and a disc of radius R one to two times π·sqrt(R/(2·tolerance)). The edge of
    the image is outlined like any other border. Holes are not outlined: as in Cityscapes, objects in them are drawn
    on top and have outlines of their own. A map of instances instead of classes gives the outlines of instances.

    Raises:
        ValueError: not a map of integers ≥ 0, or a negative tolerance.

    Example:
        >>> target = np.full((8, 8), IGNORE)
        >>> target[2:6, 2:6] = 1
        >>> contour_clicks(target).points.tolist()
        [[2.0, 2.0], [5.0, 2.0], [5.0, 5.0], [2.0, 5.0]]
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

    A ring starts at its point farthest from its centroid, a corner of its hull. At each level of the recursion the
    pieces of all rings are split together.

    Example:
        >>> corners, ring = simplify([np.array([[0, 0], [2, 0], [4, 0], [4, 3], [0, 3.0]])], tolerance=0.5)
        >>> sorted(corners.tolist()), ring.tolist()
        ([[0.0, 0.0], [0.0, 3.0], [4.0, 0.0], [4.0, 3.0]], [0, 0, 0, 0])
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
    """Sizes and first positions of the pieces 0, 1, 2, ... in an array of ascending piece numbers."""
    size = np.bincount(piece)
    return size, np.cumsum(size) - size


def _largest(values: Floats, start: NDArray[np.int64], piece: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of the largest value of each piece, the first of equals."""
    at = np.flatnonzero(values == np.maximum.reduceat(values, start)[piece])
    first: NDArray[np.int64] = at[np.searchsorted(piece[at], np.arange(len(start)))]
    return first


def click_map(points: Floats, image: tuple[int, int]) -> NDArray[np.int64]:
    """Clicks in each pixel of an image (H, W); points outside it do not count.

    Example:
        >>> click_map(np.array([[0.5, 0.5], [1.9, 0.0], [1.0, 0.9], [7.0, 7.0]]), (2, 2)).tolist()
        [[1, 2], [0, 0]]
    """
    column, line = np.floor(np.asarray(points, dtype=np.float64).reshape(-1, 2)).astype(np.int64).T
    inside = (line >= 0) & (column >= 0) & (line < image[0]) & (column < image[1])
    flat = np.bincount(line[inside] * image[1] + column[inside], minlength=image[0] * image[1])
    return flat.reshape(image)


def mask_cost(mask: NDArray[np.bool_], points: Floats, target: NDArray[np.integer[Any]], ignore: int = IGNORE) -> int:
    """Clicks to annotate the pixels of a mask (H, W) on their own: vertices + crossings + components.

    The three terms of Cai et al. (CVPR 2021), there for rectangles, for masks of any shape. Two pixels touch where
    they have a side or a corner in common; the mask's outline is closed and includes the edge of the image.
        vertices strictly inside: in a pixel of the mask that touches no pixel of the image outside the mask. So
            outermost pixels do not count, except where the image ends there too;
        crossings: pairs of pixels of the mask with a side in common and different classes, where the side ends on the
            outline;
        components: 8-connected sets of pixels of one class within the mask, one click to name each.
    A pair counts once, also in a mask one pixel wide, where its side has both ends on the outline. In a mask two
    pixels wide a pair across it counts only at the two ends of the mask. Neither mask has vertices strictly inside,
    except where the image ends. The code of Cai et al. leaves out the first pair of each side and counts components of
    void.

    Args:
        mask: pixels that are annotated; an empty mask costs nothing.
        points: (N, 2) vertices x, y; those outside the mask do not count.
        target: class map (H, W).
        ignore: value whose components cost no click; its borders count.

    Raises:
        ValueError: mask and target differ in shape.

    Example:
        >>> target = np.array([[0, 0, 1, 1]] * 4)
        >>> mask_cost(np.ones((4, 4), bool), np.array([[1.5, 1.5]]), target)  # 1 vertex, 2 crossings, 2 components
        5
    """
    if mask.shape != target.shape:
        raise ValueError(f"mask: shape {mask.shape}, but target has {target.shape}; give both the same (H, W)")
    inner = binary_erosion(mask, np.ones((3, 3)), border_value=1)
    vertices = click_map(points, mask.shape)[inner].sum()
    # ends[i, j]: at the corner where the pixels (i - 1, j - 1) and (i, j) touch, one of four is outside the mask.
    outside = np.pad(~mask, 1, constant_values=True)
    ends = outside[1:, 1:] | outside[1:, :-1] | outside[:-1, 1:] | outside[:-1, :-1]
    across = mask[:, 1:] & mask[:, :-1] & (target[:, 1:] != target[:, :-1]) & (ends[:-1, 1:-1] | ends[1:, 1:-1])
    down = mask[1:] & mask[:-1] & (target[1:] != target[:-1]) & (ends[1:-1, :-1] | ends[1:-1, 1:])
    return int(vertices + across.sum() + down.sum()) + _components(np.where(mask, target, ignore), ignore)


def _components(target: NDArray[np.integer[Any]], ignore: int) -> int:
    """8-connected components of one value other than `ignore` in a map (H, W): runs in lines, joined across lines."""
    begins = np.ones(target.shape, dtype=bool)
    begins[:, 1:] = target[:, 1:] != target[:, :-1]
    run = begins.ravel().cumsum(dtype=np.int32).reshape(target.shape) - 1
    pairs = []
    for upper, lower in ((slice(None), slice(None)), (slice(1, None), slice(-1)), (slice(-1), slice(1, None))):
        touch = target[:-1, upper] == target[1:, lower]
        touch &= begins[:-1, upper] | begins[1:, lower]  # the first contact of two runs is where one of them begins
        pairs.append(np.stack([run[:-1, upper][touch], run[1:, lower][touch]]))
    first, second = np.concatenate(pairs, axis=1)
    value = target[begins]
    graph = coo_array((np.ones(len(first), dtype=bool), (first, second)), shape=(len(value), len(value)))
    _, component = connected_components(graph, directed=False)
    return len(np.unique(component[value != ignore]))
