"""Clicks of polygons that annotators drew, and the map of clicks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from al_lightning.cost.clicks import click_map, polygon_clicks
from al_lightning.strategies.regions.windows import box_sums

CITY = {
    "imgHeight": 20,
    "imgWidth": 40,
    "objects": [
        {"label": "road", "polygon": [[0, 19], [39, 19], [39, 10], [0, 10]]},
        {"label": "sky", "polygon": [[0, 10], [39, 10], [40, -1], [-3, 0]]},  # two corners outside
        {"label": "car", "polygon": [[5, 12], [9, 12], [7, 15]]},
        {"label": "car", "deleted": 1, "polygon": [[1, 1], [2, 1], [2, 2]]},
        {"label": "ego vehicle", "polygon": [[0, 18], [39, 18], [20, 16]]},
        {"label": "pole", "polygon": []},
    ],
}


def test_polygons_of_cityscapes(tmp_path: Path):
    path = tmp_path / "aachen_000000_000019_gtFine_polygons.json"
    path.write_text(json.dumps(CITY))
    clicks = polygon_clicks(path)
    assert len(clicks) == 4 + 2 + 3 + 3
    # The border between road and sky has been clicked for each of them.
    assert sorted(clicks.labels[(clicks.points == [39, 10]).all(1)]) == ["road", "sky"]
    assert clicks.labels.tolist() == ["road"] * 4 + ["sky"] * 2 + ["car"] * 3 + ["ego vehicle"] * 3
    assert clicks.polygons.tolist() == [0] * 4 + [1] * 2 + [2] * 3 + [3] * 3
    assert len(polygon_clicks(CITY, skip={"ego vehicle"})) == 9
    assert len(polygon_clicks({**CITY, "objects": []})) == 0
    with pytest.raises(FileNotFoundError):
        polygon_clicks(tmp_path / "none.json")
    path.write_text('{"imgHeight": 20, "imgWidth": 40}')
    with pytest.raises(ValueError, match=r"polygons\.json: not a Cityscapes polygon file"):
        polygon_clicks(path)
    with pytest.raises(ValueError, match="not a Cityscapes"):
        polygon_clicks({**CITY, "objects": [{"label": "road", "polygon": [[1, 2, 3]]}]})


def test_window_sums_of_the_click_map_count_clicks():
    clicks = polygon_clicks(CITY)
    counts = click_map(clicks.points, (20, 40))
    assert counts.sum() == len(clicks)
    assert counts[10, 39] == 2
    windows = box_sums(torch.from_numpy(counts)[None], (8, 8))[0]
    revealed = np.zeros((20, 40), dtype=bool)
    revealed[:14, :20] = True
    fresh = box_sums(torch.from_numpy(counts * ~revealed)[None], (8, 8))[0]
    for top, left in ((0, 0), (10, 4), (12, 32), (5, 17), (12, 0)):
        inside = [top <= y < top + 8 and left <= x < left + 8 for x, y in clicks.points]
        new = [hit and not revealed[int(y), int(x)] for hit, (x, y) in zip(inside, clicks.points, strict=True)]
        assert windows[top, left] == sum(inside)
        assert fresh[top, left] == sum(new)
    # Between pixels the left or upper one holds the click; what is outside does not count.
    outside = [[-0.5, 0], [40, 3], [3, 20], [2.9, 3.9], [39.9, 0]]
    assert np.argwhere(click_map(np.array(outside), (20, 40))).tolist() == [[0, 39], [3, 2]]
