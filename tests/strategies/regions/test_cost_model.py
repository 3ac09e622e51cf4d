"""What the cost network of CEREALS learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from region_parts import ROWS, SIZE, ask, new_pool, regions_of
from region_stage import context_of

from al_lightning.core.region import cover
from al_lightning.strategies.regions.cost_model import known_density, train_cost_model


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
