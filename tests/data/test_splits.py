"""Groups are drawn whole, near the wanted number, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from al_lightning.data.dataset import DataError
from al_lightning.data.splits import draw_groups, split_groups


def test_groups_are_drawn_whole_near_the_wanted_number_and_some_are_left():
    rng = np.random.default_rng(3)
    groups = [f"g{i}" for i, n in enumerate(rng.integers(1, 9, 40)) for _ in range(n)]
    sizes = {g: groups.count(g) for g in groups}
    for count in (1, 7, 60, 10_000):
        drawn = draw_groups(groups, count, rng, "here", spare=2)
        taken = {g for g, d in zip(groups, drawn, strict=True) if d}
        assert drawn.sum() == sum(sizes[g] for g in taken)
        assert len(taken) <= len(sizes) - 2
        assert abs(drawn.sum() - count) <= 4 or count == 10_000
    pool, validation, test = split_groups(range(100), 10, 20, "here")
    assert sorted([*pool, *validation, *test]) == [*range(100)]
    assert (len(validation), len(test)) == (10, 20)
    assert not np.array_equal(test, split_groups(range(100), 10, 20, "here", stream=1)[2])
    with pytest.raises(DataError, match=r"here: 4 images in 2 groups .*at least 3"):
        split_groups(["a", "a", "b", "b"], 1, 1, "here")
