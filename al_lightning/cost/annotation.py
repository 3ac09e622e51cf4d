"""What annotation costs: images, pixels at their own size, and clicks of what is revealed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from al_lightning.cost.clicks import contour_clicks, mask_cost, polygon_clicks
from al_lightning.data.cache import Cache

ClickKind = Literal["polygons", "contours"]


class AnnotationCost:
    """Counts the pixels and clicks that a pool has revealed.

    Pixels and vertices are counted of unions: one in two regions is charged once, for the first of them. A vertex lies
    in the pixel of the learner's grid that its position scales to, and a pixel of the original image in the one that
    its centre scales to; so the regions of an image add up to exactly the image.

    With terms="sum" clicks are Σ c(new part) over the labels in the order of commits. The new part of a label is its
    region, or the whole image, less what was revealed before, in pixels of the image at its own size, and c
    (`clicks.mask_cost`) adds to the vertices strictly inside the crossings of its border and its components. Each part
    pays for its own border and names again the objects that reach into it. So the regions of an image can cost more
    than the image, whole pools in regions more than 100 % of `total`, and another order costs another sum. It never
    decreases over stages: c ≥ 0, and later labels do not change the parts of earlier ones, nor the targets these were
    counted in.

    Args:
        cache: of the dataset whose labels are counted.
        terms: "vertices", or "sum" of the three terms above.
    """

    def __init__(self, cache: Cache, terms: ClickTerms = "vertices") -> None:
        if terms not in get_args(ClickTerms):
            raise ValueError(f"click terms={terms!r}: expected {' or '.join(get_args(ClickTerms))}")
        self.cache, self.dataset, self.terms = cache, cache.dataset, terms
        self._vertices: dict[tuple[int, str | None], NDArray[np.float32]] = {}
        self._spent: dict[int, list[tuple[Label, int]]] = {}
        """row -> its labels in the order of commits, each with the sum that it has cost."""

    @cached_property
    def kind(self) -> ClickKind | None:
        """Where vertices come from: "polygons" of the annotators where every image of the pool has its file, else
        "contours", corners of simplified mask outlines, a stand-in; None for depth, which has neither."""
        if self.dataset.task.kind != "segmentation":
            return None
        file_of = self.dataset.polygons
        targets = [self.dataset.targets[row] for row in self.dataset.pool.tolist()]
        if file_of is not None and all(target is not None and file_of(target).is_file() for target in targets):
            return "polygons"
        return "contours"

    def vertices(self, row: int, file: str | None = None, target: NDArray[Any] | None = None) -> NDArray[np.float32]:
        """(n, 2) all vertices x, y of an image at its own size; opens the target `file` unless `target` holds it."""
        key = (row, file)
        if key not in self._vertices:
            if self.kind == "polygons" and file is None and self.dataset.polygons is not None:
                found = polygon_clicks(self.dataset.polygons(self.dataset.target_file(row)))
            else:
                found = contour_clicks(self._target(row, file) if target is None else target)
            self._vertices[key] = _within(found.points, self.cache.native_size(row))
        return self._vertices[key]

    def points(self, row: int, file: str | None = None) -> NDArray[np.float32]:
        """(n, 2) all vertices x, y of an image, scaled to the learner's size; opens the target `file`."""
        height, width = self.cache.native_size(row)
        scale = np.array([self.dataset.size[1] / width, self.dataset.size[0] / height])
        return _within(self.vertices(row, file) * scale, self.dataset.size)

    def clicks(self, pool: LabelPool, row: int) -> NDArray[np.float64]:
        """(n, 2) vertices of an image that lie in what is revealed of it, in the learner's grid.

        Vertices whatever the terms: a cost network learns a density from them, and a density cannot hold a region's
        other terms. Crossings and components belong to the region that cuts them, not to a pixel.
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
        """What the labels of a pool have cost, by term: images with a label, revealed pixels, and clicks there (None
        for depth)."""
        return {term: measure.labelled(self, pool) for term, measure in MEASURES.items()}

    def total(self, targets: bool = True) -> dict[str, float | None]:
        """The same of the whole pool, for fractions, under the sum Σ c(image).

        Args:
            targets: open every target, which is for simulated labels alone; without it, terms that need them are None.
        """
        return {
            term: measure.everything(self) if targets or not measure.opens_targets else None
            for term, measure in MEASURES.items()
        }

    def pool_pixels(self) -> int:
        """Pixels of all images of the pool at their own size; opens no target."""
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
        """Σ c(new part) over the labels of one image in the order of commits; those counted before are looked up."""
        spent = self._spent.setdefault(row, [])
        pairs = zip(spent, labels, strict=False)
        counted = len(list(takewhile(lambda pair: pair[0][0] == pair[1], pairs)))
        del spent[counted:]
        regions = [label.region or Box(0, 0, *grid) for label in labels]
        revealed = cover(regions[:counted], grid)
        targets: dict[str | None, NDArray[Any]] = {}
        for label, region in zip(labels[counted:], regions[counted:], strict=True):
            if label.target not in targets:
                targets = {label.target: self._target(row, label.target)}
            fresh = np.zeros(grid, dtype=bool)
            fresh[region.window] = ~revealed[region.window] & region.pixels
            revealed[region.window] |= region.pixels
            spent.append((label, self._part(row, label.target, targets[label.target], fresh)))
        return sum(clicks for _, clicks in spent)

    def _part(self, row: int, file: str | None, target: NDArray[Any], fresh: NDArray[np.bool_]) -> int:
        """c of the pixels of an image that a mask of the learner's grid scales to."""
        at = _scaled(target.shape, fresh.shape)
        hit = [np.flatnonzero(np.logical_or.reduce(fresh, axis=1 - axis)[index]) for axis, index in enumerate(at)]
        if not (len(hit[0]) and len(hit[1])):
            return 0  # finer than the image: between the centres of its pixels
        # One pixel more on each side: where there is none, the image ends.
        y, x = (slice(max(int(lines[0]) - 1, 0), int(lines[-1]) + 2) for lines in hit)
        points = self.vertices(row, file, target) - np.array([x.start, y.start])
        return mask_cost(fresh[at[0][y]][:, at[1][x]], points, target[y, x])

    def _target(self, row: int, file: str | None) -> NDArray[Any]:
        return self.dataset.read_target(row, Path(file) if file else None)


class Measure(NamedTuple):
    """How a term of the cost is counted."""

    labelled: Callable[[AnnotationCost, LabelPool], float | None]
    """For what is labelled of a pool."""
    everything: Callable[[AnnotationCost], float | None]
    """For all images of the pool."""
    opens_targets: bool


MEASURES: dict[str, Measure] = {
    "images": Measure(lambda cost, pool: len(pool.annotated), lambda cost: len(cost.dataset.pool), False),
    "pixels": Measure(AnnotationCost._pixels, AnnotationCost.pool_pixels, False),
    "clicks": Measure(AnnotationCost._clicks, AnnotationCost._pool_clicks, True),
}
"""Term of a row's "cost" -> how it is counted; `cost.terms` says how reports show it."""


def native_area(regions: Sequence[Region], grid: Size, native: Size) -> int:
    """Pixels of an image of its own size (H, W) whose centres scale into regions of the learner's grid; each once."""
    lines, columns = _scaled(native, grid)
    if not all(isinstance(region, Box) for region in regions):
        return int(cover(regions, grid)[lines][:, columns].sum())
    boxes = array_of(regions)
    top, bottom = np.searchsorted(lines, [boxes[:, 0], boxes[:, 0] + boxes[:, 2]])
    left, right = np.searchsorted(columns, [boxes[:, 1], boxes[:, 1] + boxes[:, 3]])
    return union_area(np.stack([top, left, bottom - top, right - left], 1), native)


def _over(count: Callable[[int], int], rows: Iterable[int]) -> int:
    """Σ over rows; reading files and most of the counting run beside each other."""
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as threads:
        return sum(threads.map(count, rows))


def _scaled(native: tuple[int, ...], grid: tuple[int, ...]) -> list[NDArray[np.int64]]:
    """For each axis the line of the learner's grid that the centre of each line of the original image scales to."""
    return [((np.arange(n) + 0.5) * m / n).astype(np.int64) for n, m in zip(native, grid, strict=True)]


def _within(points: NDArray[np.floating[Any]], size: tuple[int, int]) -> NDArray[np.float32]:
    """The points (n, 2) as float32, which could round one at the far border out of the image (H, W)."""
    far = np.nextafter(np.array(size[::-1], dtype=np.float32), np.float32(0))
    return np.minimum(points.astype(np.float32), far)
