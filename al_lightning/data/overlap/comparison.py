"""Which images of two splits show one picture: the rule of `al-lightning check`, and of what a run records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import numpy as np

from al_lightning.core.arrays import Rows
from al_lightning.data.overlap.bounds import Bounds
from al_lightning.data.overlap.correlation import Float64, correlations
from al_lightning.data.overlap.prints import Prints

Pair = tuple[int, int]
"""Two rows, the lower first."""

CANDIDATE = 0.5
"""Cosine of two descriptors below which a pair is not compared any further; a copy cropped by 10 % at one side has
0.56 or more."""


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
    from al_lightning.neighbors import nearest_k  # torch and FAISS, which the rest of this package does without

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
