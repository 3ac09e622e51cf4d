"""CEREALS and its baselines: which regions they choose, and what the cost network learns (Mackowiak et al. 2018)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from region_parts import IDS, ROWS, SIZE, ask, new_pool, regions_of

from al_lightning.core.pool import LabelPool
from al_lightning.core.prediction import Prediction, SampleStatistics
from al_lightning.core.query import Query
from al_lightning.core.region import Box, cover
from al_lightning.core.strategy import Candidates, StageContext
from al_lightning.core.task import IGNORE
from al_lightning.cost.clicks import contour_clicks
from al_lightning.strategies import STRATEGIES, Cereals, RegionRandom, UncertaintySampling, choose
from al_lightning.strategies.regions.cereals import Windows
from al_lightning.strategies.regions.cost_model import known_density, train_cost_model


def probabilities(maps: dict[int, np.ndarray]) -> Prediction:
    """Two classes; a map holds the probability of the second by row."""
    p = torch.tensor(np.stack([maps[int(row)] for row in ROWS]), dtype=torch.float32)
    return Prediction(torch.tensor(ROWS), torch.stack([1 - p, p], 1))


def context_of(pool: LabelPool, maps: dict[int, np.ndarray] | None = None, clicks=None, seed: int = 0) -> StageContext:
    images = np.random.default_rng(5).integers(0, 256, (10, 3, *SIZE)).astype(np.uint8)
    maps = maps or {int(row): np.full(SIZE, 0.5) for row in ROWS}

    def found(row: int) -> np.ndarray:
        points = np.empty((0, 2)) if clicks is None else np.asarray(clicks[row], dtype=float)
        inside = [pool.revealed(row)[int(y), int(x)] for x, y in points]
        return points[np.array(inside, dtype=bool)]

    def predict(batch):
        p = torch.tensor(np.stack([maps[int(row)] for row in batch["rows"]]), dtype=torch.float32)
        return Prediction(batch["rows"], torch.stack([1 - p, p], 1))

    return StageContext(
        rows=ROWS,
        size=SIZE,
        classes=2,
        images=lambda rows: images[rows],
        regions=pool.regions,
        clicks=found,
        predict=predict,
        scan=lambda reduce: {k: v.numpy() for k, v in reduce(probabilities(maps)).items()},
        rng=np.random.default_rng(seed),
        trainer={"accelerator": "cpu"},
    )


def acquire(strategy, pool: LabelPool, maps=None, budget: int = 1, clicks=None, seed: int = 0) -> Query:
    """What the loop does for one stage, without a learner."""
    context = context_of(pool, maps, clicks, seed)
    ready = strategy.prepare(context)
    values = context.scan(ready.measure) if ready.needs else {}
    candidates = Candidates.of(ROWS, [IDS[row] for row in ROWS], pool.is_labelled, values)
    area = budget * SIZE[0] * SIZE[1] - pool.overspent_pixels
    return choose(ready, candidates, budget, np.random.default_rng(seed), area)


def dull() -> dict[int, np.ndarray]:
    return {int(row): np.full(SIZE, 1e-3) for row in ROWS}


def test_of_two_overlapping_hot_windows_one_survives():
    maps = dull()
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


@pytest.mark.parametrize("size", [5, 16, 20, 100])
@pytest.mark.parametrize("name", ["region-random", "region-entropy"])
def test_area_is_the_budget_and_at_most_one_region_more_over_stages(name, size):
    """No window twice, none outside, new pixels alone are counted; what a stage overspends is taken off the next."""
    pool, rng = new_pool(), np.random.default_rng(0)
    region = min(size, SIZE[0]) * min(size, SIZE[1])
    image = SIZE[0] * SIZE[1]
    for stage in range(1, 4):
        maps = {int(row): rng.random(SIZE) for row in ROWS}
        query = acquire(STRATEGIES[name](size=size), pool, maps, seed=stage)
        before = {row: pool.revealed(row) for row in ROWS.tolist()}
        for row, box in zip(query.rows.tolist(), query.regions, strict=True):
            if box is not None:
                after = before[row] | cover([box], SIZE)
                assert after.sum() - before[row].sum() >= box.height * box.width / 2
                before[row] = after
        pool.commit(query, stage)
        spent = sum(int(pool.revealed(row).sum()) for row in ROWS)
        assert stage * image <= spent < stage * image + (region if query.source[-1] != "remainder" else image)
        assert pool.labelled_equivalent == stage
    assert acquire(STRATEGIES[name](size=size), pool, seed=9).source[-1] in ("remainder", name)


def test_a_window_that_half_covers_known_pixels_is_charged_for_the_new_half():
    pool = new_pool()
    ask(pool, 8, (0, 0, 16, 24))
    maps = dull()
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
    maps = dull()
    maps[8][3, 3] = np.nan
    with pytest.raises(ValueError, match=r"'windows' is NaN or infinite for 1 of 4 images \(first: id8\)"):
        acquire(Cereals(size=8, fusion="info_only"), new_pool(), maps)


def test_vote_entropy_takes_the_votes_of_the_passes():
    maps = dull()
    context = context_of(new_pool(), maps)
    ready = Cereals(size=8, uncertainty="vote-entropy", fusion="info_only").prepare(context)
    assert "passes" in ready.needs
    prediction, passes = probabilities(maps), SampleStatistics()
    for k in range(4):
        p = torch.full((4, *SIZE), 0.4)
        p[1, 8:16, 8:16] = 0.6 if k % 2 else 0.4
        passes.add(torch.stack([1 - p, p], 1))
    prediction.passes = passes
    best = ready.measure(prediction)["windows"][1, 0]
    assert best.tolist() == pytest.approx([8, 8, 1, 64], abs=1e-5)


@pytest.mark.parametrize(("fusion", "row"), [("info_only", 4), ("product", 8), ("ratio", 8), ("difference", 8)])
def test_fusions_prefer_the_cheap_one_of_two_windows_nearly_as_informative(fusion, row, monkeypatch):
    """Cost from a stub instead of a trained network: row 4 is dear, row 8 free."""
    maps = dull()
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


def test_the_cost_network_learns_where_clicks_are_from_revealed_area_alone():
    """Left halves are revealed and dense where the image is bright; hidden clicks must change nothing."""
    rng = np.random.default_rng(0)
    images = np.zeros((10, 3, *SIZE), np.uint8)
    bright = {int(row): rng.random() < 2 and (int(row) % 2 == 0) for row in ROWS}
    clicks = {}
    for row in ROWS.tolist():
        images[row] = 30 + 200 * bright[row]
        number = 60 if bright[row] else 2
        clicks[row] = np.column_stack([rng.uniform(0, 48, number), rng.uniform(0, 32, number)])
    pool = new_pool()
    for row in ROWS.tolist():
        ask(pool, row, (0, 0, 32, 24))

    def trained(points) -> tuple[np.ndarray, float]:
        context = replace(context_of(pool, clicks=points), images=lambda rows: images[rows])
        model = train_cost_model(context, 1 / 16, 60, 2e-3)
        rows = torch.tensor(ROWS)
        prediction = context.predict({"rows": rows, "image": torch.from_numpy(images[ROWS])})
        return model(ROWS, prediction).numpy(), model.scale

    density, scale = trained(clicks)
    assert density.shape == (4, *SIZE)
    assert (density >= 0).all()
    per_image = density.mean((1, 2))  # rows 3, 4, 8, 9
    assert per_image[[1, 2]].min() > 3 * per_image[[0, 3]].max()
    known = sum((points[:, 0] < 24).sum() for points in clicks.values())
    assert scale == pytest.approx(known / (4 * 32 * 24))
    spoilt = {row: np.concatenate([points, [[40.0, 10.0]] * 500]) for row, points in clicks.items()}
    again, scale_again = trained(spoilt)
    assert scale_again == scale
    assert np.array_equal(again, density)


def test_density_does_not_fall_off_at_the_border_of_what_is_known():
    points = np.array([[x + 0.5, y + 0.5] for y in range(32) for x in range(24)])
    revealed = cover(regions_of((0, 0, 32, 24)), SIZE)
    density = known_density(points, revealed)
    assert np.allclose(density[revealed], 1)
    assert (density[~revealed] == 0).all()
    assert not known_density(np.empty((0, 2)), revealed).any()


def test_void_images_and_images_without_a_click_cost_nothing():
    assert len(contour_clicks(np.full((8, 8), IGNORE, np.uint8))) == 0
    pool = new_pool()
    ask(pool, 3, (0, 0, 16, 16))
    query = acquire(Cereals(size=8, cost_iterations=2, cost_multiplier=1 / 16), pool)
    assert set(query.source) == {"cereals"}
    with pytest.raises(ValueError, match="nothing is labelled yet"):
        acquire(Cereals(size=8), new_pool())


def test_random_windows_repeat_under_a_seed_and_differ_between_seeds():
    first, second, third = (acquire(RegionRandom(8), new_pool(), seed=seed) for seed in (0, 0, 1))
    assert first.regions == second.regions
    assert np.array_equal(first.rows, second.rows)
    assert first.regions[:5] != third.regions[:5]


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


def test_regions_need_the_loop():
    with pytest.raises(ValueError, match="ActiveLearningLoop"):
        RegionRandom(8).select(Candidates.of([1], ["a"], [False]), 1, np.random.default_rng(0))


@pytest.mark.parametrize("regions_first", [False, True])
def test_a_mixture_spends_one_part_on_images_and_the_other_on_regions(regions_first):
    pool, rng = new_pool(), np.random.default_rng(0)
    maps = {int(row): rng.random(SIZE) for row in ROWS}
    parts = [UncertaintySampling("bvsb"), STRATEGIES["region-entropy"](size=8)]
    strategy = STRATEGIES["mixture"](*(parts[::-1] if regions_first else parts), gamma=0.5)
    query = acquire(strategy, pool, maps, budget=2)
    whole = np.array([region is None for region in query.regions])
    assert whole.sum() == 1
    assert whole[0]
    assert not np.isin(query.rows[~whole], query.rows[whole]).any()
    assert set(query.source) == {"bvsb", "region-entropy"}
    pool.commit(query, 1)
    image = SIZE[0] * SIZE[1]
    assert 2 * image <= sum(int(pool.revealed(row).sum()) for row in ROWS) < 2 * image + 64


def test_a_mixture_spends_what_is_known_of_its_images_on_more_regions():
    pool = new_pool()
    ask(pool, 8, (0, 0, 16, 48))  # half of the image that is the most uncertain
    maps = {int(row): np.full(SIZE, 0.5 if row == 8 else 0.1) for row in ROWS}
    strategy = STRATEGIES["mixture"](UncertaintySampling("bvsb"), RegionRandom(8), gamma=0.5)
    query = acquire(strategy, pool, maps, budget=2)
    assert (query.rows[0], query.regions[0]) == (8, None)
    pool.commit(query, 2)
    image = SIZE[0] * SIZE[1]
    # The half counts against this budget, as what any stage overspends does, but once.
    assert 2 * image <= sum(int(pool.revealed(row).sum()) for row in ROWS) < 2 * image + 64


def test_a_mixture_of_two_that_ask_for_regions_is_refused():
    with pytest.raises(ValueError, match="both parts ask for regions"):
        STRATEGIES["mixture"](Cereals(), RegionRandom())
