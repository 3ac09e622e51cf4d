"""Sums of windows, their information, the fusions and the filling of an area, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from window_loops import SHAPES, sums_by_loop

from al_lightning.strategies.regions import windows as regions
from al_lightning.strategies.regions.windows import FUSIONS, box_sums, fill_area, information, suppress
from al_lightning.uncertainty import entropy


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
