"""Which rows of a dataset share a name, a file, the pixels or the picture, and what that means for its splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.audit.files import FileRecord, Finding, Severity
from al_lightning.audit.pairs import SAME_FRAME, SAME_SCENE, STORED, candidates, correlations
from al_lightning.core.arrays import Rows
from al_lightning.data.dataset import DenseDataset

SPLITS = ("test", "validation", "pool", "held out")
"""In the order in which a pair names them; held out: in no split, as what `clean` takes out of the pool."""
SAME = ("exact duplicate", "near duplicate")
Progress = Callable[[str, int, int], None]
"""Called with (the step that is going on, how many are done, of how many)."""


class Compared:
    """All pairs of rows that share a name, a file, the pixels or the picture.

    Args:
        dataset (DenseDataset): n rows.
        records (Sequence[FileRecord]): (n,) what was read of each row.
        split_of (NDArray): (n,) name of each row's split, one of `SPLITS`.
        progress (Progress): called as the comparison goes on.
    """

    def __init__(
        self, dataset: DenseDataset, records: Sequence[FileRecord], split_of: NDArray[Any], progress: Progress
    ) -> None:
        self.dataset, self.records, self.split_of = dataset, records, split_of
        self.rank = np.array([SPLITS.index(name) for name in split_of])
        blank = np.zeros((STORED, STORED), dtype=np.uint8)
        thumbnails = np.stack([blank if one.thumbnail is None else one.thumbnail for one in records])
        progress("searching", 0, 1)
        pairs, cosines = candidates(thumbnails, self._searches())
        progress("searching", 1, 1)
        self.named = self._named()
        # Equal names are compared however little alike their small thumbnails are.
        cosine: dict[tuple[int, int], float] = dict.fromkeys(self.named, 1.0)
        for (first, second), value in zip(pairs.tolist(), cosines.tolist(), strict=True):
            cosine.setdefault((first, second), value)
        every = sorted(cosine)
        values = correlations(
            thumbnails,
            np.array(every, dtype=np.int64).reshape(-1, 2),
            np.array([cosine[pair] for pair in every]),
            lambda done: progress("comparing", done, len(every)),
        )
        self.correlation = dict(zip(every, values.tolist(), strict=True))
        self.same_file, self.same_pixels = self._equal("file_hash"), self._equal("pixel_hash")
        known = [self._same(pair) for pair in self.named if self._comparable(pair)]
        self.names_identify = not known or 2 * sum(known) >= len(known)
        """Whether equal names mean one image, rather than 1.png, 2.png, ... counted anew in each folder."""

    def _searches(self) -> list[tuple[Rows, Rows, int]]:
        """Each split in itself, and the smaller splits against the larger in both directions.

        A search for each pair of splits: neighbours in one's own sequence cannot hide one in another split.
        """
        test, validation, pool, held_out = (np.flatnonzero(self.rank == i) for i in range(len(SPLITS)))
        searches = [(rows, rows, 2) for rows in (test, validation, pool)]
        for queries, references in ((test, validation), (test, pool), (validation, pool), (test, held_out)):
            searches += [(queries, references, 3), (references, queries, 1)]
        return [*searches, (held_out, validation, 1)]

    def _named(self) -> set[tuple[int, int]]:
        """Pairs of equal file names in two splits; a name that one split holds twice identifies no image."""
        rows_of: dict[str, list[int]] = {}
        for row, path in enumerate(self.dataset.images):
            rows_of.setdefault(path.stem, []).append(row)
        pairs = set()
        for rows in rows_of.values():
            if 1 < len(rows) == len({self.split_of[row] for row in rows}):
                pairs |= {(a, b) for a in rows for b in rows if a < b}
        return pairs

    def _equal(self, attribute: str) -> set[tuple[int, int]]:
        """The first of each group of equal rows with each of the others; test comes first."""
        groups: dict[str, list[int]] = {}
        for row in np.argsort(self.rank, kind="stable").tolist():
            if key := getattr(self.records[row], attribute):
                groups.setdefault(key, []).append(row)
        return {(min(g[0], b), max(g[0], b)) for g in groups.values() for b in g[1:]}

    def _comparable(self, pair: tuple[int, int]) -> bool:
        return all(self.records[row].pixel_hash for row in pair)

    def _one_name(self, pair: tuple[int, int]) -> bool:
        """Whether the two are one image as far as their names can tell."""
        return pair in self.named and (self.names_identify or not self._comparable(pair))

    def _same(self, pair: tuple[int, int]) -> bool:
        a, b = (self.records[row].pixel_hash for row in pair)
        return (bool(a) and a == b) or self.correlation.get(pair, -1.0) >= SAME_FRAME

    def overlap(self, split: str) -> dict[str, int]:
        """How many test images the split holds, by each way of comparing: way -> number."""
        ways: dict[str, set[int]] = {way: set() for way in ("name", "file", "pixels", "picture", "same")}
        test = np.flatnonzero(self.rank == 0).tolist()
        others = np.flatnonzero(self.split_of == split).tolist()
        for way, attribute in (("file", "file_hash"), ("pixels", "pixel_hash")):
            there = {getattr(self.records[row], attribute) for row in others} - {""}
            ways[way] = {row for row in test if getattr(self.records[row], attribute) in there}
        ways["picture"] |= ways["pixels"]
        for pair in self.correlation:
            first, second = sorted(pair, key=lambda row: (self.rank[row], row))
            if self.rank[first] == 0 and self.split_of[second] == split:
                if self._same(pair):
                    ways["picture"].add(first)
                if pair in self.named:
                    ways["name"].add(first)
                if self._one_name(pair):
                    ways["same"].add(first)
        ways["same"] |= ways["picture"]
        return {way: len(rows) for way, rows in ways.items()}

    def findings(self) -> list[Finding]:
        """One finding a pair, and one for each row that no split holds and that has no twin in one."""
        found: list[Finding] = []
        explained: set[int] = set()
        exact = self.same_file | self.same_pixels
        for pair in sorted(exact | self.named | self.correlation.keys()):
            finding = self._finding(pair, pair in exact)
            if finding is None:
                continue
            found.append(finding)
            explained |= {row for row in pair if self.split_of[row] == "held out" and finding.kind != "same scene"}
        for row in np.flatnonzero(self.split_of == "held out").tolist():
            if row not in explained:
                detail = f"held out by the loader (protocol {self.dataset.protocol}), not for its name or picture"
                at = (self.dataset.ids[row],), (str(self.dataset.images[row]),), ("held out",)
                found.append(Finding("held out", "info", *at, detail))
        return found

    def _finding(self, pair: tuple[int, int], exact: bool) -> Finding | None:
        first, second = sorted(pair, key=lambda row: (self.rank[row], row))
        a, b = self.records[first], self.records[second]
        splits = (str(self.split_of[first]), str(self.split_of[second]))
        correlation = self.correlation.get(pair, -1.0)
        named = pair in self.named
        distance: float | None = 1.0 - max(correlation, 0.0)
        if exact:
            kind, distance = "exact duplicate", 0.0
            detail = "equal files" if a.file_hash == b.file_hash else "equal pixels, not equal files"
        elif a.pixel_hash and a.pixel_hash == b.pixel_hash:
            return None  # reported with the first of their group
        elif correlation >= SAME_FRAME:
            kind, detail = "near duplicate", f"almost one picture, correlation {correlation:.3f}"
        elif named:
            kind = "same name"
            detail = f"other pictures, correlation {correlation:.2f}"
            if not self._comparable(pair):
                detail, distance = "a picture cannot be read", None
        elif correlation >= SAME_SCENE:
            kind, detail = "same scene", f"alike, correlation {correlation:.2f}"
        else:
            return None
        if "held out" in splits and kind in SAME and splits[0] != "held out":
            detail += f"; held out because {splits[0]} shows it"
        certain = kind in SAME or self._one_name(pair)
        rows = (first, second)
        return Finding(
            kind,
            _severity(kind, splits, certain),
            tuple(self.dataset.ids[row] for row in rows),
            tuple(str(self.dataset.images[row]) for row in rows),
            splits,
            detail,
            distance,
            named,
        )


def _severity(kind: str, splits: tuple[str, str], same: bool) -> Severity:
    """Of a pair in two splits (in the order of `SPLITS`); `same`: the two are one image for certain."""
    if "held out" in splits:
        return "info"
    if splits[0] == splits[1]:
        return "warning" if kind == "exact duplicate" else "info"
    if splits[0] == "test":
        return "error" if same else "warning"
    return "warning" if same else "info"
