"""Pixels that regions cover, against masks."""

from __future__ import annotations

import numpy as np
import torch
from window_loops import raster, windows

from al_lightning.core.region import area, boxes, cover, new_pixels, union_area
from al_lightning.strategies.regions.windows import box_sums


def test_areas_of_overlapping_boxes_are_exact():
    rng = np.random.default_rng(4)
    image = (30, 41)
    for count in (0, 1, 2, 7, 60):
        boxes = np.stack([*rng.integers(-6, 40, (2, count)), *rng.integers(0, 15, (2, count))], 1).reshape(count, 4)
        covered = raster(boxes, image)
        assert union_area(boxes, image) == covered.sum()
        for box in ([3, 4, 10, 12], [-2, 35, 9, 20], [0, 0, 30, 41]):
            assert new_pixels(box, boxes, image) == (raster([box], image) & ~covered).sum()
        for size, step in (((8, 9), 1), ((8, 9), 3), ((50, 9), 4)):
            expected = [[new_pixels((t, x, *size), boxes, image) for t, x in row] for row in windows(image, size, step)]
            assert box_sums(~torch.from_numpy(covered)[None], size, step)[0].tolist() == expected


def test_cover_is_the_union_that_is_counted():
    array = np.array([[0, 0, 4, 5], [2, 3, 6, 7], [7, 8, 1, 1], [0, 9, 2, 1]])
    mask = cover(boxes(array), (8, 10))
    assert mask.sum() == union_area(array, (8, 10)) == area(boxes(array), (8, 10))
    assert [bool(mask[y, x]) for y, x in ((3, 4), (4, 2), (7, 9), (1, 9), (2, 2), (7, 0))] == [
        *(True, False, True, True, True, False)
    ]
    assert not cover([], (8, 10)).any()
