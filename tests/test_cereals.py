"""CEREALS: regions in pool, data and cost; information against cost; whole runs (Mackowiak et al. 2018)."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from rich.console import Console

from al_lightning import experiment
from al_lightning.clicks import contour_clicks
from al_lightning.config import ConfigError, load
from al_lightning.data import Cache, PoolDataModule
from al_lightning.data.cityscapes import polygon_file
from al_lightning.data.effort import Effort
from al_lightning.data.kvasir import kvasir
from al_lightning.learners.losses import batch_dice_loss, segmentation_loss
from al_lightning.learners.unet import unet
from al_lightning.loop import ActiveLearningLoop
from al_lightning.pool import LabelPool
from al_lightning.regions import cover
from al_lightning.strategies import STRATEGIES, Cereals, RegionRandom, Uncertain, choose
from al_lightning.strategies.cereals import Windows
from al_lightning.strategies.cost_model import known_density, train_cost_model
from al_lightning.types import IGNORE, Candidates, Passes, Prediction, Query, Survey

SIZE = (32, 48)
ROWS = np.array([3, 4, 8, 9])
IDS = [f"id{i}" for i in range(10)]


def boxes_of(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    return np.array(boxes, dtype=np.int64)


def new_pool() -> LabelPool:
    return LabelPool(ROWS, IDS, SIZE)


def ask(pool: LabelPool, row: int, *boxes: tuple[int, int, int, int], stage: int = 1) -> None:
    pool.commit(Query.of(np.full(len(boxes), row), "x", boxes=boxes_of(*boxes)), stage)


# The pool


def test_regions_train_stay_open_and_add_up_to_an_image():
    pool = new_pool()
    pool.commit(Query.of(np.array([3]), "initial"), 0)
    ask(pool, 8, (0, 0, 16, 48))
    assert pool.labelled.tolist() == [3]
    assert pool.partial.tolist() == [8]
    assert pool.trainable.tolist() == pool.annotated.tolist() == [3, 8]
    assert pool.unlabelled.tolist() == [4, 8, 9]
    assert (pool.worth, pool.fraction, pool.surplus) == (1, 1.5 / 4, 16 * 48)
    assert pool.revealed(8).sum() == 16 * 48
    assert pool.revealed(3).all()
    assert not pool.revealed(4).any()
    ask(pool, 8, (10, 0, 22, 48), stage=2)  # overlaps by 6 rows
    assert pool.labelled.tolist() == [3, 8]
    assert (pool.worth, pool.surplus, pool.partial.tolist()) == (2, 0, [])
    assert [label.box for label in pool.labels] == [None, (0, 0, 16, 48), (10, 0, 22, 48)]


@pytest.mark.parametrize(
    ("row", "box", "message"),
    [
        (8, (0, 0, 8, 8), "revealed already"),
        (4, (30, 0, 8, 8), r"\[30, 0, 8, 8\] of id4 is not inside the image of 32 x 48"),
        (4, (0, -1, 8, 8), "not inside"),
        (4, (0, 0, 0, 8), "not inside"),
        (3, (0, 0, 8, 8), "outside the unlabelled pool"),
        (5, (0, 0, 8, 8), "outside the unlabelled pool"),
    ],
)
def test_impossible_regions_are_refused_and_nothing_is_recorded(row, box, message):
    pool = new_pool()
    pool.commit(Query.of(np.array([3]), "initial"), 0)
    ask(pool, 8, (0, 0, 16, 16))
    before = pool.state()
    with pytest.raises(ValueError, match=message):
        pool.commit(Query.of(np.array([9, row]), "x", boxes=boxes_of((0, 0, 4, 4), box)), 2)
    assert pool.state() == before
    assert pool.partial.tolist() == [8]


def test_a_pool_without_a_size_takes_images_only():
    pool = LabelPool(ROWS, IDS)
    pool.commit(Query.of(np.array([3, 4]), "initial"), 0)
    assert (pool.worth, pool.fraction, pool.surplus) == (2, 0.5, 0)
    with pytest.raises(ValueError, match=r"give LabelPool size"):
        ask(pool, 8, (0, 0, 8, 8))


def test_state_of_regions_survives_json_and_images_have_no_box():
    pool = new_pool()
    pool.commit(Query.of(np.array([3]), "initial"), 0)
    ask(pool, 8, (0, 0, 16, 48), (4, 0, 16, 20))
    ask(pool, 9, (0, 0, 32, 30), (0, 30, 32, 18), stage=2)
    pool.commit(Query.of(np.array([8]), "later"), 3)
    ask(pool, 4, (1, 2, 3, 4), stage=4)
    state = json.loads(json.dumps(pool.state()))
    assert "box" not in state[0]
    assert state[1]["box"] == [0, 0, 16, 48]
    again = new_pool()
    again.restore(state)
    assert again.state() == state
    assert again.labelled.tolist() == pool.labelled.tolist() == [3, 8, 9]
    assert again.partial.tolist() == [4]
    assert all(np.array_equal(again.revealed(row), pool.revealed(row)) for row in ROWS)
    assert (again.worth, again.surplus) == (3, 12)


def test_queries_of_images_and_regions_join():
    query = Query.of(np.array([4]), "a") + Query.of(np.array([8, 8]), "b", boxes=boxes_of((0, 0, 2, 2), (4, 4, 2, 2)))
    assert query.boxes.tolist() == [[0, 0, 0, 0], [0, 0, 2, 2], [4, 4, 2, 2]]
    assert query.take([2, 0]).boxes.tolist() == [[4, 4, 2, 2], [0, 0, 0, 0]]
    pool = new_pool()
    pool.commit(query, 1)
    assert (pool.labelled.tolist(), pool.partial.tolist()) == ([4], [8])


# Data, losses and cost


@pytest.fixture
def data(kvasir_root):
    dataset = kvasir(str(kvasir_root), 16, validation=4)
    pool = LabelPool(dataset.pool, dataset.ids, dataset.size)
    return PoolDataModule(dataset, pool, batch_size=4)


def test_hidden_pixels_of_an_image_do_not_count(data):
    pool, (a, b, c) = data.pool, data.pool.rows[:3].tolist()
    pool.commit(Query.of(np.array([a]), "initial"), 0)
    ask(pool, b, (2, 3, 8, 9))
    data.setup("fit")
    whole = Cache(data.dataset)
    whole.reveal_targets([a, b])
    first, second = data.cache.targets(np.array([a, b]))
    truth = whole.targets(np.array([a, b]))
    inside = np.zeros((16, 16), bool)
    inside[2:10, 3:12] = True
    assert np.array_equal(first, truth[0])
    assert np.array_equal(second[inside], truth[1][inside])
    assert (second[~inside] == IGNORE).all()
    assert sorted(np.concatenate([batch["rows"] for batch in data.train_dataloader()]).tolist()) == [a, b]
    assert c not in data.cache._targets
    # Pseudo-labels fill what is hidden; what is revealed stays.
    data.cache.pseudo = {b: np.full((16, 16), 0.25, np.float32)}
    mixed = data.cache.targets(np.array([b]))[0]
    assert (mixed[~inside] == 0.25).all()
    assert np.array_equal(mixed[inside], truth[1][inside])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("loss", [segmentation_loss, batch_dice_loss])
def test_a_batch_without_a_revealed_pixel_contributes_nothing(channels, loss):
    logits = torch.randn(2, channels, 8, 8, requires_grad=True)
    value = loss(logits, torch.full((2, 8, 8), IGNORE, dtype=torch.uint8))
    value.backward()
    assert value == 0
    assert (logits.grad == 0).all()


def test_regions_cost_their_new_pixels_and_clicks_and_add_up(data):
    pool, effort = data.pool, Effort(data.cache)
    row = int(pool.rows[0])
    truth = data.dataset.read_target(row)
    clicks = contour_clicks(truth).points
    height, width = truth.shape
    assert (height, width) == (40, 48)

    def counted() -> tuple[int, int]:
        """By brute force over native pixels and clicks."""
        mask = pool.revealed(row)
        at = lambda y, x: mask[int(y * 16 / height), int(x * 16 / width)]  # noqa: E731
        pixels = sum(at(y + 0.5, x + 0.5) for y in range(height) for x in range(width))
        return int(pixels), sum(bool(at(y, x)) for x, y in clicks.tolist())

    spent = []
    for box in ((0, 0, 8, 16), (4, 0, 8, 16), (0, 0, 16, 5), (8, 0, 8, 16)):
        ask(pool, row, box)
        cost = effort.cost(pool)
        assert (cost["pixels"], cost["clicks"]) == counted()
        assert cost["images"] == 1
        spent.append(cost["pixels"])
    assert (spent[0], spent[1] - spent[0]) == (20 * 48, 10 * 48)  # the half that was known is not charged again
    assert pool.labelled.tolist() == [row]
    assert effort.cost(pool) == {"images": 1, "pixels": 40 * 48, "clicks": len(clicks)}
    assert effort.total()["pixels"] == len(pool) * 40 * 48
    assert effort.kind == "contours"


def test_clicks_of_polygons_are_preferred_where_every_image_has_them(data, tmp_path):
    for row in data.pool.rows.tolist():
        content = {"imgHeight": 40, "imgWidth": 48, "objects": [{"label": "a", "polygon": [[0, 0], [47, 0], [47, 39]]}]}
        (tmp_path / f"{data.dataset.ids[row]}.json").write_text(json.dumps(content))
    dataset = replace(data.dataset, polygons=lambda target: tmp_path / f"{target.stem}.json")
    effort = Effort(Cache(dataset))
    assert effort.kind == "polygons"
    row = int(data.pool.rows[0])
    assert np.allclose(effort.points(row), [[0, 0], [47 / 3, 0], [47 / 3, 39 * 0.4]])
    ask(data.pool, row, (0, 0, 8, 16))
    assert effort.cost(data.pool)["clicks"] == 2
    next(tmp_path.glob("*.json")).unlink()
    assert Effort(Cache(dataset)).kind == "contours"


def test_polygons_of_cityscapes_lie_beside_either_kind_of_label_image(tmp_path):
    expected = tmp_path / "ulm_000001_000019_gtFine_polygons.json"
    for kind in ("labelIds", "labelTrainIds"):
        assert polygon_file(tmp_path / f"ulm_000001_000019_gtFine_{kind}.png") == expected


# Strategies


def probabilities(maps: dict[int, np.ndarray]) -> Prediction:
    """Two classes; a map holds the probability of the second by row."""
    p = torch.tensor(np.stack([maps[int(row)] for row in ROWS]), dtype=torch.float32)
    return Prediction(torch.tensor(ROWS), torch.stack([1 - p, p], 1))


def survey_of(pool: LabelPool, maps: dict[int, np.ndarray] | None = None, clicks=None, seed: int = 0) -> Survey:
    images = np.random.default_rng(5).integers(0, 256, (10, 3, *SIZE)).astype(np.uint8)
    maps = maps or {int(row): np.full(SIZE, 0.5) for row in ROWS}

    def found(row: int) -> np.ndarray:
        points = np.empty((0, 2)) if clicks is None else np.asarray(clicks[row], dtype=float)
        inside = [pool.revealed(row)[int(y), int(x)] for x, y in points]
        return points[np.array(inside, dtype=bool)]

    def predict(batch):
        p = torch.tensor(np.stack([maps[int(row)] for row in batch["rows"]]), dtype=torch.float32)
        return Prediction(batch["rows"], torch.stack([1 - p, p], 1))

    return Survey(
        rows=ROWS,
        size=SIZE,
        classes=2,
        images=lambda rows: images[rows],
        boxes=pool.boxes,
        clicks=found,
        surplus=pool.surplus,
        predict=predict,
        scan=lambda reduce: {k: v.numpy() for k, v in reduce(probabilities(maps)).items()},
        rng=np.random.default_rng(seed),
        trainer={"accelerator": "cpu"},
    )


def acquire(strategy, pool: LabelPool, maps=None, budget: int = 1, clicks=None, seed: int = 0) -> Query:
    """What the loop does for one stage, without a learner."""
    survey = survey_of(pool, maps, clicks, seed)
    ready = strategy.prepare(survey)
    values = survey.scan(ready.measure) if ready.needs else {}
    candidates = Candidates.of(ROWS, [IDS[row] for row in ROWS], pool.is_labelled, values)
    return choose(ready, candidates, budget, np.random.default_rng(seed))


def dull() -> dict[int, np.ndarray]:
    return {int(row): np.full(SIZE, 1e-3) for row in ROWS}


def test_of_two_overlapping_hot_windows_one_survives():
    maps = dull()
    maps[8][4:12, 10:18] = 0.5
    maps[8][8:16, 14:22] = 0.5
    survey = survey_of(new_pool(), maps)
    ready = Cereals(size=8, fusion="info_only").prepare(survey)
    windows = survey.scan(ready.measure)["windows"]
    assert windows.shape == (4, 4 * 6, 4)
    best = windows[2, 0]
    assert best.tolist() == pytest.approx([4, 10, 1, 64], abs=1e-5)  # equally hot: the upper one
    for top, left, value, area in windows[2, 1:]:
        if area:
            assert abs(top - 4) >= 8 or abs(left - 10) >= 8
            assert value < 1
    pool = new_pool()
    query = acquire(Cereals(size=8, fusion="info_only"), pool, maps)
    assert (query.rows[0], query.boxes[0].tolist()) == (8, [4, 10, 8, 8])
    assert np.allclose(query.score, np.sort(query.score)[::-1])


@pytest.mark.parametrize("size", [5, 16, 20, 100])
@pytest.mark.parametrize("name", ["region-random", "region-entropy"])
def test_area_is_the_budget_and_at_most_one_region_more_over_stages(name, size):
    """No window twice, none outside, new pixels alone are counted; the surplus of a stage is taken off the next."""
    pool, rng = new_pool(), np.random.default_rng(0)
    region = min(size, SIZE[0]) * min(size, SIZE[1])
    image = SIZE[0] * SIZE[1]
    for stage in range(1, 4):
        maps = {int(row): rng.random(SIZE) for row in ROWS}
        query = acquire(STRATEGIES[name](size=size), pool, maps, seed=stage)
        before = {row: pool.revealed(row) for row in ROWS.tolist()}
        for row, box in zip(query.rows.tolist(), query.boxes, strict=True):
            if box.any():
                after = before[row] | cover(box, SIZE)
                assert after.sum() - before[row].sum() >= box[2] * box[3] / 2
                before[row] = after
        pool.commit(query, stage)
        spent = sum(int(pool.revealed(row).sum()) for row in ROWS)
        assert stage * image <= spent < stage * image + (region if query.source[-1] != "remainder" else image)
        assert pool.worth == stage
    assert acquire(STRATEGIES[name](size=size), pool, seed=9).source[-1] in ("remainder", name)


def test_a_window_that_half_covers_known_pixels_is_charged_for_the_new_half():
    pool = new_pool()
    ask(pool, 8, (0, 0, 16, 24))
    maps = dull()
    maps[8][8:16, :24] = 0.5  # known: no information
    maps[8][16:24, :24] = 0.5
    survey = survey_of(pool, maps)
    windows = survey.scan(Cereals(size=16, step=8, fusion="info_only").prepare(survey).measure)["windows"][2]
    best = {(top, left): (value, area) for top, left, value, area in windows if area}
    assert (8.0, 0.0) not in best or best[8.0, 0.0][1] == 128
    assert all(area >= 128 for _, area in best.values())
    top = max(best.items(), key=lambda item: item[1][0])
    assert top[1][0] == pytest.approx(0.5, abs=0.02)
    assert top[1][1] == 128 if top[0][0] == 8 else 256


def test_a_window_larger_than_the_image_is_the_image():
    query = acquire(Cereals(size=512, fusion="info_only"), new_pool(), budget=2)
    assert query.boxes.tolist() == [[0, 0, *SIZE]] * 2
    assert query.rows.tolist() == [3, 4]
    pool = new_pool()
    pool.commit(query, 1)
    assert pool.labelled.tolist() == [3, 4]


def test_windows_out_of_step_carry_their_own_new_pixels():
    pool = new_pool()
    ask(pool, 8, (20, 40, 12, 8))
    survey = survey_of(pool, {int(row): np.random.default_rng(row).random(SIZE) for row in ROWS})
    windows = survey.scan(Cereals(size=10, step=7, fusion="info_only").prepare(survey).measure)["windows"]
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
    survey = survey_of(new_pool(), maps)
    ready = Cereals(size=8, uncertainty="vote-entropy", fusion="info_only").prepare(survey)
    assert "passes" in ready.needs
    prediction, passes = probabilities(maps), Passes()
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
    survey = survey_of(new_pool(), maps)

    class Stub(torch.nn.Module):
        scale = 1.0

        def forward(self, rows, prediction):
            return torch.tensor(rows == 4, dtype=torch.float32)[:, None, None].expand(-1, *SIZE)

    options = Cereals(size=8, fusion=fusion)
    if fusion == "info_only":
        ready = options.prepare(survey)
    else:
        first = Windows(options, survey, Stub())
        assert first.largest_cost(probabilities(maps))["cost"].tolist() == [0, 64, 0, 0]
        ready = Windows(options, survey, Stub(), 64.0)
    windows = survey.scan(ready.measure)["windows"]
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
        survey = replace(survey_of(pool, clicks=points), images=lambda rows: images[rows])
        model = train_cost_model(survey, 1 / 16, 60, 2e-3)
        rows = torch.tensor(ROWS)
        prediction = survey.predict({"rows": rows, "image": torch.from_numpy(images[ROWS])})
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
    revealed = cover(boxes_of((0, 0, 32, 24)), SIZE)
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
    assert np.array_equal(first.boxes, second.boxes)
    assert np.array_equal(first.rows, second.rows)
    assert not np.array_equal(first.boxes[:5], third.boxes[:5])


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
    parts = [Uncertain("bvsb"), STRATEGIES["region-entropy"](size=8)]
    strategy = STRATEGIES["mixture"](*(parts[::-1] if regions_first else parts), gamma=0.5)
    query = acquire(strategy, pool, maps, budget=2)
    whole = ~query.boxes.any(axis=1)
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
    strategy = STRATEGIES["mixture"](Uncertain("bvsb"), RegionRandom(8), gamma=0.5)
    query = acquire(strategy, pool, maps, budget=2)
    assert (query.rows[0], query.boxes[0].any()) == (8, False)
    pool.commit(query, 2)
    image = SIZE[0] * SIZE[1]
    # The half counts against this budget, as the surplus of any stage does, but once.
    assert 2 * image <= sum(int(pool.revealed(row).sum()) for row in ROWS) < 2 * image + 64


def test_a_mixture_of_two_that_ask_for_regions_is_refused():
    with pytest.raises(ValueError, match="both parts ask for regions"):
        STRATEGIES["mixture"](Cereals(), RegionRandom())


# Whole runs


def test_images_and_regions_mix_in_one_run_with_mc_passes_and_a_bare_trainer(data):
    quiet = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    pool = data.pool
    torch.manual_seed(0)
    learner = unet(data.dataset.task, (16, 16), mc_passes=3, widths=[4, 8], dropout=0.5)
    cereals = Cereals(size=6, step=2, uncertainty="vote-entropy", cost_iterations=2, cost_multiplier=1 / 16)
    worth = [2]
    for stage, strategy in enumerate([cereals, Uncertain("bvsb"), RegionRandom(6), cereals]):
        loop = ActiveLearningLoop(pool, strategy, per_stage=2, seed=0)
        loop.stage = stage
        if stage == 0:
            loop.start(2)
        trainer = pl.Trainer(max_epochs=1, callbacks=[loop], enable_checkpointing=False, **quiet)
        trainer.fit(learner, data)
        assert torch.isfinite(trainer.callback_metrics["train/loss"])
        before = {name: value.clone() for name, value in learner.state_dict().items() if "metrics" not in name}
        query = loop.acquire(trainer, learner, data)
        assert all(torch.equal(value, learner.state_dict()[name]) for name, value in before.items())
        assert (query.boxes is None) == isinstance(strategy, Uncertain)
        worth.append(pool.worth)
    assert worth[1] == 4
    assert worth[2] <= 6  # an image of which regions were known already reveals less than an image
    assert worth[4] - worth[3] in (2, 3)
    assert len(pool.partial)
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in learner.parameters())


@pytest.fixture
def regional(tiny):
    tiny["strategy"] = {"name": "cereals", "options": {"size": 8, "cost_iterations": 2, "cost_multiplier": 0.0625}}
    return tiny


def run(path: Path, *overrides: str):
    return experiment.run(load([path], overrides), Console(quiet=True))


def test_a_run_with_regions_counts_and_says_what_it_asked_for(regional, write_config):
    folder = run(write_config(regional))
    rows = folder.rows()
    assert [row["labelled"] for row in rows] == [4, 7, 10]
    assert rows[0]["cost"]["images"] == 4
    for before, after in pairwise(rows):
        assert before["cost"]["clicks"] < after["cost"]["clicks"]
        pixels = after["cost"]["pixels"]
        # A pixel of the learner stands for 2.5 rows, hence 2 or 3.
        assert pixels == pytest.approx(after["labelled"] * 40 * 48, abs=40 * 48 / 4)
    assert len(rows[0]["selected"]) >= 12
    for pick in rows[0]["selected"]:
        assert set(pick) == {"id", "source", "score", "box"}
        assert pick["box"][2:] == [8, 8]
    cost = json.loads(folder.environment.read_text())["cost"]
    assert cost["clicks"] == "contours"
    assert cost["pool"]["pixels"] == 18 * 40 * 48
    assert cost["pool"]["clicks"] > rows[2]["cost"]["clicks"]


def test_a_run_mixes_images_and_regions_by_its_yaml_alone(regional, write_config):
    options = {"uncertain": {"name": "bvsb"}, "diverse": {"name": "region-entropy", "options": {"size": 8}}}
    regional["strategy"] = {"name": "mixture", "options": options | {"gamma": 0.4}}
    rows = run(write_config(regional)).rows()
    assert [row["labelled"] for row in rows][:2] == [4, 7]
    kinds = [(pick["source"], pick["box"] == [0, 0, 16, 16]) for pick in rows[0]["selected"]]
    assert kinds[0] == ("bvsb", True)
    assert set(kinds[1:]) == {("region-entropy", False)}
    assert rows[1]["cost"]["pixels"] > rows[0]["cost"]["pixels"]


def test_a_stopped_run_goes_on_with_its_regions(regional, write_config):
    regional["strategy"] = {"name": "region-entropy", "options": {"size": 8}}
    path = write_config(regional)
    whole = run(path).rows()
    folder = run(path, "name=again")
    # As if killed after stage 1: its successor's state and row are not there yet.
    state = sorted((folder.path / "state").iterdir())
    state[-1].unlink()
    lines = (folder.path / "stages.jsonl").read_text().splitlines(keepends=True)
    (folder.path / "stages.jsonl").write_text("".join(lines[:2]))
    resumed = experiment.resume(folder.path, Console(quiet=True)).rows()
    strip = [{k: v for k, v in row.items() if k != "seconds"} for row in whole]
    assert [{k: v for k, v in row.items() if k != "seconds"} for row in resumed] == strip


def test_depth_refuses_regions(tiny, write_config, tmp_path):
    tiny["dataset"] = {
        "name": "synthetic",
        "options": {"root": str(tmp_path / "d"), "size": 32, "render_size": 32, "pool": 24, "validation": 8, "test": 8}
        | {"task": "depth"},
    }
    tiny["strategy"] = {"name": "region-random"}
    with pytest.raises(ConfigError, match="region-random: asks for regions, which a depth task"):
        run(write_config(tiny))


def test_images_of_several_sizes_in_one_run(regional, write_config, kvasir_root, tmp_path):
    """Boxes are in the learner's grid, costs at each image's own size."""
    root = tmp_path / "sizes" / "Kvasir-SEG"
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
        for i, file in enumerate(sorted((kvasir_root / part).iterdir())):
            with Image.open(file) as image:
                image.resize((48 + 5 * (i % 4), 40 + 7 * (i % 3))).save(root / part / file.name)
    (root.parent / "sessile-main-Kvasir-SEG").symlink_to(kvasir_root.parent / "sessile-main-Kvasir-SEG")
    regional["dataset"]["options"]["root"] = str(root)
    regional["strategy"] = {"name": "region-random", "options": {"size": 8}}
    rows = run(write_config(regional)).rows()
    assert [row["labelled"] for row in rows] == [4, 7, 10]
    assert rows[0]["cost"]["pixels"] < rows[1]["cost"]["pixels"] < rows[2]["cost"]["pixels"]
