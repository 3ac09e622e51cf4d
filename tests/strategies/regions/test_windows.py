"""Regions against plain loops: window sums, suppression, budgets, what is new in a box."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch

from al_lightning.core.region import area, boxes, cover, new_pixels, union_area
from al_lightning.strategies.regions import windows as regions
from al_lightning.strategies.regions.windows import FUSIONS, box_sums, fill_area, information, suppress
from al_lightning.uncertainty import entropy

SHAPES = [
    # image, window, step
    ((7, 9), (3, 4), 1),
    ((7, 9), (3, 4), 2),
    ((12, 12), (4, 4), 4),
    ((11, 13), (1, 1), 3),
    ((10, 17), (5, 7), 3),
    ((6, 5), (9, 3), 1),
    ((6, 5), (9, 9), 2),
    ((1, 1), (1, 1), 1),
    ((16, 150), (3, 70), 1),
]


def places(length: int, window: int, step: int) -> list[int]:
    """First pixels of windows along an axis, written out."""
    window = min(window, length)
    found = [i for i in range(length) if i % step == 0 and i + window <= length]
    return found if found[-1] == length - window else [*found, length - window]


def windows(image: tuple[int, int], size: tuple[int, int], step: int) -> list[list[tuple[int, int]]]:
    return [[(t, left) for left in places(image[1], size[1], step)] for t in places(image[0], size[0], step)]


def sums_by_loop(one: np.ndarray, size: tuple[int, int], step: int) -> np.ndarray:
    grid = windows(one.shape, size, step)
    return np.array([[math.fsum(one[t : t + size[0], x : x + size[1]].ravel()) for t, x in row] for row in grid])


def suppress_by_loop(values: np.ndarray, image: tuple[int, int], size: tuple[int, int], step: int) -> list[tuple]:
    """Sort all windows once; keep those that overlap none kept before."""
    h, w = min(size[0], image[0]), min(size[1], image[1])
    grid = [place for row in windows(image, size, step) for place in row]
    ranked = sorted(zip(values.ravel().tolist(), grid, strict=True), key=lambda item: (-item[0], item[1]))
    kept: list[tuple] = []
    for value, (t, x) in ranked:
        apart = all(abs(t - top) >= h or abs(x - left) >= w for top, left, _ in kept)
        if value > -math.inf and apart:
            kept.append((t, x, value))
    return kept


def raster(boxes, image: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(image, dtype=bool)
    for t, left, h, w in boxes:
        mask[max(t, 0) : max(t + h, 0), max(left, 0) : max(left + w, 0)] = True
    return mask


@pytest.mark.parametrize(("image", "size", "step"), SHAPES)
def test_box_sums(image, size, step):
    maps = torch.rand(2, *image, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = np.stack([sums_by_loop(one, size, step) for one in maps.numpy()])
    np.testing.assert_allclose(box_sums(maps, size, step).numpy(), expected, rtol=1e-14)
    np.testing.assert_allclose(box_sums(maps.float(), size, step).numpy(), expected, rtol=1e-6)
    counts = box_sums(maps > 0.5, size, step)
    assert counts.dtype == torch.int32
    np.testing.assert_array_equal(counts.numpy(), [sums_by_loop(one, size, step) for one in maps.numpy() > 0.5])


def test_the_last_window_reaches_the_border():
    assert regions.starts(10, 4, 4).tolist() == [0, 4, 6]
    assert regions.starts(12, 4, 4).tolist() == [0, 4, 8]
    assert regions.starts(3, 4, 2).tolist() == [0]


def test_sums_are_exact_where_an_integral_image_is_not():
    maps = torch.rand(1, 512, 512, generator=torch.Generator().manual_seed(1))
    maps[:, :64] = 0.3
    maps[:, 64:128] = 0
    size = (32, 32)
    exact = box_sums(maps.double(), size)[0]
    integral = torch.nn.functional.pad(maps[0].cumsum(0).cumsum(1), (1, 0, 1, 0))
    by_integral = integral[32:, 32:] - integral[32:, :-32] - integral[:-32, 32:] + integral[:-32, :-32]
    ours = box_sums(maps, size)[0]
    assert (by_integral - exact).abs().max() > 0.01
    assert (ours - exact).abs().max() < 3e-4
    # Equal windows tie, empty ones hold nothing: neither holds for differences of cumulated sums.
    assert len(ours[:33].unique()) == 1
    assert (ours[64:97] == 0).all()
    assert len(by_integral[:33].unique()) > 1


def test_sixteen_bit_maps_are_summed_in_float32():
    maps = torch.full((1, 256, 256), 0.7).to(torch.bfloat16)
    assert box_sums(maps, (256, 256)).item() == pytest.approx(maps[0, 0, 0].item() * 65536, rel=1e-6)
    picks = suppress(maps[:, :3, :3], (2, 2), (4, 4))[0]
    assert picks[:, :2].tolist() == [[0, 0], [0, 2], [2, 0], [2, 2]]


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
    assert values[0, 12, 16] > 0.7  # hot by itself, and more so than the lonely one
    assert [12.0, 16.0] not in picks[:, :2].tolist()
    assert all(abs(t - 10) >= 8 or abs(left - 10) >= 8 for t, left, _ in picks[1:])
    assert [30.0, 40.0] in picks[:, :2].tolist()
    areas = np.full(len(picks), 64)
    for budget in (1, 64, 65, 1000):
        taken = fill_area(picks[:, 2], areas, budget)
        assert budget <= areas[taken].sum() < budget + 64


def test_information_lies_between_0_and_1():
    even = entropy(torch.full((1, 5, 20, 30), 0.2))
    assert information(even, (4, 6), classes=5).numpy() == pytest.approx(1)
    assert information(even, (400, 6), classes=5, step=7).shape == (1, 1, 5)
    assert information(even, (400, 6), classes=5).numpy() == pytest.approx(1)
    assert information(even * 0, (4, 6), classes=5).unique().tolist() == [0]
    votes = torch.zeros(1, 5, 20, 30)
    votes[:, :3] = 1 / 3  # 3 passes, each for another class
    assert information(entropy(votes), (4, 6), classes=5, votes=3).numpy() == pytest.approx(1, rel=1e-6)
    with pytest.raises(ValueError, match="votes=1"):
        information(even, (4, 6), classes=5, votes=1)


def test_fusions():
    information, cost = torch.tensor([0.2, 0.8, 0.8]), torch.tensor([0.0, 0.5, 1.0])
    expected = {
        "product": [0.2, 0.4, 0.0],
        "info_only": [0.2, 0.8, 0.8],
        "ratio": [0.2 / 0.1, 0.8 / 0.6, 0.8 / 1.1],
        "difference": [0.2, 0.3, -0.2],
    }
    assert FUSIONS.keys() == expected.keys()
    for name, values in expected.items():
        assert FUSIONS[name](information, cost).tolist() == pytest.approx(values), name


def test_fill_area():
    rng = np.random.default_rng(3)
    for _ in range(50):
        values, areas = rng.integers(0, 5, 40).astype(float), rng.integers(1, 30, 40)
        budget = int(rng.integers(0, areas.sum() + 20))
        taken = fill_area(values, areas, budget)
        expected, spent = [], 0
        for i in sorted(range(40), key=lambda i: (-values[i], i)):
            if spent < budget:
                expected.append(i)
                spent += areas[i]
        assert taken.tolist() == expected
        assert len(taken) == 40 or budget <= areas[taken].sum() < budget + 30
    assert fill_area([1, -np.inf, 3, 2], [4, 4, 4, 0], 100).tolist() == [2, 0]
    assert fill_area([], [], 100).tolist() == []
    with pytest.raises(ValueError, match="NaN"):
        fill_area([np.nan], [1], 1)
    with pytest.raises(ValueError, match="one of each"):
        fill_area([1.0, 2.0], [1], 1)


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
def test_a_full_image_takes_a_moment():
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


def test_cover_is_the_union_that_is_counted():
    array = np.array([[0, 0, 4, 5], [2, 3, 6, 7], [7, 8, 1, 1], [0, 9, 2, 1]])
    mask = cover(boxes(array), (8, 10))
    assert mask.sum() == union_area(array, (8, 10)) == area(boxes(array), (8, 10))
    assert [bool(mask[y, x]) for y, x in ((3, 4), (4, 2), (7, 9), (1, 9), (2, 2), (7, 0))] == [
        *(True, False, True, True, True, False)
    ]
    assert not cover([], (8, 10)).any()
