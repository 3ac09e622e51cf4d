"""Random and most uncertain windows, over stages and window sizes."""

from __future__ import annotations

import numpy as np
import pytest
from region_parts import ROWS, SIZE, new_pool
from region_stage import acquire

from al_lightning.core.region import cover
from al_lightning.core.strategy import Candidates
from al_lightning.strategies import STRATEGIES, RegionRandom


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


def test_random_windows_repeat_under_a_seed_and_differ_between_seeds():
    first, second, third = (acquire(RegionRandom(8), new_pool(), seed=seed) for seed in (0, 0, 1))
    assert first.regions == second.regions
    assert np.array_equal(first.rows, second.rows)
    assert first.regions[:5] != third.regions[:5]


def test_regions_need_the_loop():
    with pytest.raises(ValueError, match="ActiveLearningLoop"):
        RegionRandom(8).select(Candidates.of([1], ["a"], [False]), 1, np.random.default_rng(0))
