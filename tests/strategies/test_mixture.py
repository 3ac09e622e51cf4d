"""The union of two choices of images."""

from __future__ import annotations

import numpy as np
from candidate_pools import RNG, pool

from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates
from al_lightning.strategies import Mixture, UncertaintySampling


def test_union_of_identical_rankings_ends_in_three_rounds() -> None:
    asked: list[int] = []

    class Counted(UncertaintySampling):
        def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> Query:
            asked.append(budget)
            return super().select(candidates, budget, rng)

    both = Mixture(Counted("bvsb"), Counted("bvsb"), 0.5)
    query = both.select(pool(bvsb=np.arange(10.0)), 4, RNG(0))
    np.testing.assert_array_equal(query.rows, [9, 8, 7, 6])
    assert asked == [2, 2, 1, 1, 1]
