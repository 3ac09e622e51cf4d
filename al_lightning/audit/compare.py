"""Which rows of a dataset share a name, a file, the pixels or the picture, and what that means for its splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from al_lightning.audit.files import FileRecord
from al_lightning.audit.findings import SAME, SPLITS, Finding, Severity
from al_lightning.audit.subject import Subject
from al_lightning.data.overlap import Bounds, Comparison, Prints
from al_lightning.data.overlap.comparison import Pair
from al_lightning.data.overlap.prints import blank

SEARCHED = (
    *((name, name) for name in ("test", "validation", "pool", "no split")),
    *(("test", "validation"), ("test", "pool"), ("test", "held out"), ("validation", "pool")),
    ("held out", "validation"),
)
"""Splits that are compared, each pair of them by itself: neighbours in one's own sequence cannot hide one in another
split."""
WAYS = ("name", "file", "pixels", "picture", "same")
Progress = Callable[[str, int, int], None]
"""Called with (the step that is going on, how many are done, of how many)."""


class Compared:
    """All pairs of rows that share a name, a file, the pixels or the picture.

    Args:
        subject (Subject): n rows.
        records (Sequence[FileRecord]): (n,) what was read of each row.
        progress (Progress): called as the comparison goes on.
    """

    def __init__(self, subject: Subject, records: Sequence[FileRecord], progress: Progress) -> None:
        self.subject, self.records, self.split_of = subject, records, subject.split_of
        self.rank = np.array([SPLITS.index(name) for name in self.split_of])
        prints = Prints(
            np.stack([blank() if one.thumbnail is None else one.thumbnail for one in records]),
            tuple(one.pixel_hash for one in records),
        )
        self.bounds = Bounds.of(prints)
        names = [path.stem for path in subject.images]
        self.comparisons: dict[tuple[str, str], Comparison] = {}
        rows = {name: subject.rows(name) for name in SPLITS}
        for first, second in SEARCHED:
            if not len(rows[first]) or not len(rows[second]):
                continue

            def tell(done: int, total: int, step: str = f"comparing {first} with {second}") -> None:
                progress(step, done, total)

            back = first != "held out"
            self.comparisons[first, second] = Comparison(
                prints, self.bounds, names, rows[first], rows[second], tell, back
            )
        self.same_file, self.same_pixels = self._equal("file_hash"), self._equal("pixel_hash")

    def _equal(self, attribute: str) -> set[Pair]:
        """The first of each group of equal rows with each of the others; test comes first."""
        groups: dict[str, list[int]] = {}
        for row in np.argsort(self.rank, kind="stable").tolist():
            if key := getattr(self.records[row], attribute):
                groups.setdefault(key, []).append(row)
        return {(min(g[0], b), max(g[0], b)) for g in groups.values() for b in g[1:]}

    def overlap(self, split: str) -> dict[str, int]:
        """How many test images the split holds, by each way of comparing: way -> number.

        picture is what a run records as by_thumbnail; same adds those that have one name and cannot be compared.
        """
        if ("test", split) not in self.comparisons:
            return dict.fromkeys(WAYS, 0)
        found = self.comparisons["test", split]
        ways = {"name": {row for pair in found.named for row in pair if self.split_of[row] == "test"}}
        for way, attribute in (("file", "file_hash"), ("pixels", "pixel_hash")):
            there = {getattr(self.records[row], attribute) for row in found.references.tolist()} - {""}
            ways[way] = {row for row in found.queries.tolist() if getattr(self.records[row], attribute) in there}
        ways |= {"picture": found.by_picture, "same": found.by_picture | found.by_name}
        return {way: len(rows) for way, rows in ways.items()}

    def findings(self) -> list[Finding]:
        """One finding a pair, and one for each row that no split holds and that has no twin in one."""
        found: list[Finding] = []
        explained: set[int] = set()
        exact = self.same_file | self.same_pixels
        by_pair = {pair: one for one in self.comparisons.values() for pair in one.correlation}
        for pair in sorted(exact | by_pair.keys()):
            finding = self._finding(pair, pair in exact, by_pair.get(pair))
            if finding is None:
                continue
            found.append(finding)
            explained |= {row for row in pair if self.split_of[row] == "held out" and finding.kind != "same scene"}
        for row in self.subject.rows("held out").tolist():
            if row not in explained:
                detail = f"held out by the loader (protocol {self.subject.protocol}), not for its name or picture"
                if self.subject.targets[row] is None:
                    detail = f"held out by the loader, without {self.subject.noun}"
                at = (self.subject.ids[row],), (str(self.subject.images[row]),), ("held out",)
                found.append(Finding("held out", "info", *at, detail))
        return found

    def _finding(self, pair: Pair, exact: bool, comparison: Comparison | None) -> Finding | None:
        first, second = sorted(pair, key=lambda row: (self.rank[row], row))
        a, b = self.records[first], self.records[second]
        splits = (str(self.split_of[first]), str(self.split_of[second]))
        correlation = comparison.correlation[pair] if comparison else -1.0
        named = comparison is not None and pair in comparison.named
        distance: float | None = 1.0 - max(correlation, 0.0)
        if exact:
            kind, distance = "exact duplicate", 0.0
            detail = "equal files" if a.file_hash == b.file_hash else "equal pixels, not equal files"
        elif a.pixel_hash and a.pixel_hash == b.pixel_hash:
            return None  # reported with the first of their group
        elif correlation >= self.bounds.frame:
            kind, detail = "near duplicate", f"almost one picture, correlation {correlation:.3f}"
        elif named:
            kind = "same name"
            detail = f"other pictures, correlation {correlation:.2f}"
            if not (a.pixel_hash and b.pixel_hash):
                detail, distance = "a picture cannot be read", None
        elif correlation >= self.bounds.scene:
            kind, detail = "same scene", f"alike, correlation {correlation:.2f}"
        else:
            return None
        if "held out" in splits and kind in SAME and splits[0] != "held out":
            detail += f"; held out because {splits[0]} shows it"
        certain = kind in SAME or (comparison is not None and comparison.one_name(pair))
        rows = (first, second)
        return Finding(
            kind,
            _severity(kind, splits, certain),
            tuple(self.subject.ids[row] for row in rows),
            tuple(str(self.subject.images[row]) for row in rows),
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
