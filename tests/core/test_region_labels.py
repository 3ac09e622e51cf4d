"""Regions in the pool, in batches and losses, and in what they cost."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from region_parts import IDS, ROWS, ask, new_pool, regions_of

from al_lightning.core.pool import LabelPool
from al_lightning.core.query import Query
from al_lightning.core.region import Box
from al_lightning.core.task import IGNORE
from al_lightning.cost.annotation import AnnotationCost
from al_lightning.cost.clicks import contour_clicks
from al_lightning.data import Cache
from al_lightning.data.datasets.cityscapes import polygon_file
from al_lightning.learners.losses import batch_dice_loss, segmentation_loss

# The pool


def test_regions_train_stay_open_and_add_up_to_an_image():
    pool = new_pool()
    pool.commit(Query.of(np.array([3]), "initial"), 0)
    ask(pool, 8, (0, 0, 16, 48))
    assert pool.labelled.tolist() == [3]
    assert pool.partial.tolist() == [8]
    assert pool.trainable.tolist() == pool.annotated.tolist() == [3, 8]
    assert pool.unlabelled.tolist() == [4, 8, 9]
    assert (pool.labelled_equivalent, pool.fraction, pool.overspent_pixels) == (1, 1.5 / 4, 16 * 48)
    assert pool.revealed(8).sum() == 16 * 48
    assert pool.revealed(3).all()
    assert not pool.revealed(4).any()
    ask(pool, 8, (10, 0, 22, 48), stage=2)  # overlaps by 6 rows
    assert pool.labelled.tolist() == [3, 8]
    assert (pool.labelled_equivalent, pool.overspent_pixels, pool.partial.tolist()) == (2, 0, [])
    assert [label.region for label in pool.labels] == [None, Box(0, 0, 16, 48), Box(10, 0, 22, 48)]


@pytest.mark.parametrize(
    ("row", "box", "message"),
    [
        (8, (0, 0, 8, 8), "revealed already"),
        (4, (30, 0, 8, 8), r"id4: region \[30, 0, 8, 8\] is not inside the image of 32 x 48"),
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
        pool.commit(Query.of(np.array([9, row]), "x", regions=(Box(0, 0, 4, 4), Box(*box))), 2)
    assert pool.state() == before
    assert pool.partial.tolist() == [8]


def test_a_pool_without_a_size_takes_images_only():
    pool = LabelPool(ROWS, IDS)
    pool.commit(Query.of(np.array([3, 4]), "initial"), 0)
    assert (pool.labelled_equivalent, pool.fraction, pool.overspent_pixels) == (2, 0.5, 0)
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
    assert (again.labelled_equivalent, again.overspent_pixels) == (3, 12)


def test_queries_of_images_and_regions_join():
    query = Query.of(np.array([4]), "a") + Query.of(
        np.array([8, 8]), "b", regions=regions_of((0, 0, 2, 2), (4, 4, 2, 2))
    )
    assert query.regions == (None, Box(0, 0, 2, 2), Box(4, 4, 2, 2))
    assert query.subset([2, 0]).regions == (Box(4, 4, 2, 2), None)
    pool = new_pool()
    pool.commit(query, 1)
    assert (pool.labelled.tolist(), pool.partial.tolist()) == ([4], [8])


# Data, losses and cost


def test_hidden_pixels_of_an_image_do_not_count(regional_data):
    data = regional_data
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


def test_regions_cost_their_new_pixels_and_clicks_and_add_up(regional_data):
    data = regional_data
    pool, costs = data.pool, AnnotationCost(data.cache)
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
        cost = costs.cost(pool)
        assert (cost["pixels"], cost["clicks"]) == counted()
        assert cost["images"] == 1
        spent.append(cost["pixels"])
    assert (spent[0], spent[1] - spent[0]) == (20 * 48, 10 * 48)  # the half that was known is not charged again
    assert pool.labelled.tolist() == [row]
    assert costs.cost(pool) == {"images": 1, "pixels": 40 * 48, "clicks": len(clicks)}
    assert costs.total()["pixels"] == len(pool) * 40 * 48
    assert costs.kind == "contours"


def test_clicks_of_polygons_are_preferred_where_every_image_has_them(regional_data, tmp_path):
    data = regional_data
    for row in data.pool.rows.tolist():
        content = {"imgHeight": 40, "imgWidth": 48, "objects": [{"label": "a", "polygon": [[0, 0], [47, 0], [47, 39]]}]}
        (tmp_path / f"{data.dataset.ids[row]}.json").write_text(json.dumps(content))
    dataset = replace(data.dataset, polygons=lambda target: tmp_path / f"{target.stem}.json")
    costs = AnnotationCost(Cache(dataset))
    assert costs.kind == "polygons"
    row = int(data.pool.rows[0])
    assert np.allclose(costs.points(row), [[0, 0], [47 / 3, 0], [47 / 3, 39 * 0.4]])
    ask(data.pool, row, (0, 0, 8, 16))
    assert costs.cost(data.pool)["clicks"] == 2
    next(tmp_path.glob("*.json")).unlink()
    assert AnnotationCost(Cache(dataset)).kind == "contours"


def test_polygons_of_cityscapes_lie_beside_either_kind_of_label_image(tmp_path):
    expected = tmp_path / "ulm_000001_000019_gtFine_polygons.json"
    for kind in ("labelIds", "labelTrainIds"):
        assert polygon_file(tmp_path / f"ulm_000001_000019_gtFine_{kind}.png") == expected
