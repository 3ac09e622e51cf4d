"""What regions cost: pixels and vertices, each charged once."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from region_parts import ask

from al_lightning.cost.annotation import AnnotationCost
from al_lightning.cost.clicks import contour_clicks
from al_lightning.data import Cache


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
