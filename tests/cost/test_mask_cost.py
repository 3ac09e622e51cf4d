"""The three terms of a part of an image against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from click_loops import box_cost_by_loop, mask_cost_by_loop, scene

from al_lightning.core.task import IGNORE
from al_lightning.cost.clicks import click_map, contour_clicks, mask_cost


@pytest.mark.parametrize("smooth", [0, 1, 3])
def test_a_box_costs_vertices_crossings_and_components(smooth):
    rng = np.random.default_rng(6)
    target = scene(7, (25, 31), smooth=smooth)
    points = rng.uniform(-2, 33, (150, 2))
    boxes = [(t, x, h, w) for t, x, h, w in rng.integers((0, 0, 1, 1), (22, 28, 12, 12), (60, 4)).tolist()]
    thin = [(3, 4, 1, 9), (3, 4, 9, 1), (3, 4, 1, 1), (0, 0, 2, 2), (3, 4, 2, 9), (3, 4, 9, 2), (0, 5, 2, 9)]
    for top, left, h, w in [*boxes, *thin, (0, 0, 25, 31), (0, 3, 25, 9)]:
        mask = np.zeros(target.shape, dtype=bool)
        mask[top : top + h, left : left + w] = True
        box = (top, left, min(h, 25 - top), min(w, 31 - left))
        cost = mask_cost(mask, points, target)
        assert cost == box_cost_by_loop(box, points, target) == mask_cost_by_loop(mask, points, target)


@pytest.mark.parametrize("seed", range(6))
def test_a_ragged_mask_costs_vertices_crossings_and_components(seed):
    rng = np.random.default_rng(seed)
    target = scene(seed, (14, 17), smooth=seed % 3)
    points = rng.uniform(-2, 18, (80, 2))
    mask = np.zeros(target.shape, dtype=bool)
    for step in range(8):
        top, left = rng.integers(-3, 12, 2)
        # Boxes put on and cut off: corners that point inwards, holes, parts that touch at a corner.
        mask[max(top, 0) : top + 8, max(left, 0) : left + 8] = step % 3 != 2
        for ignore in (IGNORE, 1):
            assert mask_cost(mask, points, target, ignore) == mask_cost_by_loop(mask, points, target, ignore)
    noise = rng.random(target.shape) < 0.7
    assert mask_cost(noise, points, target) == mask_cost_by_loop(noise, points, target)


def test_a_ragged_mask_by_hand():
    # An L in an image of two classes, one above the other; its inward corner is where the upper class ends.
    target = np.repeat([[0], [1]], [5, 5], axis=0) * np.ones((1, 10), dtype=np.int64)
    mask = np.zeros((10, 10), dtype=bool)
    mask[1:9, 1:5] = mask[5:9, 1:9] = True
    # Crossings: between rows 4 and 5 at column 1, where the outline passes, and at column 4, which ends at the corner.
    assert mask_cost(mask, np.empty((0, 2)), target) == 2 + 2
    inner = [[2, 2], [3, 4], [7, 6], [3.9, 7.9]]
    outermost = [[4, 5], [4, 4], [1, 3], [5, 5], [3, 8], [8, 7]]  # (4, 5) touches (5, 4) at the corner
    outside = [[5, 4], [9, 9], [0, 0], [12, 3], [-1, 3]]
    assert mask_cost(mask, np.array(inner + outermost + outside), target) == 2 + 2 + len(inner)
    # Two parts that touch at a corner are one component of their class, and the image's end hides no vertex.
    parts = np.zeros((4, 4), dtype=bool)
    parts[:2, :2] = parts[2:, 2:] = True
    same = np.zeros((4, 4), dtype=np.uint8)
    assert mask_cost(parts, np.array([[0, 0], [1, 1], [1, 0], [3, 3]]), same) == 1 + 2
    assert mask_cost(np.zeros((4, 4), dtype=bool), np.array([[1, 1]]), same) == 0


def test_thin_masks_by_hand():
    columns = np.tile(np.arange(6, dtype=np.uint8) % 2, (5, 1))
    points = np.array([[2, 2], [3, 2]])
    strip = np.zeros((5, 6), dtype=bool)
    strip[2] = True
    assert mask_cost(strip, points, columns) == 0 + 5 + 6  # each pair once, though the outline passes on both sides
    strip[3] = True
    assert mask_cost(strip, points, columns) == 0 + 10 + 6
    rows = columns.T
    strip = np.zeros((6, 5), dtype=bool)
    strip[2:4] = True
    assert mask_cost(strip, points, rows) == 0 + 2 + 2  # pairs across the strip at its ends alone
    strip = np.zeros((6, 5), dtype=bool)
    strip[:2] = True
    assert mask_cost(strip, np.array([[2, 0], [2, 1]]), rows) == 1 + 2 + 2  # row 0 is not outermost: the image ends


def test_void_costs_nothing_but_its_borders():
    void = np.full((20, 20), IGNORE, dtype=np.uint8)
    mask = np.zeros((20, 20), dtype=bool)
    mask[2:10, 3:11] = True
    none = np.empty((0, 2))
    assert mask_cost(mask, none, void) == 0
    assert mask_cost(mask, none, void * 0) == 1
    half = np.where(np.arange(20) < 7, void, np.uint8(1))
    assert mask_cost(mask, none, half) == 2 + 1
    assert click_map(contour_clicks(void).points, void.shape).sum() == 0
    with pytest.raises(ValueError, match=r"mask: shape \(20, 20\), but target has \(20, 19\)"):
        mask_cost(mask, none, void[:, 1:])
