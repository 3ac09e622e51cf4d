"""Pixels that are not revealed are hidden in batches."""

from __future__ import annotations

import numpy as np
from region_parts import ask

from al_lightning.core.query import Query
from al_lightning.core.task import IGNORE
from al_lightning.data import Cache


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
