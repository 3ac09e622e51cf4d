"""What annotation costs: images, pixels at their own size, and clicks of what is revealed."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from al_lightning.clicks import contour_clicks, polygon_clicks
from al_lightning.data.cache import Cache
from al_lightning.pool import LabelPool

ClickKind = Literal["polygons", "contours"]


class Effort:
    """Counts the pixels and clicks that a pool has revealed.

    All counts are of unions: a pixel or click in two regions is charged once, for the first of them. A click lies in
    the pixel of the learner's grid that its position scales to, and a pixel of the original image in the one that its
    centre scales to; so the regions of an image add up to exactly the image.
    """

    def __init__(self, cache: Cache) -> None:
        self.cache, self.dataset = cache, cache.dataset
        self._points: dict[tuple[int, str | None], NDArray[np.float32]] = {}

    @cached_property
    def kind(self) -> ClickKind | None:
        """Where clicks come from: "polygons" of the annotators where every image of the pool has its file, else
        "contours", corners of simplified mask outlines, a stand-in; None for depth, which has neither."""
        if self.dataset.task.kind != "segmentation":
            return None
        file_of = self.dataset.polygons
        targets = [self.dataset.targets[row] for row in self.dataset.pool.tolist()]
        if file_of is not None and all(target is not None and file_of(target).is_file() for target in targets):
            return "polygons"
        return "contours"

    def points(self, row: int, file: str | None = None) -> NDArray[np.float32]:
        """(n, 2) all clicks x, y of an image, scaled to the learner's size; opens the target `file`."""
        key = (row, file)
        if key not in self._points:
            if self.kind == "polygons" and file is None and self.dataset.polygons is not None:
                found = polygon_clicks(self.dataset.polygons(self.dataset.target_file(row)))
            else:
                found = contour_clicks(self.dataset.read_target(row, Path(file) if file else None))
            height, width = self.cache.native_size(row)
            scale = np.array([self.dataset.size[1] / width, self.dataset.size[0] / height])
            # float32 could round a point at the far border out of the image.
            inside = np.nextafter(np.array(self.dataset.size[::-1], dtype=np.float32), np.float32(0))
            self._points[key] = np.minimum((found.points * scale).astype(np.float32), inside)
        return self._points[key]

    def clicks(self, pool: LabelPool, row: int) -> NDArray[np.float64]:
        """(n, 2) clicks of an image that lie in what is revealed of it, in the learner's grid."""
        points = self.points(row, pool.target(row))
        if pool.size is not None:
            column, line = np.floor(points).astype(np.int64).T
            points = points[pool.revealed(row)[line, column]]
        return points.astype(np.float64)

    def pixels(self, pool: LabelPool, row: int) -> int:
        """Revealed pixels of an image at its own size."""
        if pool.size is None:
            return self.cache.pixels(row)
        mask, native = pool.revealed(row), self.cache.native_size(row)
        down, across = (
            np.bincount(((np.arange(n) + 0.5) * m / n).astype(np.int64), minlength=m)
            for n, m in zip(native, mask.shape, strict=True)
        )
        return int(down @ mask.astype(np.int64) @ across)

    def cost(self, pool: LabelPool) -> dict[str, float | None]:
        """Images with a label, revealed pixels, and clicks there (None for depth)."""
        rows = pool.annotated.tolist()
        return {
            "images": len(rows),
            "pixels": sum(self.pixels(pool, row) for row in rows),
            "clicks": None if self.kind is None else sum(len(self.clicks(pool, row)) for row in rows),
        }

    def total(self) -> dict[str, float | None]:
        """The same of the whole pool, for shares. It opens every target, so it is for simulated labels alone."""
        rows = self.dataset.pool.tolist()
        return {
            "images": len(rows),
            "pixels": sum(self.cache.pixels(row) for row in rows),
            "clicks": None if self.kind is None else sum(len(self.points(row)) for row in rows),
        }
