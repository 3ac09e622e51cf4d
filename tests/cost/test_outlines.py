"""Outlines traced around components against scipy's, and their simplification against the textbook."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from click_loops import filled, painted, peucker, scene, to_segments
from scipy import ndimage

from al_lightning.core.task import IGNORE
from al_lightning.cost.clicks import contour_clicks, simplify
from al_lightning.data.datasets.camvid import decode


@pytest.mark.parametrize("side", [4, 5, 20])
def test_a_square_has_four_clicks(side):
    target = np.full((40, 40), IGNORE, dtype=np.uint8)
    target[7 : 7 + side, 11 : 11 + side] = 3
    clicks = contour_clicks(target)
    assert clicks.labels.tolist() == [3] * 4
    end = side - 1
    assert {tuple(p) for p in clicks.points} == {(11, 7), (11 + end, 7), (11, 7 + end), (11 + end, 7 + end)}


def test_what_is_outlined():
    target = np.zeros((30, 30), dtype=np.uint8)
    clicks = contour_clicks(target)
    assert {tuple(p) for p in clicks.points} == {(0, 0), (29, 0), (0, 29), (29, 29)}  # the edge of the image
    target[10:20, 10:20] = 1
    assert np.bincount(contour_clicks(target).labels).tolist() == [4, 4]  # a hole has no outline of its own
    target[10:20, 10:20] = IGNORE
    assert len(contour_clicks(target)) == 4
    target[:] = IGNORE
    assert len(contour_clicks(target)) == 0
    target[4, 3:25] = 2
    assert sorted(contour_clicks(target).points.tolist()) == [[3, 4], [24, 4]]  # a stroke
    target[:] = IGNORE
    target[4, 4] = target[5, 5] = 0
    assert contour_clicks(target).points.tolist() == [[4, 4], [5, 5]]  # two specks that only touch at a corner
    assert len(contour_clicks(np.zeros((0, 5), dtype=np.uint8))) == 0
    for bad in (np.zeros((3, 3)), np.zeros(3, dtype=int), np.full((3, 3), -1)):
        with pytest.raises(ValueError, match="class map"):
            contour_clicks(bad)
    with pytest.raises(ValueError, match="tolerance=-1"):
        contour_clicks(target, -1)


@pytest.mark.parametrize("seed", range(3))
def test_outlines_keep_within_the_tolerance(seed):
    target = scene(seed)
    for tolerance in (0.0, 1.5, 4.0):
        clicks = contour_clicks(target, tolerance)
        count = 0
        for value in range(3):
            labels, number = ndimage.label(target == value)
            count += number
            seen = []
            for polygon in np.unique(clicks.polygons[clicks.labels == value]):
                corners = clicks.points[clicks.polygons == polygon]
                own = labels[corners[:, 1].astype(int), corners[:, 0].astype(int)]
                assert (own == own[0]).all()
                seen.append(own[0])
                whole = filled(labels == own[0])
                border = np.argwhere(np.pad(whole, 1) & ~ndimage.binary_erosion(np.pad(whole, 1)))[:, ::-1] - 1
                assert to_segments(border.astype(float), corners).max() <= tolerance + 1e-9
                if tolerance == 0 and len(corners) > 2:
                    assert (painted(corners, target.shape) == whole).all()
            assert sorted(seen) == list(range(1, number + 1))
        assert len(np.unique(clicks.polygons)) == count
        again = contour_clicks(target.copy(), tolerance)
        assert (again.points == clicks.points).all()
    assert len(contour_clicks(target, 4.0)) < len(contour_clicks(target, 1.5)) < len(contour_clicks(target, 0.0))


def test_simplify_is_the_textbook_recursion():
    rng = np.random.default_rng(5)
    rings = [rng.normal(size=(n, 2)).cumsum(0) for n in (1, 2, 3, 50, 200, 1, 7)]
    rings.append(np.zeros((5, 2)))
    points, owner = simplify(rings, 1.1)
    for i, ring in enumerate(rings):
        distinct = ring[(ring != np.roll(ring, 1, axis=0)).any(1)] if len(np.unique(ring, axis=0)) > 1 else ring[:1]
        first = np.argmax(((distinct - distinct.mean(0)) ** 2).sum(1))
        path = np.concatenate([distinct[first:], distinct[: first + 1]])
        np.testing.assert_array_equal(points[owner == i], path[[0, *peucker(path, 1.1)]])
    assert simplify([], 1.0)[0].shape == (0, 2)


def test_clicks_of_a_disc_grow_with_one_over_the_root_of_the_tolerance():
    y, x = np.mgrid[:801, :801]
    radius = 390
    target = ((y - 400) ** 2 + (x - 400) ** 2 <= radius**2).astype(np.uint8)
    tolerances = np.array([1.5, 3, 6, 12, 24])
    counts = [(contour_clicks(target, t).labels == 1).sum() for t in tolerances]
    slope = np.polyfit(np.log(tolerances), np.log(counts), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.1)
    # A chord of n corners on a circle has sagitta R(1 − cos(π/n)) ≈ R·π²/(2n²), the least n that can do.
    least = np.pi * np.sqrt(radius / (2 * tolerances))
    assert (counts >= least * 0.9).all()
    assert (counts <= least * 2.1).all()


def test_outlines_of_real_road_scenes(real_data: Path):
    files = sorted((real_data / "CamVid").glob("*annot/*.png"))[::25]
    if not files:
        pytest.skip(f"no CamVid at {real_data}")
    large = 0
    for file in files:
        target = decode(file)
        clicks = contour_clicks(target)
        for value in np.unique(clicks.labels):
            labels, _ = ndimage.label(target == value)
            for polygon in np.unique(clicks.polygons[clicks.labels == value]):
                corners = clicks.points[clicks.polygons == polygon]
                own = labels == labels[int(corners[0, 1]), int(corners[0, 0])]
                if own.sum() < 300 or len(corners) < 3:
                    continue
                whole, drawn = filled(own), painted(corners, target.shape)
                border = whole & ~ndimage.binary_erosion(whole)
                wrong = whole ^ drawn
                assert (ndimage.distance_transform_edt(~border)[wrong] <= 1.5 + 0.5).all()
                # 1.5 pixels along the border are 5 % of the area where the area is 15 times the border or more.
                if whole.sum() >= 15 * border.sum():
                    large += 1
                    assert (whole & drawn).sum() / (whole | drawn).sum() > 0.95
    assert large >= len(files) // 4


@pytest.mark.bench
def test_a_camvid_map_takes_at_most_50_ms(real_data: Path):
    """360 x 480, CamVid's own size, within 50 ms of one core."""
    files = sorted((real_data / "CamVid").glob("*annot/*.png"))[::60]
    if not files:
        pytest.skip(f"no CamVid at {real_data}")
    for file in files:
        target = decode(file)
        factor = 360 // len(target)
        target = np.kron(target, np.ones((factor, factor), dtype=np.uint8))
        seconds = []
        for _ in range(5):
            start = time.process_time()
            contour_clicks(target)
            seconds.append(time.process_time() - start)
        assert target.shape == (360, 480)
        assert min(seconds) < 0.05
