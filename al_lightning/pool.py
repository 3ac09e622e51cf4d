"""LabelPool: which images of the pool are labelled, since which stage, by which rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.types import Query, Rows


@dataclass(frozen=True)
class Label:
    """One answer of the oracle."""

    row: int
    stage: int
    """First stage that trains on it."""
    source: str
    """The rule that asked for it: "initial", "random", "k-center", ..."""
    score: float | None = None
    target: str | None = None
    """File of the label where it is not the dataset's own."""


class LabelPool:
    """The pool of one run. Rows are dataset rows; `state` and `restore` speak of ids, for files.

    Args:
        rows: (P,) dataset rows of the pool.
        ids: the id of every row of the dataset (not only of the pool).
    """

    def __init__(self, rows: Rows, ids: Sequence[str]) -> None:
        self.rows: Rows = np.sort(np.asarray(rows, dtype=np.int64))
        self.ids = tuple(ids)
        self._labels: dict[int, Label] = {}
        if len(np.unique(self.rows)) != len(self.rows):
            raise ValueError("pool: a row occurs twice")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> tuple[Label, ...]:
        """Every label, in the order of commits."""
        return tuple(self._labels.values())

    @property
    def labelled(self) -> Rows:
        """(L,) labelled rows, ascending."""
        return np.array(sorted(self._labels), dtype=np.int64)

    @property
    def unlabelled(self) -> Rows:
        """(U,) rows without a label, ascending."""
        rows: Rows = self.rows[~self.is_labelled]
        return rows

    @property
    def is_labelled(self) -> NDArray[np.bool_]:
        """(P,) mask over `rows`."""
        return np.isin(self.rows, self.labelled)

    def target(self, row: int) -> str | None:
        """File of a label where the oracle gave one; None means the dataset's own."""
        return self._labels[row].target

    def commit(self, query: Query, stage: int, targets: Mapping[int, str] | None = None) -> None:
        """Record the answers to `query`, to be trained on from `stage` on.

        Raises:
            ValueError: a row is not of this pool or has a label already; nothing is recorded then.
        """
        outside = query.rows[~np.isin(query.rows, self.unlabelled)]
        if len(outside) or len(np.unique(query.rows)) != len(query):
            names = [self.ids[row] for row in outside[:3]]
            raise ValueError(f"commit: rows outside the unlabelled pool or repeated: {names}")
        for row, source, score in zip(query.rows.tolist(), query.source, query.score.tolist(), strict=True):
            value = None if math.isnan(score) else score
            self._labels[row] = Label(row, stage, source, value, (targets or {}).get(row))

    def state(self) -> list[dict[str, Any]]:
        """The labels as JSON, by id."""
        return [
            {
                "id": self.ids[x.row],
                "stage": x.stage,
                "source": x.source,
                "score": x.score,
                "target": x.target,
            }
            for x in self.labels
        ]

    def restore(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Replace all labels by those of `state`.

        Raises:
            ValueError: an id is not in this pool: the data have changed since the state was saved.
        """
        row_of = {self.ids[row]: row for row in self.rows.tolist()}
        unknown = [entry["id"] for entry in state if entry["id"] not in row_of]
        if unknown:
            raise ValueError(
                f"state: {len(unknown)} labelled images are not in the pool any more (first: {unknown[0]}): "
                "the dataset or its protocol has changed since this run began; start a new run"
            )
        self._labels = {
            row_of[e["id"]]: Label(row_of[e["id"]], e["stage"], e["source"], e["score"], e["target"]) for e in state
        }


def random_stream(seed: int, stage: int, purpose: str) -> np.random.Generator:
    """An independent stream for each (seed, stage, purpose): the initial pool of one seed is the same
    whatever the strategy draws."""
    return np.random.default_rng(np.random.SeedSequence([seed, stage, *purpose.encode()]))


def torch_seed(seed: int, stage: int, purpose: str) -> int:
    """A seed for torch from the same streams."""
    return int(random_stream(seed, stage, purpose).integers(2**62))
