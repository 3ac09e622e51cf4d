"""Images by one strategy and regions by another."""

from __future__ import annotations

import numpy as np
import pytest
from region_parts import ROWS, SIZE, ask, new_pool
from region_stage import acquire

from al_lightning.strategies import STRATEGIES, Cereals, RegionRandom, UncertaintySampling


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
    with pytest.raises(ValueError, match="ask for regions, which could overlap"):
        STRATEGIES["mixture"](Cereals(), RegionRandom())
