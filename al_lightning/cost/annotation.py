"""The cost of annotation: labelled images, revealed pixels at the images' own size, and clicks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from al_lightning.config.schema import ClickTerms
from al_lightning.core.arrays import Size
from al_lightning.core.pool import Label, LabelPool
from al_lightning.core.region import Box, Region, array_of, cover, union_area
from al_lightning.core.threads import Threads
from al_lightning.cost.clicks import contour_clicks, mask_cost, polygon_clicks
from al_lightning.data.cache import Cache

ClickKind = Literal["polygons", "contours"]


class AnnotationCost:
    """Counts the pixels and clicks that a pool has revealed.

    Pixels and vertices are counted once where regions overlap. A vertex is in the pixel of the learner's grid that its
    position scales to, and a pixel of the original image in the one that its centre scales to, so that the regions that
    make up an image add up to exactly the image.

    With terms="sum" clicks are Σ c(new mask) over the labels in the order of commits. The new mask of a label is its
    region, or the whole image, without the pixels that were revealed before, in pixels of the image at its own size;
    c (`clicks.mask_cost`) is the number of vertices strictly inside it, crossings of its border, and components. The
    border of each new mask, and a component for each object that reaches into it, are counted again. So the regions of
    an image can cost more than the image, a whole pool in regions more than 100 % of `total`, and the sum depends on
    the order. It never decreases over stages, because c ≥ 0 and later labels change neither the new masks of earlier
    ones nor the targets in which these were counted.

    Args:
        cache: of the dataset.
        terms: "vertices", or "sum" of the three terms above.
    """

    def __init__(self, cache: Cache, terms: ClickTerms = "vertices") -> None:
        if terms not in get_args(ClickTerms):
            raise ValueError(f"click terms={terms!r}: expected {' or '.join(get_args(ClickTerms))}")
        self.cache, self.dataset, self.terms = cache, cache.dataset, terms
        self._vertices: dict[tuple[int, str | None], NDArray[np.float32]] = {}
        self._label_clicks: dict[int, list[tuple[Label, int]]] = {}
        """row -> its labels in the order of commits, each with its clicks."""

    @cached_property
    def kind(self) -> ClickKind | None:
        """Source of vertices: "polygons" of the annotators where every image of the pool has a file of them, else
        "contours", corners of simplified mask outlines; None for depth, which has neither."""
        if self.dataset.task.kind != "segmentation":
            return None
        file_of = self.dataset.polygons
        targets = [self.dataset.targets[row] for row in self.dataset.pool.tolist()]
        if file_of is not None and all(target is not None and file_of(target).is_file() for target in targets):
            return "polygons"
        return "contours"

    def vertices(self, row: int, file: str | None = None, target: NDArray[Any] | None = None) -> NDArray[np.float32]:
        """(n, 2) all vertices x, y of an image at its own size; reads the target `file` unless `target` is given."""
        key = (row, file)
        if key not in self._vertices:
            if self.kind == "polygons" and file is None and self.dataset.polygons is not None:
                found = polygon_clicks(self.dataset.polygons(self.dataset.target_file(row)))
            else:
                found = contour_clicks(self._target(row, file) if target is None else target)
            self._vertices[key] = _within(found.points, self.cache.native_size(row))
        return self._vertices[key]

    def points(self, row: int, file: str | None = None) -> NDArray[np.float32]:
        """(n, 2) all vertices x, y of an image, scaled to the learner's size; reads the target `file`."""
        height, width = self.cache.native_size(row)
        scale = np.array([self.dataset.size[1] / width, self.dataset.size[0] / height])
        return _within(self.vertices(row, file) * scale, self.dataset.size)

    def clicks(self, pool: LabelPool, row: int) -> NDArray[np.float64]:
        """(n, 2) vertices x, y of an image that lie in its revealed pixels, in the learner's grid.

        Only vertices, with any `terms`: the cost network learns a density of clicks per pixel, and crossings and
        components belong to a region, not to a pixel.
        """
        points = self.points(row, pool.target(row))
        if pool.size is not None:
            column, line = np.floor(points).astype(np.int64).T
            points = points[pool.revealed(row)[line, column]]
        return points.astype(np.float64)

    def pixels(self, pool: LabelPool, row: int) -> int:
        """Revealed pixels of an image at its own size."""
        if pool.size is None:
            return self.cache.pixels(row)
        return native_area(pool.regions(row), pool.size, self.cache.native_size(row))

    def cost(self, pool: LabelPool) -> dict[str, float | None]:
        """The cost of the labels of a pool by term: images with a label, revealed pixels, and clicks in these (None for
        depth)."""
        return {term: measure.labelled(self, pool) for term, measure in MEASURES.items()}

    def total(self, targets: bool = True) -> dict[str, float | None]:
        """The cost of labelling all images of the pool as wholes, by term; clicks with terms="sum" are Σ c(image).

        Args:
            targets: read every target, which only simulated labels allow; otherwise terms that need targets are None.
        """
        return {
            term: measure.everything(self) if targets or not measure.opens_targets else None
            for term, measure in MEASURES.items()
        }

    def pool_pixels(self) -> int:
        """Pixels of all images of the pool at their own size; reads no target."""
        return sum(self.cache.pixels(row) for row in self.dataset.pool.tolist())

    def _pixels(self, pool: LabelPool) -> int:
        return sum(self.pixels(pool, row) for row in pool.annotated.tolist())

    def _pool_clicks(self) -> int | None:
        if self.kind is None:
            return None
        image = self._image_sum if self.terms == "sum" else lambda row: len(self.vertices(row))
        return _over(image, self.dataset.pool.tolist())

    def _clicks(self, pool: LabelPool) -> int | None:
        if self.kind is None:
            return None
        if self.terms == "vertices":
            return sum(len(self.clicks(pool, row)) for row in pool.annotated.tolist())
        labels: dict[int, list[Label]] = {}
        for label in pool.labels:
            labels.setdefault(label.row, []).append(label)
        return _over(lambda row: self._sum(row, labels[row], pool.size or self.dataset.size), labels)

    def _image_sum(self, row: int) -> int:
        target = self._target(row, None)
        return mask_cost(np.ones(target.shape, dtype=bool), self.vertices(row, None, target), target)

    def _sum(self, row: int, labels: list[Label], grid: Size) -> int:
        """Σ c(new mask) over the labels of one image in the order of commits; labels counted before are looked up."""
        counted_labels = self._label_clicks.setdefault(row, [])
        pairs = zip(counted_labels, labels, strict=False)
        counted = len(list(takewhile(lambda pair: pair[0][0] == pair[1], pairs)))
        del counted_labels[counted:]
        regions = [label.region or Box(0, 0, *grid) for label in labels]
        revealed = cover(regions[:counted], grid)
        targets: dict[str | None, NDArray[Any]] = {}
        for label, region in zip(labels[counted:], regions[counted:], strict=True):
            if label.target not in targets:
                targets = {label.target: self._target(row, label.target)}
            fresh = np.zeros(grid, dtype=bool)
            fresh[region.window] = ~revealed[region.window] & region.pixels
            revealed[region.window] |= region.pixels
            counted_labels.append((label, self._mask_cost(row, label.target, targets[label.target], fresh)))
        return sum(clicks for _, clicks in counted_labels)

    def _mask_cost(self, row: int, file: str | None, target: NDArray[Any], fresh: NDArray[np.bool_]) -> int:
        """c of the pixels of an image that scale into a mask of the learner's grid."""
        at = _scaled(target.shape, fresh.shape)
        hit = [np.flatnonzero(np.logical_or.reduce(fresh, axis=1 - axis)[index]) for axis, index in enumerate(at)]
        if not (len(hit[0]) and len(hit[1])):
            return 0  # a grid finer than the image: the mask is between the centres of its pixels
        # With one more pixel on each side, so that mask_cost sees where the image does not end.
        y, x = (slice(max(int(lines[0]) - 1, 0), int(lines[-1]) + 2) for lines in hit)
        points = self.vertices(row, file, target) - np.array([x.start, y.start])
        return mask_cost(fresh[at[0][y]][:, at[1][x]], points, target[y, x])

    def _target(self, row: int, file: str | None) -> NDArray[Any]:
        return self.dataset.read_target(row, Path(file) if file else None)


class Measure(NamedTuple):
    """The functions that count one term of the cost."""

    labelled: Callable[[AnnotationCost, LabelPool], float | None]
    """For the labels of a pool."""
    everything: Callable[[AnnotationCost], float | None]
    """For all images of the pool."""
    opens_targets: bool


MEASURES: dict[str, Measure] = {
    "images": Measure(lambda cost, pool: len(pool.annotated), lambda cost: len(cost.dataset.pool), False),
    "pixels": Measure(AnnotationCost._pixels, AnnotationCost.pool_pixels, False),
    "clicks": Measure(AnnotationCost._clicks, AnnotationCost._pool_clicks, True),
}
"""Term of "cost" in a stage row -> how it is counted; `cost.terms` has its name and unit in reports."""


def native_area(regions: Sequence[Region], grid: Size, native: Size) -> int:
    """Pixels of an image of its own size (H, W) whose centres scale into regions of the learner's grid; each once.

    Example:
        >>> native_area([Box(0, 0, 1, 1)], grid=(2, 2), native=(4, 6))
        6
    """
    lines, columns = _scaled(native, grid)
    if not all(isinstance(region, Box) for region in regions):
        return int(cover(regions, grid)[lines][:, columns].sum())
    boxes = array_of(regions)
    top, bottom = np.searchsorted(lines, [boxes[:, 0], boxes[:, 0] + boxes[:, 2]])
    left, right = np.searchsorted(columns, [boxes[:, 1], boxes[:, 1] + boxes[:, 3]])
    return union_area(np.stack([top, left, bottom - top, right - left], 1), native)


def _over(count: Callable[[int], int], rows: Iterable[int]) -> int:
    """Σ over rows in threads, because reading files and most of the counting release Python's global lock."""
    with Threads() as threads:
        return sum(threads.map(count, rows))


def _scaled(native: tuple[int, ...], grid: tuple[int, ...]) -> list[NDArray[np.int64]]:
    """For each axis the index in the learner's grid that the centre of each line or column of the image scales to."""
    return [((np.arange(n) + 0.5) * m / n).astype(np.int64) for n, m in zip(native, grid, strict=True)]


def _within(points: NDArray[np.floating[Any]], size: tuple[int, int]) -> NDArray[np.float32]:
    """The points (n, 2) as float32, kept inside the image (H, W) where rounding would move them to its far border."""
    far = np.nextafter(np.array(size[::-1], dtype=np.float32), np.float32(0))
    return np.minimum(points.astype(np.float32), far)
