"""Choose rows of a table of features without any training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.progress import Progress, silent
from al_lightning.core.query import Query
from al_lightning.core.quota import Quota
from al_lightning.core.strategy import Candidates, Strategy
from al_lightning.neighbors.search import matrix
from al_lightning.strategies import (
    InformationDensity,
    Mixture,
    Random,
    TACoreset,
    TypiClust,
    UncertaintyClustering,
    UncertaintySampling,
)

Choice = Literal["k-center", "typiclust", "clustering", "density", "mixture", "random"]
"""Strategies that need features, and scores perhaps, but no learner."""
NEED_SCORES = ("density", "mixture")
NEED_POSITIVE = ("density", "clustering")


@dataclass(frozen=True)
class _Scores(UncertaintySampling):
    """The images of highest score, whatever it measures."""

    name: str = "score"

    def __post_init__(self) -> None:
        """Nothing to check: the scores are measured already."""


def select_rows(
    features: NDArray[Any],
    labelled: Sequence[int] | NDArray[np.int64],
    per_stage: int,
    strategy: Choice = "k-center",
    seed: int = 0,
    *,
    scores: Sequence[float] | NDArray[Any] | None = None,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    cap: int | None = None,
    count_labelled: bool = False,
    gamma: float = 0.5,
    beta: float = 1.0,
    progress: Progress = silent,
) -> NDArray[np.int64]:
    """Choose the rows to label next, from features that were made elsewhere. All arguments are those of `select_query`.

    >>> select_rows(np.array([[0.0], [1.0], [2.0], [10.0]]), labelled=[0], per_stage=2).tolist()
    [3, 2]

    Returns:
        The chosen rows in the order of choice.

    Raises:
        ValueError: an argument is wrong; the error names it.
    """
    query = select_query(
        features,
        labelled,
        per_stage,
        strategy,
        seed,
        scores=scores,
        groups=groups,
        cap=cap,
        count_labelled=count_labelled,
        gamma=gamma,
        beta=beta,
        progress=progress,
    )
    return query.rows


def select_query(
    features: NDArray[Any],
    labelled: Sequence[int] | NDArray[np.int64],
    per_stage: int,
    strategy: Choice = "k-center",
    seed: int = 0,
    *,
    scores: Sequence[float] | NDArray[Any] | None = None,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    cap: int | None = None,
    count_labelled: bool = False,
    gamma: float = 0.5,
    beta: float = 1.0,
    progress: Progress = silent,
) -> Query:
    """As `select_rows`, with the rule that made each pick and its score.

    The features may be memory-mapped, of any real type: they are converted in blocks, and about 1 GB is held beside
    them, however many rows there are.

    >>> query = select_query(np.array([[0.0], [1.0], [2.0], [10.0]]), labelled=[0], per_stage=2)
    >>> query.rows.tolist(), query.source, query.score.tolist()
    ([3, 2], ('k-center', 'k-center'), [10.0, 2.0])

    Args:
        features: (N, D), a row an image.
        labelled: rows that have a label already.
        per_stage: number of rows to choose.
        strategy: "k-center" takes the row farthest from all that are labelled or chosen, again and again (score: this
            distance); "typiclust" the most typical row of the largest clusters without label (the mean distance to
            its 20 nearest neighbours); "clustering" the row nearest the centre of each of `per_stage` clusters,
            weighted by the scores where there are any (the distance); "density" the highest score times the mean
            similarity to the unlabelled rows to the power of beta; "mixture" the fraction gamma by the highest score
            and the rest by k-center; "random" draws.
        seed: of random, and of the clusters of typiclust and clustering.
        scores: (N,) uncertainty of each row, higher is more uncertain; those of labelled rows are not read. For
            "mixture" and "density", and "clustering" if wanted; the last two take none below 0.
        groups: (N,) the group of each row, such as its patient or video; None, NaN or "" is a group of its own.
        cap: most rows to choose of one group.
        count_labelled: count labelled rows towards the cap too.
        gamma: of "mixture", in [0, 1].
        beta: of "density", at least 0.
        progress: told what is done and how far it is.

    Raises:
        ValueError: an argument is wrong; the error names it.
    """
    features = np.asarray(features)
    if features.ndim != 2:
        raise ValueError(f"features: has shape {features.shape}; expected (N, D)")
    mask = _mask(labelled, len(features))
    if not 0 < per_stage <= (~mask).sum():
        raise ValueError(f"per_stage={per_stage}: expected between 1 and the {(~mask).sum()} unlabelled rows")
    if strategy not in get_args(Choice):
        raise ValueError(f"strategy={strategy!r}: expected one of {', '.join(map(repr, get_args(Choice)))}")
    if strategy == "density" and features.shape[1] == 1:
        raise ValueError("features: have 1 dimension, where any cosine is 1 or -1; give 2 or more, or another strategy")
    score = _scores(scores, strategy, mask)
    quota = _quota(groups, cap, count_labelled, mask)
    if quota is not None and per_stage > (most := quota.available(np.flatnonzero(~mask))):
        raise ValueError(f"per_stage={per_stage}: expected between 1 and the {most} rows that cap={cap} a group allows")
    chooser = _strategy(strategy, scores is not None, gamma, beta)
    values: dict[str, NDArray[Any]] = {"score": score, "feature-similarity": score}
    if strategy != "random":
        values |= dict.fromkeys(("latent", "feature-mean"), matrix("features", features))
    candidates = Candidates(np.arange(len(features)), (), mask, values, quota=quota, progress=progress)
    query = chooser.select(candidates, per_stage, np.random.default_rng(seed))
    assert len(np.unique(query.rows)) == len(query) == per_stage
    assert not mask[query.rows].any()
    assert len(candidates.within_quota(query)) == len(query)
    return query


def _strategy(name: Choice, scored: bool, gamma: float, beta: float) -> Strategy:
    """What chooses by this name."""
    if name == "k-center":
        return TACoreset()
    if name == "typiclust":
        return TypiClust()
    if name == "clustering":
        return UncertaintyClustering(uncertainty=scored)
    if name == "density":
        return InformationDensity(_Scores(), beta)
    return Mixture(_Scores(), TACoreset(), gamma) if name == "mixture" else Random()


def _mask(labelled: Sequence[int] | NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    known = np.asarray(labelled)
    if known.ndim != 1 or (known.size and not np.issubdtype(known.dtype, np.integer)):
        raise ValueError(f"labelled: has shape {known.shape} and type {known.dtype}; expected a list of row numbers")
    if known.size and not 0 <= known.min() <= known.max() < count:
        raise ValueError(f"labelled: rows {known.min()} to {known.max()}; expected 0 to {count - 1}")
    mask = np.zeros(count, dtype=bool)
    mask[known.astype(np.int64)] = True
    return mask


def _scores(scores: Any, strategy: str, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N,) with 0 for labelled rows, and for all where there are none."""
    if scores is None:
        if strategy in NEED_SCORES:
            raise ValueError(f"strategy={strategy!r}: needs scores, an uncertainty of each row")
        return np.zeros(len(mask))
    if strategy not in {*NEED_SCORES, *NEED_POSITIVE}:
        raise ValueError(f"scores: strategy={strategy!r} does not read them; leave them out, or choose 'mixture'")
    given = np.asarray(scores)
    if given.shape != mask.shape or given.dtype.kind not in "fiub":
        raise ValueError(f"scores: has shape {given.shape} and type {given.dtype}; expected {len(mask)} numbers")
    score = np.where(mask, 0.0, given.astype(np.float64))
    if len(bad := np.flatnonzero(~np.isfinite(score))):
        raise ValueError(f"scores: {len(bad)} of unlabelled rows are NaN or infinite (first: row {bad[0]})")
    if strategy in NEED_POSITIVE and score.min() < 0:
        raise ValueError(
            f"scores: row {int(score.argmin())} has {score.min():g}; strategy={strategy!r} multiplies by them: "
            "give numbers of at least 0"
        )
    return score


def _quota(groups: Any, cap: int | None, count_labelled: bool, mask: NDArray[np.bool_]) -> Quota | None:
    """The picks that are left to each group."""
    if groups is None and cap is None:
        if count_labelled:
            raise ValueError("count_labelled: counts towards a cap; give groups and cap too")
        return None
    if groups is None or cap is None:
        raise ValueError("groups and cap belong together: the group of each row, and the most rows to choose of one")
    if cap < 1:
        raise ValueError(f"cap={cap}: expected at least 1 row of a group")
    if len(groups) != len(mask):
        raise ValueError(f"groups: {len(groups)} of them; expected {len(mask)}, one for each row")
    number: dict[Any, int] = {}
    of_row = np.empty(len(mask), np.int64)
    for row, name in enumerate(groups.tolist() if isinstance(groups, np.ndarray) else groups):
        alone = name is None or name == "" or name != name
        of_row[row] = number.setdefault(("no group", row) if alone else name, len(number))
    left = np.full(len(number), cap)
    return Quota(
        of_row, np.maximum(left - np.bincount(of_row[mask], minlength=len(left)), 0) if count_labelled else left
    )
