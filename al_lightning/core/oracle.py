"""The contract of oracles, which reveal the labels that a query asks for: at once, or when people have drawn them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from al_lightning.core.arrays import Rows
from al_lightning.core.query import Query
from al_lightning.core.region import Region
from al_lightning.core.waiting import Waiting


def _nothing(row: int) -> tuple[Region, ...]:
    return ()


@dataclass(frozen=True)
class Request:
    """What a stage asks an oracle for. The same request is made again whenever a waiting run is resumed."""

    query: Query
    """The images, or regions of images, in the order of the picks; `source` says by which rule each was picked."""
    stage: int = 0
    """First stage that is trained with the labels."""
    folder: Path = Path()
    """Folder of the run, in which an oracle may keep files of its own."""
    guesses: Mapping[int, Path] = field(default_factory=dict)
    """row -> PNG of the learner's prediction in class numbers, at the image's own size, as a head start; empty before
    the first training and for oracles that do not ask people."""
    answered: Mapping[int, str | None] = field(default_factory=dict)
    """row -> file of the label that the run uses now (None: the dataset's own), for rows of earlier requests, whose
    labels may have been corrected since."""
    revealed: Callable[[int], tuple[Region, ...]] = _nothing
    """row -> its regions that were revealed by earlier requests, whose labels stay as they are."""


@dataclass(frozen=True)
class Delivery:
    """What an oracle gives back. Picks that are neither in `waiting` nor in `withdrawn` are labelled."""

    files: Mapping[int, str] = field(default_factory=dict)
    """row -> file of its label, where that is not the dataset's own target."""
    waiting: Rows = field(default_factory=lambda: np.empty(0, np.int64))
    """Picks without a label yet, in the order of the query."""
    withdrawn: Mapping[int, str] = field(default_factory=dict)
    """Image, picked or not -> why it will never be labelled; what is not labelled of it leaves the pool."""
    corrected: Mapping[int, str] = field(default_factory=dict)
    """Row of an earlier request -> file of its new label, which is trained with from this stage on."""
    rejected: Mapping[str, str] = field(default_factory=dict)
    """What was delivered and cannot be used, by its name -> why not."""
    todo: str = ""
    """What somebody has to do next, where picks are waiting: one line."""

    def wait(self, query: Query, stage: int) -> Waiting:
        """The exception to raise where picks of the query are missing."""
        return Waiting(len(self.waiting), len(np.unique(query.rows)), stage, self.todo, self.rejected)

    def labelled(self, query: Query) -> Query:
        """The picks of the query that have a label now."""
        return query.subset(~np.isin(query.rows, [*self.waiting, *self.withdrawn]))


@runtime_checkable
class Oracle(Protocol):
    """Reveals the labels that a query asks for."""

    def reveal(self, request: Request) -> Delivery:
        """Ask for the labels, unless that was done before, and give back those that are there.

        Raises:
            ValueError: a queried image has no label and nobody can be asked for one.
        """


def asks_people(oracle: Oracle) -> bool:
    """Whether labels come from people, who take their time: an attribute `asks_people` of the oracle says so.

    Then images that have a label already are labelled at the first stage, the learner's predictions are given as a head
    start, and images without target are no fault.
    """
    return bool(getattr(oracle, "asks_people", False))
