"""LabelPool: which images of the pool are labelled, since which stage, by which rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.types import Query, Rows

PSEUDO = "pseudo"
"""Source of targets that no oracle gave."""


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
        self.pseudo: dict[int, str] = {}
        """row -> file of a target that the learner made for itself. These rows stay unlabelled: they can be
        picked, cost nothing, and the next `commit` forgets them."""
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
    def trainable(self) -> Rows:
        """Rows that have a label or a pseudo-label, ascending."""
        return np.union1d(self.labelled, np.array(list(self.pseudo), dtype=np.int64))

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
        self.pseudo = {}
        for row, source, score in zip(query.rows.tolist(), query.source, query.score.tolist(), strict=True):
            value = None if math.isnan(score) else score
            self._labels[row] = Label(row, stage, source, value, (targets or {}).get(row))

    def state(self, root: Path | None = None) -> list[dict[str, Any]]:
        """The labels as JSON, by id; files below `root` are written relative to it."""
        entries: list[dict[str, Any]] = [
            {"id": self.ids[x.row], "stage": x.stage, "source": x.source, "score": x.score, "target": x.target}
            for x in self.labels
        ]
        entries += [{"id": self.ids[row], "source": PSEUDO, "target": file} for row, file in self.pseudo.items()]
        return [entry | {"target": _below(root, entry["target"])} for entry in entries]

    def restore(self, state: Sequence[Mapping[str, Any]], root: Path | None = None) -> None:
        """Replace all labels by those of `state`; relative files are looked for below `root`.

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
            row_of[e["id"]]: Label(row_of[e["id"]], e["stage"], e["source"], e["score"], _at(root, e["target"]))
            for e in state
            if e["source"] != PSEUDO
        }
        self.pseudo = {row_of[e["id"]]: str(_at(root, e["target"])) for e in state if e["source"] == PSEUDO}


def _below(root: Path | None, file: str | None) -> str | None:
    if root is None or file is None or not Path(file).is_relative_to(root.resolve()):
        return file
    return Path(file).relative_to(root.resolve()).as_posix()


def _at(root: Path | None, file: str | None) -> str | None:
    return file if root is None or file is None else str(root.resolve() / file)


def random_stream(seed: int, stage: int, purpose: str) -> np.random.Generator:
    """An independent stream for each (seed, stage, purpose): the initial pool of one seed is the same
    whatever the strategy draws."""
    return np.random.default_rng(np.random.SeedSequence([seed, stage, *purpose.encode()]))


def torch_seed(seed: int, stage: int, purpose: str) -> int:
    """A seed for torch from the same streams."""
    return int(random_stream(seed, stage, purpose).integers(2**62))
