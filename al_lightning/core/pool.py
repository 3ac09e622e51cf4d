"""LabelPool: which images of the pool, and which of their regions, are labelled, from which stage on, by which rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Rows
from al_lightning.core.query import Query
from al_lightning.core.region import Box, Region, cover, region_of

PSEUDO = "pseudo"
"""Source of targets that the learner predicted and no oracle revealed."""
WITHDRAWN = "withdrawn"
"""What a state calls an image that nobody can label, or label further."""


@dataclass(frozen=True)
class Label:
    """One label that the oracle revealed."""

    row: int
    stage: int
    """First stage that is trained with it."""
    source: str
    """The rule that picked it: "initial", "random", "k-center", ..."""
    score: float | None = None
    target: str | None = None
    """File of the label where it is not the dataset's own."""
    region: Region | None = None
    """The labelled region of the image; None for the whole image."""


class LabelPool:
    """The pool of one run. Rows are dataset rows; `state` and `restore` use ids instead, for files.

    Args:
        rows: (P,) dataset rows of the pool.
        ids: the id of every row of the dataset (not only of the pool).
        size: (H, W) of the learner's image, the grid of all regions; needed for regions only.

    Raises:
        ValueError: a row occurs twice.

    Example:
        >>> pool = LabelPool(np.arange(4), ["a", "b", "c", "d"])
        >>> pool.commit(Query.of(np.array([2]), "random"), stage=0)
        >>> pool.labelled.tolist(), pool.unlabelled.tolist(), pool.fraction
        ([2], [0, 1, 3], 0.25)
    """

    def __init__(self, rows: Rows, ids: Sequence[str], size: tuple[int, int] | None = None) -> None:
        self._all: Rows = np.sort(np.asarray(rows, dtype=np.int64))
        self.ids = tuple(ids)
        self.size = size
        self._labels: dict[int, list[Label]] = {}
        self._order: list[Label] = []
        self._pixels: dict[int, int] = {}
        """row -> revealed pixels, for rows that are not revealed as a whole."""
        self.pseudo: dict[int, str] = {}
        """row -> file of a pseudo-label. These rows stay unlabelled: they can be picked and cost nothing, and the
        next `commit` drops them."""
        self.withdrawn: dict[int, str] = {}
        """row -> why nobody can label it, or what is left of it; it cannot be picked."""
        if len(np.unique(self._all)) != len(self._all):
            raise ValueError("pool: a row occurs twice")

    @property
    def rows(self) -> Rows:
        """(P,) rows of the pool, ascending, without withdrawn ones that have no label."""
        gone = self.withdrawn.keys() - self._labels.keys()
        if not gone:
            return self._all
        kept: Rows = self._all[~np.isin(self._all, list(gone))]
        return kept

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> tuple[Label, ...]:
        """Every label, in the order of commits."""
        return tuple(self._order)

    @property
    def annotated(self) -> Rows:
        """Rows with a label of the oracle on some or all of their pixels, ascending."""
        return np.array(sorted(self._labels), dtype=np.int64)

    @property
    def partial(self) -> Rows:
        """Rows of which some pixels are revealed and some are not, ascending. They are trained on, and can be picked
        unless they were withdrawn."""
        return np.array(sorted(self._pixels), dtype=np.int64)

    @property
    def labelled(self) -> Rows:
        """(L,) rows that are labelled as a whole, ascending."""
        return np.array(sorted(self._labels.keys() - self._pixels.keys()), dtype=np.int64)

    @property
    def unlabelled(self) -> Rows:
        """(U,) rows that can be picked, ascending: those that are neither labelled as a whole nor withdrawn."""
        rows: Rows = self.rows[~self.is_labelled]
        return rows

    @property
    def trainable(self) -> Rows:
        """Rows that have a label, also of a region, or a pseudo-label, ascending."""
        return np.union1d(self.annotated, np.array(list(self.pseudo), dtype=np.int64))

    @property
    def is_labelled(self) -> NDArray[np.bool_]:
        """(P,) mask over `rows`: labelled as a whole, or as far as people can."""
        return np.isin(self.rows, [*self.labelled.tolist(), *self.withdrawn])

    @property
    def labelled_equivalent(self) -> int:
        """Number of labelled images; regions count as the number of images with as many pixels, rounded down."""
        return len(self.labelled) + (sum(self._pixels.values()) // self._area if self._pixels else 0)

    @property
    def fraction(self) -> float:
        """Revealed fraction of the pool's pixels, with equal weight for every image; what was withdrawn is not of the
        pool."""
        of_regions = sum(self._pixels.values()) / self._area if self._pixels else 0.0
        gone = sum(1 - self._pixels[row] / self._area for row in self.withdrawn if row in self._pixels)
        return (len(self.labelled) + of_regions) / (len(self) - gone)

    @property
    def overspent_pixels(self) -> int:
        """Pixels revealed beyond `labelled_equivalent` images; the next stage asks for that many fewer."""
        return sum(self._pixels.values()) % self._area if self._pixels else 0

    @property
    def _area(self) -> int:
        height, width = self._grid()
        return height * width

    def regions(self, row: int) -> tuple[Region, ...]:
        """Revealed regions of a row in the order in which they were revealed, overlaps included.

        One box of the whole image where it is labelled as a whole, by one label or by all its regions.
        """
        if row in self._labels and row not in self._pixels:
            return (Box(0, 0, *self._grid()),)
        return tuple(label.region for label in self._labels.get(row, []) if label.region is not None)

    def revealed(self, row: int) -> NDArray[np.bool_]:
        """(H, W) mask of the revealed pixels of a row, in the learner's grid."""
        return cover(self.regions(row), self._grid())

    def target(self, row: int) -> str | None:
        """File of a row's newest label; None for the dataset's own target."""
        return self._labels[row][-1].target

    def commit(self, query: Query, stage: int, targets: Mapping[int, str] | None = None) -> None:
        """Record the labels that `query` asks for, to be trained on from `stage` on.

        Raises:
            ValueError: a row is not in this pool, is labelled as a whole already or withdrawn, a whole image occurs
                twice, a region is not inside the image or reveals nothing new; nothing is recorded then.
        """
        outside = query.rows[~np.isin(query.rows, self.unlabelled)]
        if len(outside) or (query.regions is None and len(np.unique(query.rows)) != len(query)):
            names = [self.ids[row] for row in outside[:3]]
            raise ValueError(f"commit: rows outside the unlabelled pool or repeated: {names}")
        regions = (None,) * len(query) if query.regions is None else query.regions
        pixels = dict.fromkeys(query.rows.tolist(), -1) if query.regions is None else self._check(query.rows, regions)
        self.pseudo = {}
        picks = zip(query.rows.tolist(), query.source, query.score.tolist(), regions, strict=True)
        for row, source, score, region in picks:
            value = None if math.isnan(score) else score
            self._add(Label(row, stage, source, value, (targets or {}).get(row), region))
        self._recount(pixels)

    def withdraw(self, rows: Mapping[int, str]) -> None:
        """Take images out of the pool, each with the reason: they are never picked again. Of those of which a part is
        labelled the rest leaves the pool, and the labels stay.

        Raises:
            ValueError: an image is labelled as a whole, not in the pool, or withdrawn; nothing is changed then.
        """
        wrong = set(rows) - set(self.unlabelled.tolist())
        if wrong:
            raise ValueError(f"withdraw: {self.ids[min(wrong)]} is labelled, or not in the pool")
        self.withdrawn |= rows
        self.pseudo = {row: file for row, file in self.pseudo.items() if row not in rows}

    def pickable(self, rows: Mapping[int, str]) -> dict[int, str]:
        """Those of these rows that can be picked."""
        left = set(self.unlabelled.tolist())
        return {row: value for row, value in rows.items() if row in left}

    def correct(self, files: Mapping[int, str]) -> None:
        """Replace the label files of labelled images.

        Raises:
            ValueError: an image has no label.
        """
        for row, file in files.items():
            if row not in self._labels:
                raise ValueError(f"correct: {self.ids[row]} has no label")
            changed = {id(label): replace(label, target=file) for label in self._labels[row]}
            self._labels[row] = [changed[id(label)] for label in self._labels[row]]
            self._order = [changed.get(id(label), label) for label in self._order]

    def _add(self, label: Label) -> None:
        self._labels.setdefault(label.row, []).append(label)
        self._order.append(label)

    def _recount(self, pixels: Mapping[int, int]) -> None:
        """Set the number of revealed pixels of rows; −1 stands for the whole image."""
        for row, number in pixels.items():
            if number < 0 or number == self._area:
                self._pixels.pop(row, None)
            else:
                self._pixels[row] = number

    def _check(self, rows: Rows, regions: Sequence[Region | None]) -> dict[int, int]:
        """row -> revealed pixels once these regions are added."""
        whole = Box(0, 0, *self._grid())
        pixels: dict[int, int] = {}
        for row in np.unique(rows).tolist():  # one mask at a time, to save memory
            mask = self.revealed(row)
            for k in np.flatnonzero(rows == row).tolist():
                region = regions[k] or whole
                try:
                    region.check(self._grid())
                except ValueError as error:
                    raise ValueError(f"commit: {self.ids[row]}: {error}") from None
                known = mask[region.window]
                if (known | ~region.pixels).all():
                    raise ValueError(f"commit: region {region.to_json()} of {self.ids[row]} is revealed already")
                known |= region.pixels
            pixels[row] = int(mask.sum())
        return pixels

    def _grid(self) -> tuple[int, int]:
        if self.size is None:
            raise ValueError("pool: regions need the learner's image size; give LabelPool size=(H, W)")
        return self.size

    def state(self, root: Path | None = None) -> list[dict[str, Any]]:
        """The labels as JSON, by id; files below `root` are written relative to it."""
        entries: list[dict[str, Any]] = [
            {"id": self.ids[x.row], "stage": x.stage, "source": x.source, "score": x.score, "target": x.target}
            | ({} if x.region is None else {x.region.kind: x.region.to_json()})
            for x in self.labels
        ]
        entries += [{"id": self.ids[row], "source": PSEUDO, "target": file} for row, file in self.pseudo.items()]
        entries = [entry | {"target": _below(root, entry["target"])} for entry in entries]
        gone = self.withdrawn.items()
        return entries + [{"id": self.ids[row], "source": WITHDRAWN, "reason": reason} for row, reason in gone]

    def restore(self, state: Sequence[Mapping[str, Any]], root: Path | None = None) -> None:
        """Replace all labels by those of `state`; relative files are looked for below `root`.

        Raises:
            ValueError: an id is not in this pool, because the data have changed since the state was saved.
        """
        row_of = {self.ids[row]: row for row in self._all.tolist()}
        unknown = [entry["id"] for entry in state if entry["id"] not in row_of]
        if unknown:
            raise ValueError(
                f"state: {len(unknown)} labelled images are not in the pool any more (first: {unknown[0]}): "
                "the dataset or its protocol has changed since this run began; start a new run"
            )
        self._labels, self._order, self._pixels = {}, [], {}
        self.withdrawn = {row_of[e["id"]]: e["reason"] for e in state if e["source"] == WITHDRAWN}
        for e in state:
            if e["source"] not in (PSEUDO, WITHDRAWN):
                target = _at(root, e["target"])
                self._add(Label(row_of[e["id"]], e["stage"], e["source"], e["score"], target, region_of(e)))
        for row, labels in self._labels.items():
            known = [x.region for x in labels if x.region is not None]
            if len(known) == len(labels):
                self._recount({row: int(cover(known, self._grid()).sum())})
        self.pseudo = {row_of[e["id"]]: str(_at(root, e["target"])) for e in state if e["source"] == PSEUDO}


def _below(root: Path | None, file: str | None) -> str | None:
    if root is None or file is None or not Path(file).is_relative_to(root.resolve()):
        return file
    return Path(file).relative_to(root.resolve()).as_posix()


def _at(root: Path | None, file: str | None) -> str | None:
    return file if root is None or file is None else str(root.resolve() / file)
