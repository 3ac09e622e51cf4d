"""Which images of two splits show one picture: the rule of `al-lightning check`, and of what a run records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from al_lightning.core.arrays import Rows
from al_lightning.data.overlap.correlation import Float64, correlations
from al_lightning.data.overlap.prints import Prints
from al_lightning.neighbors import nearest_k

Pair = tuple[int, int]
"""Two rows, the lower first."""

SAME_FRAME = 0.8
"""Correlation from which two pictures are the same frame. On Kvasir-SEG with its sessile sibling the 196
re-encoded copies reach 0.98 or more, and 18 pairs inside Kvasir-SEG 0.90 or more: the four that its README names,
and 14 frames that were framed anew, some with a position display drawn over a corner. The next pair is at 0.74.
Copies made for the test, cropped by 5 % at each side or by 10 % at one, with 1.2 times the brightness, gamma
0.7, JPEG quality 30 or half the size, reach 0.88 or more; cropped by 8 % at each side, 0.65 or more."""
SAME_SCENE = 0.53
"""Correlation from which two pictures show one scene, seconds apart. The six pairs of Kvasir-SEG between 0.55
and 0.74 do, as their time stamps say; of the pairs between 0.46 and 0.52 about a third do."""
DEVIATIONS = 7.0
"""Robust standard deviations of a set's random pairs by which a pair has to stand out from their median. 0.53 lies 7.4
above in Kvasir-SEG and CamVid; the most alike of 7,140 pairs of made-up ultrasound images 3.7 to 6.6 above."""
CERTAINLY = 0.95
"""Correlation that is the same frame however alike a set's random pairs are."""
DRAWN = 500
"""Random pairs that are looked at."""
LEAST = 30
"""Random pairs below which they say nothing."""
CANDIDATE = 0.5
"""Cosine of two descriptors below which a pair is not compared any further; a copy cropped by 10 % at one side has
0.56 or more."""


@dataclass(frozen=True)
class Bounds:
    """Correlations from which two pictures of one set are the same."""

    frame: float = SAME_FRAME
    scene: float = SAME_SCENE

    @classmethod
    def of(cls, prints: Prints) -> Bounds:
        """`SAME_FRAME` and `SAME_SCENE`, raised where images of this set are alike without being the same.

        Ultrasound images and radiographs show the same layers and organs in every patient: there 0.53 is reached by
        chance. Correlations of random pairs are made normal by artanh; a pair has to lie `DEVIATIONS` above their
        median.
        """
        rows = np.flatnonzero(prints.plain.any(axis=1))
        first, second = np.triu_indices(len(rows), 1) if len(rows) < 64 else _random_pairs(len(rows))
        if len(first) < LEAST:
            return cls()
        chosen = np.random.default_rng(0).permutation(len(first))[:DRAWN]
        pairs = rows[np.stack([first[chosen], second[chosen]], axis=1)]
        cosines = (prints.plain[pairs[:, 0]] * prints.plain[pairs[:, 1]]).sum(axis=1, dtype=np.float64)
        values = np.arctanh(correlations(prints.thumbnails, pairs, cosines).clip(-0.999, 0.999))
        middle = float(np.median(values))
        deviation = 1.4826 * float(np.median(np.abs(values - middle)))
        out = float(np.tanh(middle + DEVIATIONS * deviation))
        return cls(max(SAME_FRAME, min(out, CERTAINLY)), max(SAME_SCENE, min(out, CERTAINLY)))


def _random_pairs(count: int) -> tuple[Rows, Rows]:
    drawn = np.random.default_rng(0).integers(0, count, (2, 2 * DRAWN))
    apart = drawn[:, drawn[0] != drawn[1]]
    return apart[0], apart[1]


class Comparison:
    """Rows of one split compared with rows of another, or of the same.

    Compared are pairs whose descriptors are neighbours, and pairs of one file name.

    Args:
        prints (Prints): of all rows.
        bounds (Bounds): of all rows.
        names (Sequence[str]): (n,) name of each row's file, without suffix.
        queries (Rows): of one split.
        references (Rows): of the other; the same array for one split by itself.
        progress (Callable | None): called with (pairs that are done, all pairs). Default None.
        back (bool): whether references look for neighbours too, and queries for more than one. Default True.
    """

    def __init__(
        self,
        prints: Prints,
        bounds: Bounds,
        names: Sequence[str],
        queries: Rows,
        references: Rows,
        progress: Callable[[int, int], None] | None = None,
        back: bool = True,
    ) -> None:
        self.prints, self.bounds, self.queries, self.references = prints, bounds, queries, references
        inside = queries is references
        self.named: frozenset[Pair] = frozenset() if inside else _named(names, queries, references)
        if inside:
            cosine = candidates(prints, queries, references, 2)
        else:
            cosine = candidates(prints, queries, references, 3 if back else 1)
            for pair, value in candidates(prints, references, queries, 1).items() if back else ():
                cosine[pair] = max(value, cosine.get(pair, -1.0))
        # Equal names are compared however little alike their small thumbnails are.
        cosine |= {pair: max(1.0, cosine.get(pair, 1.0)) for pair in self.named}
        every = sorted(cosine)
        values = correlations(
            prints.thumbnails,
            np.array(every, dtype=np.int64).reshape(-1, 2),
            np.array([cosine[pair] for pair in every]),
            None if progress is None else lambda done: progress(done, len(every)),
        )
        self.correlation: dict[Pair, float] = dict(zip(every, values.tolist(), strict=True))

    def same(self, pair: Pair) -> bool:
        """Whether the two show one picture."""
        first, second = (self.prints.hashes[row] for row in pair)
        return (bool(first) and first == second) or self.correlation.get(pair, -1.0) >= self.bounds.frame

    def readable(self, pair: Pair) -> bool:
        """Whether both can be read."""
        return all(self.prints.hashes[row] for row in pair)

    @cached_property
    def names_identify(self) -> bool:
        """Whether equal names mean one image, rather than 1.png, 2.png, ... counted anew in each folder."""
        known = [self.same(pair) for pair in self.named if self.readable(pair)]
        return not known or 2 * sum(known) >= len(known)

    def one_name(self, pair: Pair) -> bool:
        """Whether the two are one image as far as their names can tell."""
        return pair in self.named and (self.names_identify or not self.readable(pair))

    @cached_property
    def by_name(self) -> set[int]:
        """Queries that are among the references by name."""
        return self._queries(pair for pair in self.named if self.one_name(pair))

    @cached_property
    def by_picture(self) -> set[int]:
        """Queries whose picture is among the references."""
        there = {self.prints.hashes[row] for row in self.references.tolist()} - {""}
        equal = {row for row in self.queries.tolist() if self.prints.hashes[row] in there}
        return equal | self._queries(pair for pair in self.correlation if self.same(pair))

    def _queries(self, pairs: Iterable[Pair]) -> set[int]:
        rows = set(self.queries.tolist())
        return {row for pair in pairs for row in pair if row in rows}


def candidates(prints: Prints, queries: Rows, references: Rows, k: int) -> dict[Pair, float]:
    """Pairs worth comparing: each query's k nearest references, by FAISS, if at least `CANDIDATE`.

    Args:
        prints (Prints): an image without any structure is in no pair.
        queries, references (Rows): a query is not its own neighbour.
        k (int): neighbours of each query.

    Returns:
        pair -> its largest cosine.
    """
    plain, zoomed = prints.plain, prints.zoomed
    structured = np.asarray(plain.any(axis=1) & zoomed.any(axis=1))
    q, r = queries[structured[queries]], references[structured[references]]
    best: dict[Pair, float] = {}
    if not len(q) or not len(r):
        return best
    # A picture may be the middle of another: each of the two is zoomed in turn.
    for features, base in ((plain[q], np.concatenate([plain[r], zoomed[r]])), (zoomed[q], plain[r])):
        squared, index = nearest_k(features, base, min(2 * (k + 1), len(base)))
        cosine: Float64 = 1 - squared.astype(np.float64) / 2
        for i, a in enumerate(q.tolist()):
            # A picture and its zoom are one neighbour; the query itself is none.
            near: dict[int, float] = {}
            for b, value in zip(r[index[i] % len(r)].tolist(), cosine[i].tolist(), strict=True):
                if b != a and value >= CANDIDATE and len(near) < k:
                    near.setdefault(b, value)
            for b, value in near.items():
                pair = (min(a, b), max(a, b))
                best[pair] = max(best.get(pair, -1.0), value)
    return best


def _named(names: Sequence[str], queries: Rows, references: Rows) -> frozenset[Pair]:
    """Pairs of equal names; a name that one split holds twice identifies no image."""
    first, second = _unique(names, queries), _unique(names, references)
    return frozenset((min(first[n], second[n]), max(first[n], second[n])) for n in first.keys() & second.keys())


def _unique(names: Sequence[str], rows: Rows) -> dict[str, int]:
    found: dict[str, list[int]] = {}
    for row in rows.tolist():
        found.setdefault(names[row], []).append(row)
    return {name: rows[0] for name, rows in found.items() if len(rows) == 1}
