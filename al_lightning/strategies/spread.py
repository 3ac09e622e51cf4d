"""Picks spread over patients and videos: at most so many of a group, and frames so far apart, for any strategy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Rows
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates, Strategy
from al_lightning.strategies.base import choose


@dataclass(frozen=True)
class Spread:
    """Limits of what one stage may pick.

    Example:
        >>> spread = Spread.of(["a", "a", "b"], [0, 1, 0], per_group=1)
        >>> spread.blocked(np.array([0, 1, 2]), picked=np.array([0]), labelled=np.array([], int)).tolist()
        [True, True, False]
    """

    group: Rows
    """(N,) number of the group of each row of the dataset."""
    frame: Rows
    """(N,) place of each row in its group."""
    per_group: int | None = None
    """Picks of one group and stage; None: any number."""
    apart: int = 1
    """Frames between two picks of a group, and between a pick and a labelled frame: 1 for neighbours, 2 for every
    other."""

    @classmethod
    def of(cls, groups: Sequence[str], frames: Sequence[int], per_group: int | None = None, apart: int = 1) -> Spread:
        """Limits of a dataset.

        Args:
            groups: (N,) the group of each row.
            frames: (N,) place of each row in its group, such as the number of a frame.
            per_group, apart: see the attributes.

        Raises:
            ValueError: a limit is below 1.
        """
        if per_group is not None and per_group < 1:
            raise ValueError(f"per_group={per_group}: expected at least 1")
        if apart < 1:
            raise ValueError(f"apart={apart}: expected at least 1")
        number: dict[str, int] = {}
        codes = [number.setdefault(name, len(number)) for name in groups]
        return cls(np.array(codes, np.int64), np.array(frames, np.int64), per_group, apart)

    def blocked(self, rows: Rows, picked: Rows, labelled: Rows) -> NDArray[np.bool_]:
        """(n,) which of `rows` may not be picked any more, once `picked` are; `labelled` ones were before."""
        out = np.isin(rows, picked)
        if self.per_group is not None:
            taken = np.bincount(self.group[picked], minlength=int(self.group.max()) + 1)
            out |= taken[self.group[rows]] >= self.per_group
        if self.apart > 1:
            for row in [*picked.tolist(), *labelled.tolist()]:
                near = np.abs(self.frame[rows] - self.frame[row]) < self.apart
                out |= (self.group[rows] == self.group[row]) & near
        return out


def choose_spread(
    strategy: Strategy, candidates: Candidates, per_stage: int, rng: np.random.Generator, spread: Spread
) -> Query:
    """The picks of a strategy of images within limits.

    The strategy selects; its picks are taken in their order up to the first that breaks a limit; what the limits now
    exclude leaves the candidates, the picks count as labelled, and it selects the rest. For a strategy whose picks
    depend on the ones before alone (ranking, k-center-greedy) that is its selection among the images that are allowed.
    Fewer picks are returned where the limits leave no more.

    Args:
        strategy: of images.
        candidates: the pool.
        per_stage: number of images to pick.
        rng: for the strategy's draws.
        spread: the limits.

    Raises:
        ValueError: as `choose`; or no image is allowed.
    """
    labelled = candidates.rows[candidates.labelled]
    chosen = Query.of(np.empty(0, np.int64), "")
    while len(chosen) < per_stage:
        free = ~candidates.labelled
        free[free] = ~spread.blocked(candidates.rows[free], chosen.rows, labelled)
        if not free.any():
            break
        known = candidates.labelled | np.isin(candidates.rows, chosen.rows)
        part = only(replace(candidates, labelled=known), free | known)
        query = choose(strategy, part, min(per_stage - len(chosen), int(free.sum())), rng)
        accepted = 0
        for place, row in enumerate(query.rows.tolist()):
            taken = np.concatenate([chosen.rows, query.rows[:place]])
            if spread.blocked(np.array([row]), taken, labelled)[0]:
                break
            accepted += 1
        pseudo = chosen.pseudo or query.pseudo
        chosen = replace(chosen + replace(query.subset(slice(accepted)), pseudo=None), pseudo=pseudo)
    if not len(chosen):
        raise ValueError(
            f"budget.per_group={spread.per_group}, budget.apart={spread.apart}: no image of the pool is left within "
            "these limits; loosen them"
        )
    return chosen.without_pseudo_picks()


def only(candidates: Candidates, keep: NDArray[np.bool_]) -> Candidates:
    """The candidates at which `keep` (P,) is True."""
    if keep.all():
        return candidates
    return replace(
        candidates,
        rows=candidates.rows[keep],
        ids=tuple(name for name, kept in zip(candidates.ids, keep.tolist(), strict=True) if kept),
        labelled=candidates.labelled[keep],
        values={name: value[keep] for name, value in candidates.values.items()},
        derived={name: value[keep] for name, value in candidates.derived.items()},
    )
