"""What every strategy shares: the rules around `Strategy.select`, and ranking."""

from __future__ import annotations

import numpy as np

from al_lightning.types import Candidates, Floats, Query, Rows, Strategy


def choose(strategy: Strategy, candidates: Candidates, budget: int, rng: np.random.Generator) -> Query:
    """Ask `strategy` for exactly `budget` distinct unlabelled rows, or regions worth as much, or take all that is left.

    Raises:
        ValueError: budget is not positive, or nothing is unlabelled.
    """
    left = candidates.rows[candidates.open]
    if budget <= 0:
        raise ValueError(f"budget={budget}: expected a positive number of images")
    if len(left) == 0:
        raise ValueError("budget: every image of the pool is labelled already")
    if len(left) <= budget:
        return Query.of(left, "remainder")
    query = strategy.select(candidates, budget, rng)
    if query.boxes is not None:
        assert len(query), f"{type(strategy).__name__} returned no region"
        assert np.isin(query.rows, left).all(), f"{type(strategy).__name__} picked outside the unlabelled pool"
        return query
    assert len(query) == budget, f"{type(strategy).__name__} returned {len(query)} of {budget} picks"
    assert len(np.unique(query.rows)) == budget, f"{type(strategy).__name__} picked a row twice"
    assert np.isin(query.rows, left).all(), f"{type(strategy).__name__} picked outside the unlabelled pool"
    return query


def asks_for_regions(strategy: Strategy) -> bool:
    """Whether a strategy returns boxes."""
    return bool(getattr(strategy, "regions", False))


def highest(candidates: Candidates, score: Floats, budget: int, source: str) -> Query:
    """The `budget` unlabelled rows of highest score (P,), ties to the lower row."""
    position = candidates.open
    order = position[np.argsort(-np.asarray(score, dtype=np.float64)[position], kind="stable")][:budget]
    return Query.of(candidates.rows[order], source, np.asarray(score)[order])


def top_up(candidates: Candidates, query: Query, score: Floats, budget: int) -> Query:
    """Fill a short query with the highest-scored rows (P,) that it does not hold."""
    missing = budget - len(query)
    if missing <= 0:
        return query.take(slice(budget))
    return query + highest(candidates.also_labelled(query.rows), score, missing, "top-up")


def draw(rows: Rows, number: int, rng: np.random.Generator) -> Rows:
    """`number` of `rows` without replacement."""
    return rng.choice(rows, size=min(number, len(rows)), replace=False).astype(np.int64)
