"""Queries: the images or regions to annotate, and the images to pseudo-label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Floats, Rows
from al_lightning.core.region import Region


@dataclass(frozen=True)
class Pseudo:
    """Images to pseudo-label with the learner's own prediction for one stage; they cost nothing."""

    rows: Rows
    """(n,) distinct unlabelled rows that are not picks of the same query."""
    kind: Literal["soft", "hard", "confident"]
    """soft: the foreground probability; hard: the argmax; confident: the argmax where the pixel entropy
    (nats) is at most `threshold`, `IGNORE` elsewhere."""
    threshold: float = 0.0
    distribution: Literal["mean", "deterministic"] = "mean"
    """Whose targets they are where there are MC passes: mean, the distribution `Prediction.probabilities` over the same
    passes as in the scoring, by which a strategy that measures it has chosen them; deterministic, one pass with dropout
    off."""


@dataclass(frozen=True)
class Query:
    """The images, or regions of images, to annotate, in the order in which they were picked.

    Example:
        >>> query = Query.of(np.array([4, 7]), "bvsb", np.array([0.9, 0.8]))
        >>> query.subset([1]).rows.tolist()
        [7]
    """

    rows: Rows
    """(B,) dataset rows, distinct unless there are regions."""
    source: tuple[str, ...]
    """B names of the rule that made each pick ("k-center", "bvsb", "top-up", ...)."""
    score: NDArray[np.float64]
    """(B,) the value for which each was picked, NaN where the rule has none."""
    pseudo: Pseudo | None = None
    """Images to pseudo-label for the next stage, in addition to the picks."""
    regions: tuple[Region | None, ...] | None = None
    """B regions, None for a whole image. None where all are whole images."""

    def __post_init__(self) -> None:
        assert len(self.rows) == len(self.source) == len(self.score)
        assert self.regions is None or len(self.regions) == len(self.rows)

    @classmethod
    def of(
        cls,
        rows: Rows,
        source: str,
        score: Floats | None = None,
        regions: Sequence[Region | None] | None = None,
    ) -> Query:
        """A query with one source for all rows; score None means NaN."""
        rows = np.asarray(rows, dtype=np.int64)
        values = np.full(len(rows), np.nan) if score is None else np.asarray(score, dtype=np.float64)
        return cls(rows, (source,) * len(rows), values, regions=None if regions is None else tuple(regions))

    @property
    def pseudo_picks(self) -> NDArray[np.bool_]:
        """(n,) which of the rows to pseudo-label are picked as whole images too."""
        if self.pseudo is None:
            return np.zeros(0, dtype=bool)
        whole = [
            row for row, region in zip(self.rows, self.regions or (None,) * len(self), strict=True) if region is None
        ]
        return np.isin(self.pseudo.rows, np.array(whole, dtype=np.int64))

    def without_pseudo_picks(self) -> Query:
        """The same, where an image that is picked gets no pseudo-label, which would replace its label."""
        if self.pseudo is None:
            return self
        left = replace(self.pseudo, rows=self.pseudo.rows[~self.pseudo_picks])
        return replace(self, pseudo=left if len(left.rows) else None)

    def __len__(self) -> int:
        return len(self.rows)

    def __add__(self, other: Query) -> Query:
        regions = None
        if self.regions is not None or other.regions is not None:
            regions = sum(((None,) * len(q) if q.regions is None else q.regions for q in (self, other)), ())
        return Query(
            np.concatenate([self.rows, other.rows]),
            self.source + other.source,
            np.concatenate([self.score, other.score]),
            self.pseudo or other.pseudo,
            regions,
        )

    def subset(self, keep: Sequence[int] | NDArray[Any] | slice) -> Query:
        """The picks at these positions (or where this mask is True), in that order."""
        positions = np.arange(len(self))[keep]
        source = tuple(self.source[i] for i in positions)
        regions = None if self.regions is None else tuple(self.regions[i] for i in positions)
        return Query(self.rows[positions], source, self.score[positions], self.pseudo, regions)
