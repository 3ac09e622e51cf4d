"""`choose`, which checks the contract of `select`, and the ranking and drawing that strategies have in common."""

from __future__ import annotations

import numpy as np

from al_lightning.core.arrays import Floats, Rows
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates, RegionStrategy, Strategy, asks_for_regions


def choose(
    strategy: Strategy | RegionStrategy,
    candidates: Candidates,
    per_stage: int,
    rng: np.random.Generator,
    area: int | None = None,
) -> Query:
    """Let the strategy select, and check the result; where no more than `per_stage` images are left, take them all.

    Args:
        strategy: of images or of regions.
        candidates: the pool.
        per_stage: number of images to pick.
        rng: for the strategy's draws.
        area: pixels of the learner's image to ask for; needed by strategies of regions only.

    Raises:
        ValueError: per_stage is not positive, no image is unlabelled, or the strategy breaks its contract; the message
            names the strategy and its faults.
    """
    left = candidates.rows[candidates.unlabelled]
    if per_stage <= 0:
        raise ValueError(f"per_stage={per_stage}: expected a positive number of images")
    if len(left) == 0:
        raise ValueError("per_stage: every image of the pool is labelled already")
    if len(left) <= per_stage and candidates.quota is None:
        return Query.of(left, "remainder")
    name = type(strategy).__name__
    if asks_for_regions(strategy):
        if area is None:
            raise ValueError(f"strategy {name} asks for regions; give the number of pixels (area)")
        query = strategy.select(candidates, area, rng)
        faults = ["returned no region"] if not len(query) else []
        if query.regions is None and len(np.unique(query.rows)) != len(query):
            faults.append("returned a whole image twice")
    else:
        query = strategy.select(candidates, per_stage, rng)
        faults = []
        if query.regions is not None:
            faults.append("returned regions without `regions = True`")
        if len(query) != per_stage:
            faults.append(f"returned {len(query)} of {per_stage} picks")
        elif len(np.unique(query.rows)) != per_stage:
            faults.append("picked a row twice")
    if not np.isin(query.rows, left).all():
        faults.append("picked outside the unlabelled pool")
    elif len(candidates.within_quota(query)) < len(query):
        faults.append("picked more images of a group than the quota admits")
    if query.pseudo_picks.any():
        faults.append("picked images that it also pseudo-labels")
    if faults:
        raise ValueError(f"strategy {name} breaks its contract: it {' and '.join(faults)}")
    return query


def highest(candidates: Candidates, score: Floats, number: int, source: str) -> Query:
    """The `number` unlabelled rows of highest score (P,); of equal scores the lower row first.

    Example:
        >>> candidates = Candidates.of([3, 5, 8], ["a", "b", "c"], [False, True, False])
        >>> highest(candidates, np.array([0.2, 0.9, 0.4]), 1, "entropy").rows.tolist()
        [8]
    """
    position = candidates.unlabelled
    order = position[np.argsort(-np.asarray(score, dtype=np.float64)[position], kind="stable")]
    if candidates.quota is not None:
        order = order[candidates.quota.admits(order)]
    order = order[:number]
    return Query.of(candidates.rows[order], source, np.asarray(score)[order])


def top_up(candidates: Candidates, query: Query, score: Floats, number: int) -> Query:
    """Fill a query of fewer than `number` rows with the rows of highest score (P,) that are not in it.

    Example:
        >>> candidates = Candidates.of([3, 5, 8], ["a", "b", "c"], [False, False, False])
        >>> query = top_up(candidates, Query.of(np.array([3]), "cluster"), np.array([0.2, 0.9, 0.4]), 2)
        >>> query.rows.tolist(), query.source
        ([3, 5], ('cluster', 'top-up'))
    """
    missing = number - len(query)
    if missing <= 0:
        return query.subset(slice(number))
    return query + highest(candidates.also_labelled(query.rows), score, missing, "top-up")


def draw(rows: Rows, number: int, rng: np.random.Generator) -> Rows:
    """`number` of `rows` without replacement, or all where there are fewer.

    Example:
        >>> sorted(draw(np.array([4, 7]), 3, np.random.default_rng(0)).tolist())
        [4, 7]
    """
    return rng.choice(rows, size=min(number, len(rows)), replace=False).astype(np.int64)
