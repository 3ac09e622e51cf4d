"""What every strategy shares: the rules around `select`, and ranking."""

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
    """Ask for exactly `per_stage` distinct unlabelled rows, or for regions worth `area`, or take all that is left.

    Args:
        area: pixels of the learner's image that a strategy of regions shall ask for; needed by these alone.

    Raises:
        ValueError: per_stage is not positive, nothing is unlabelled, or the strategy breaks its contract; the message
            names the strategy and how.
    """
    left = candidates.rows[candidates.unlabelled]
    if per_stage <= 0:
        raise ValueError(f"per_stage={per_stage}: expected a positive number of images")
    if len(left) == 0:
        raise ValueError("per_stage: every image of the pool is labelled already")
    if len(left) <= per_stage:
        return Query.of(left, "remainder")
    name = type(strategy).__name__
    if asks_for_regions(strategy):
        if area is None:
            raise ValueError(f"strategy {name} asks for regions; say for how many pixels (area)")
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
    if faults:
        raise ValueError(f"strategy {name} breaks its contract: it {' and '.join(faults)}")
    return query


def highest(candidates: Candidates, score: Floats, number: int, source: str) -> Query:
    """The `number` unlabelled rows of highest score (P,), ties to the lower row."""
    position = candidates.unlabelled
    order = position[np.argsort(-np.asarray(score, dtype=np.float64)[position], kind="stable")][:number]
    return Query.of(candidates.rows[order], source, np.asarray(score)[order])


def top_up(candidates: Candidates, query: Query, score: Floats, number: int) -> Query:
    """Fill a query of fewer than `number` rows with the highest-scored rows (P,) that it does not hold."""
    missing = number - len(query)
    if missing <= 0:
        return query.subset(slice(number))
    return query + highest(candidates.also_labelled(query.rows), score, missing, "top-up")


def draw(rows: Rows, number: int, rng: np.random.Generator) -> Rows:
    """`number` of `rows` without replacement, or all where there are fewer."""
    return rng.choice(rows, size=min(number, len(rows)), replace=False).astype(np.int64)
