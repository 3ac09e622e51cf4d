"""A strategy that breaks its contract is named, also under python -O; strategies prepare and plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from al_lightning.core.strategy import Plan, planned
from al_lightning.strategies import STRATEGIES, choose
from al_lightning.types import Box, Candidates, Query


@dataclass(frozen=True)
class Answers:
    """Returns what it is given."""

    query: Any
    needs: ClassVar[frozenset[str]] = frozenset()

    def measure(self, prediction):
        return {}

    def select(self, candidates, per_stage, rng):
        return self.query


@dataclass(frozen=True)
class RegionAnswers(Answers):
    regions: ClassVar[bool] = True

    def prepare(self, context):
        return self


CANDIDATES = Candidates.of([2, 4, 6, 8], list("abcd"), [False, False, False, True])
BOX = Box(0, 0, 4, 4)


@pytest.mark.parametrize(
    ("strategy", "match"),
    [
        (Answers(Query.of(np.array([2]), "x")), "strategy Answers breaks its contract: it returned 1 of 2 picks"),
        (Answers(Query.of(np.array([2, 2]), "x")), "picked a row twice"),
        (Answers(Query.of(np.array([2, 8]), "x")), "picked outside the unlabelled pool"),
        (Answers(Query.of(np.array([2, 3]), "x")), "picked outside the unlabelled pool"),
        (Answers(Query.of(np.array([2, 4]), "x", regions=[BOX, None])), "regions without `regions = True`"),
        (RegionAnswers(Query.of(np.array([], dtype=int), "x", regions=[])), "RegionAnswers.*returned no region"),
        (RegionAnswers(Query.of(np.array([8]), "x", regions=[BOX])), "picked outside the unlabelled pool"),
        (RegionAnswers(Query.of(np.array([2, 2]), "x")), "returned a whole image twice"),
    ],
)
def test_a_broken_contract_is_an_error_that_names_the_strategy(strategy, match):
    with pytest.raises(ValueError, match=match):
        choose(strategy, CANDIDATES, 2, np.random.default_rng(0), 32)


def test_regions_need_an_area():
    with pytest.raises(ValueError, match="RegionAnswers asks for regions; give the number of pixels"):
        choose(RegionAnswers(Query.of(np.array([2]), "x", regions=[BOX])), CANDIDATES, 2, np.random.default_rng(0))


def test_what_keeps_the_contract_passes():
    query = Query.of(np.array([6, 2]), "x")
    assert choose(Answers(query), CANDIDATES, 2, np.random.default_rng(0)) is query
    regions = Query.of(np.array([6, 6]), "x", regions=[BOX, Box(4, 4, 4, 4)])
    assert choose(RegionAnswers(regions), CANDIDATES, 2, np.random.default_rng(0), 32) is regions


def test_full_changes_the_plan_and_the_others_do_not():
    plan = Plan(10, 5, 4)
    assert planned(STRATEGIES["full"](), plan, 80) == Plan(80, 5, 1)
    assert planned(STRATEGIES["random"](), plan, 80) == plan
