"""Which windows of an image survive, against a plain loop."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch
from window_loops import SHAPES, raster, suppress_by_loop, windows

from al_lightning.core.region import new_pixels
from al_lightning.strategies.regions.windows import box_sums, fill_area, information, suppress
from al_lightning.uncertainty import entropy


@pytest.mark.parametrize(("image", "size", "step"), SHAPES)
@pytest.mark.parametrize("kind", ["ties", "distinct", "excluded"])
def test_suppress(image, size, step, kind):
    rng = np.random.default_rng(2)
    grid = windows(image, size, step)
    shape = (3, len(grid), len(grid[0]))
    values = rng.integers(0, 4, shape).astype(float) if kind == "ties" else rng.normal(size=shape)
    if kind == "excluded":
        values[rng.random(shape) < 0.6] = -np.inf
    found = suppress(torch.from_numpy(values), size, image, step)
    h, w = min(size[0], image[0]), min(size[1], image[1])
    for one, picks in zip(values, found, strict=True):
        expected = suppress_by_loop(one, image, size, step)
        assert picks.tolist() == [list(pick) for pick in expected]
        assert len(picks) <= (image[0] // h) * (image[1] // w)
        assert picks[:2].tolist() == suppress(torch.from_numpy(one[None]), size, image, step, most=2)[0].tolist()


def test_suppress_attains_its_bound_and_breaks_ties_by_row_then_column():
    image, size = (23, 200), (5, 7)
    picks = suppress(torch.zeros(1, 19, 194), size, image)[0]
    assert picks[:, :2].tolist() == [[t, x] for t in range(0, 20, 5) for x in range(0, 196, 7)]
    values = torch.zeros(1, 19, 194)
    values[0, 9, 3] = values[0, 8, 190] = values[0, 8, 180] = 1
    assert suppress(values, size, image, most=2)[0].tolist() == [[8, 180, 1], [8, 190, 1]]


def test_suppress_refuses_what_it_cannot_rank():
    good = torch.zeros(1, 3, 3)
    assert suppress(torch.full_like(good, -math.inf), (2, 2), (4, 4))[0].shape == (0, 3)
    for bad in (math.nan, math.inf):
        values = good.clone()
        values[0, 1, 1] = bad
        with pytest.raises(ValueError, match="NaN or"):
            suppress(values, (2, 2), (4, 4))
    with pytest.raises(ValueError, match=r"expected .B, 2, 2."):
        suppress(good, (2, 2), (4, 4), step=2)
    with pytest.raises(ValueError, match="most=-1"):
        suppress(good, (2, 2), (4, 4), most=-1)
    with pytest.raises(ValueError, match="step=0"):
        box_sums(good, (2, 2), 0)
    with pytest.raises(ValueError, match="at least one pixel"):
        box_sums(good, (0, 2))


def test_two_overlapping_hot_windows_leave_one():
    uncertainty = torch.zeros(1, 40, 60)
    uncertainty[0, 12:20, 16:24] = 0.5
    uncertainty[0, 10:18, 10:18] = math.log(2)
    uncertainty[0, 30:38, 40:48] = 0.4
    values = information(uncertainty, (8, 8), classes=2)
    picks = suppress(values, (8, 8), (40, 60))[0]
    assert picks[0, :2].tolist() == [10, 10]
    assert picks[0, 2] == pytest.approx(1)
    assert values[0, 12, 16] > 0.7  # uncertain by itself, and more than the one that overlaps none
    assert [12.0, 16.0] not in picks[:, :2].tolist()
    assert all(abs(t - 10) >= 8 or abs(left - 10) >= 8 for t, left, _ in picks[1:])
    assert [30.0, 40.0] in picks[:, :2].tolist()
    areas = np.full(len(picks), 64)
    for budget in (1, 64, 65, 1000):
        taken = fill_area(picks[:, 2], areas, budget)
        assert budget <= areas[taken].sum() < budget + 64


def test_a_half_known_region_is_charged_for_its_new_half():
    revealed = np.array([[0, 0, 20, 10]])
    assert new_pixels([0, 5, 20, 10], revealed, (20, 40)) == 100
    fresh = box_sums(~torch.from_numpy(raster(revealed, (20, 40)))[None], (20, 10))[0]
    assert fresh[0, :11].tolist() == list(range(0, 201, 20))
    values = torch.where(fresh * 2 >= 200, torch.arange(31.0, 0, -1), -math.inf)[None]
    picks = suppress(values, (20, 10), (20, 40))[0]
    assert picks[:, 1].tolist() == [5, 15, 25]
    areas = fresh[picks[:, 0].astype(int), picks[:, 1].astype(int)].numpy()
    assert areas.tolist() == [100, 200, 200]
    assert fill_area(picks[:, 2], areas, 101).tolist() == [0, 1]


@pytest.mark.bench
def test_a_full_image_takes_at_most_150_ms():
    """2,048 x 1,024 pixels of 19 classes, windows of 128 x 128 at every pixel: from probabilities to the windows that
    survive within 0.15 s."""
    rng = torch.Generator().manual_seed(5)
    coarse = 3 * torch.randn(1, 19, 64, 128, generator=rng)
    p = torch.nn.functional.interpolate(coarse, size=(1024, 2048), mode="bilinear").softmax(1)
    seconds = []
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    for _ in range(7):
        start = time.perf_counter()
        picks = suppress(information(entropy(p), (128, 128), 19), (128, 128), (1024, 2048))[0]
        seconds.append(time.perf_counter() - start)
    torch.set_num_threads(threads)
    assert len(picks) > 50
    assert min(seconds) < 0.15
