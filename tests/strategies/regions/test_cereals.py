"""CEREALS: which regions it chooses (Mackowiak et al. 2018)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from region_parts import IDS, ROWS, SIZE, ask, new_pool
from region_stage import acquire, certain, context_of, probabilities

from al_lightning.core.prediction import SampleStatistics
from al_lightning.core.region import Box
from al_lightning.core.strategy import Candidates
from al_lightning.core.task import IGNORE
from al_lightning.cost.clicks import contour_clicks
from al_lightning.strategies import Cereals
from al_lightning.strategies.regions.cereals import Windows


def test_of_two_overlapping_hot_windows_one_survives():
    maps = certain()
    maps[8][4:12, 10:18] = 0.5
    maps[8][8:16, 14:22] = 0.5
    context = context_of(new_pool(), maps)
    ready = Cereals(size=8, fusion="info_only").prepare(context)
    windows = context.scan(ready.measure)["windows"]
    assert windows.shape == (4, 4 * 6, 4)
    best = windows[2, 0]
    assert best.tolist() == pytest.approx([4, 10, 1, 64], abs=1e-5)  # equally hot: the upper one
    for top, left, value, area in windows[2, 1:]:
        if area:
            assert abs(top - 4) >= 8 or abs(left - 10) >= 8
            assert value < 1
    pool = new_pool()
    query = acquire(Cereals(size=8, fusion="info_only"), pool, maps)
    assert (query.rows[0], query.regions[0]) == (8, Box(4, 10, 8, 8))
    assert np.allclose(query.score, np.sort(query.score)[::-1])


def test_a_window_that_half_covers_known_pixels_is_charged_for_the_new_half():
    pool = new_pool()
    ask(pool, 8, (0, 0, 16, 24))
    maps = certain()
    maps[8][8:16, :24] = 0.5  # known: no information
    maps[8][16:24, :24] = 0.5
    context = context_of(pool, maps)
    windows = context.scan(Cereals(size=16, step=8, fusion="info_only").prepare(context).measure)["windows"][2]
    best = {(top, left): (value, area) for top, left, value, area in windows if area}
    assert (8.0, 0.0) not in best or best[8.0, 0.0][1] == 128
    assert all(area >= 128 for _, area in best.values())
    top = max(best.items(), key=lambda item: item[1][0])
    assert top[1][0] == pytest.approx(0.5, abs=0.02)
    assert top[1][1] == 128 if top[0][0] == 8 else 256


def test_a_window_larger_than_the_image_is_the_image():
    query = acquire(Cereals(size=512, fusion="info_only"), new_pool(), budget=2)
    assert query.regions == (Box(0, 0, *SIZE),) * 2
    assert query.rows.tolist() == [3, 4]
    pool = new_pool()
    pool.commit(query, 1)
    assert pool.labelled.tolist() == [3, 4]


def test_windows_out_of_step_carry_their_own_new_pixels():
    pool = new_pool()
    ask(pool, 8, (20, 40, 12, 8))
    context = context_of(pool, {int(row): np.random.default_rng(row).random(SIZE) for row in ROWS})
    windows = context.scan(Cereals(size=10, step=7, fusion="info_only").prepare(context).measure)["windows"]
    for row, found in zip(ROWS, windows, strict=True):
        for top, left, _, area in found[found[:, 3] > 0].astype(int):
            assert top % 7 == 0 or top == 22
            assert left % 7 == 0 or left == 38
            assert area == (~pool.revealed(int(row))[top : top + 10, left : left + 10]).sum()


def test_a_learner_that_gives_nan_is_named():
    maps = certain()
    maps[8][3, 3] = np.nan
    with pytest.raises(ValueError, match=r"'windows' is NaN or infinite for 1 of 4 images \(first: id8\)"):
        acquire(Cereals(size=8, fusion="info_only"), new_pool(), maps)


def test_vote_entropy_takes_the_votes_of_the_passes():
    maps = certain()
    context = context_of(new_pool(), maps)
    ready = Cereals(size=8, uncertainty="vote-entropy", fusion="info_only").prepare(context)
    assert "passes" in ready.needs
    prediction, statistics = probabilities(maps), SampleStatistics()
    for k in range(4):
        p = torch.full((4, *SIZE), 0.4)
        p[1, 8:16, 8:16] = 0.6 if k % 2 else 0.4
        statistics.add(torch.stack([1 - p, p], 1))
    prediction.passes = statistics
    best = ready.measure(prediction)["windows"][1, 0]
    assert best.tolist() == pytest.approx([8, 8, 1, 64], abs=1e-5)


@pytest.mark.parametrize(("fusion", "row"), [("info_only", 4), ("product", 8), ("ratio", 8), ("difference", 8)])
def test_fusions_prefer_the_cheap_one_of_two_windows_nearly_as_informative(fusion, row, monkeypatch):
    """Cost from a stub instead of a trained network: clicks cost much in row 4 and nothing in row 8."""
    maps = certain()
    maps[4][:8, :8] = 0.5
    maps[8][:8, :8] = 0.4
    context = context_of(new_pool(), maps)

    class Stub(torch.nn.Module):
        scale = 1.0

        def forward(self, rows, prediction):
            return torch.tensor(rows == 4, dtype=torch.float32)[:, None, None].expand(-1, *SIZE)

    options = Cereals(size=8, fusion=fusion)
    if fusion == "info_only":
        ready = options.prepare(context)
    else:
        first = Windows(options, context, Stub())
        assert first.largest_cost(probabilities(maps))["cost"].tolist() == [0, 64, 0, 0]
        ready = Windows(options, context, Stub(), 64.0)
    windows = context.scan(ready.measure)["windows"]
    candidates = Candidates.of(ROWS, [IDS[r] for r in ROWS], np.zeros(4, bool), {"windows": windows})
    query = ready.select(candidates, 1, np.random.default_rng(0))
    assert query.rows[0] == row


def test_void_images_and_images_without_a_click_cost_nothing():
    assert len(contour_clicks(np.full((8, 8), IGNORE, np.uint8))) == 0
    pool = new_pool()
    ask(pool, 3, (0, 0, 16, 16))
    query = acquire(Cereals(size=8, cost_iterations=2, cost_multiplier=1 / 16), pool)
    assert set(query.source) == {"cereals"}
    with pytest.raises(ValueError, match="nothing is labelled yet"):
        acquire(Cereals(size=8), new_pool())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size=0"),
        ({"step": 0}, "step=0"),
        ({"fusion": "sum"}, "fusion='sum'"),
        ({"uncertainty": "bald"}, "uncertainty='bald'"),
        ({"cost_iterations": 0}, "cost_iterations=0"),
        ({"cost_lr": 0.0}, "cost_lr=0"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Cereals(**options)
