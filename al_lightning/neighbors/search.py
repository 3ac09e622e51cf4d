"""Exact search for the nearest vectors; the only file that imports FAISS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import faiss
import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Search = Callable[[Float32], tuple[Float64, Int64]]

CLOSE = 1 / 64
"""d² < CLOSE·‖a‖² is computed again: float32's error of 1e-7·‖a‖² would be 1e-5 of d² or more."""
ROWS = 1024
"""Vectors in memory at a time where they are subtracted in float64."""
MEMORY = 2**27
"""Bytes of a float32 copy of features that is kept; a larger one is made again, block by block, where it is read."""
NUMBERS = 2**24
"""Numbers in a block of queries."""
QUERIES = 4096
"""Queries that FAISS takes at a time; blocks are multiples, so that no distance depends on how many there are."""


@dataclass(frozen=True)
class Frame:
    """Float32 coordinates (x − offset)·scale in which distances are computed."""

    offset: Float64
    scale: float

    @classmethod
    def of(cls, features: Array, positions: Int64 | None = None) -> Frame:
        """That of the vectors at these positions (None: all).

        Offset: the mean, rounded to a power of two of 1/16 to 1/8 of the range; scale: a power of two. Subtracting the
        exact mean would round exact values: with this offset integers and the like stay on their grid, so that equal
        distances remain equal.
        """
        if positions is None:
            low, high = features.min(axis=0).astype(np.float64), features.max(axis=0).astype(np.float64)
            mean = features.mean(axis=0, dtype=np.float64)
        else:
            low, high, mean = _extremes(features, positions)
        spread = high - low
        grid = np.ldexp(1.0, np.frexp(spread)[1] - 4)
        mean = np.rint(mean / grid) * grid
        return cls(np.where(spread > 0, mean, low), float(np.ldexp(1.0, -np.frexp(spread.max())[1])))

    def apply(self, features: Array, positions: Int64 | None = None) -> Float32:
        """(N, D) -> (n, D) float32 of the vectors at these positions (None: all), C-contiguous."""
        positions = np.arange(len(features)) if positions is None else positions
        out = np.empty((len(positions), features.shape[1]), dtype=np.float32)
        narrow = self._narrow(features.dtype)
        for start in range(0, len(positions), ROWS):
            block = slice(start, start + ROWS)
            if narrow is None:
                np.multiply(features[positions[block]] - self.offset, self.scale, out=out[block], casting="same_kind")
            else:
                np.subtract(features[positions[block]], narrow, out=out[block], dtype=np.float32)
                out[block] *= np.float32(self.scale)
        return out

    def _narrow(self, kind: np.dtype[Any]) -> Float32 | None:
        """The offset in float32 where float32 is enough for the same coordinates, at a third of the time.

        A difference of two float32 numbers is rounded alike in float32, and in float64 and then to float32; a power of
        two rounds nothing.
        """
        narrow = self.offset.astype(np.float32)
        exact = kind in (np.dtype(np.float32), np.dtype(np.float16)) and (narrow == self.offset).all()
        return narrow if exact and 2.0**-100 < self.scale < 2.0**100 else None


def _extremes(features: Array, positions: Int64) -> tuple[Float64, Float64, Float64]:
    """Lowest, highest and mean vector (D,) of those at some positions, read in blocks."""
    dimensions = features.shape[1]
    low, high, total = np.full(dimensions, np.inf), np.full(dimensions, -np.inf), np.zeros(dimensions)
    for block in blocks(len(positions), dimensions):
        part = features[positions[block]]
        np.minimum(low, part.min(axis=0), out=low)
        np.maximum(high, part.max(axis=0), out=high)
        total += part.sum(axis=0, dtype=np.float64)
    return low, high, total / len(positions)


@dataclass(frozen=True)
class Points:
    """Some vectors of an array in a frame, which are read in blocks of float32."""

    features: Array
    frame: Frame
    positions: Int64
    """(n,) those of the vectors among the features."""
    kept: Float32 | None
    """(n, D), or None where every block is converted anew."""

    @classmethod
    def of(cls, features: Array, frame: Frame, positions: Int64, memory: int) -> Points:
        """The vectors at these positions, as a copy where it takes at most `memory` bytes."""
        keep = 4 * len(positions) * features.shape[1] <= memory
        return cls(features, frame, positions, frame.apply(features, positions) if keep else None)

    def __len__(self) -> int:
        return len(self.positions)

    def at(self, points: Int64) -> Float32:
        """(k, D) of these points."""
        return self.frame.apply(self.features, self.positions[points]) if self.kept is None else self.kept[points]

    def blocks(self, stop: int | None = None) -> Iterator[tuple[slice, Float32]]:
        """(which points, (b, D)) of all blocks of the first `stop` points."""
        for block in blocks(len(self) if stop is None else stop, self.features.shape[1]):
            if self.kept is None:
                yield block, self.frame.apply(self.features, self.positions[block])
            else:
                yield block, self.kept[block]


def blocks(count: int, dimensions: int) -> Iterator[slice]:
    """Blocks of `count` vectors, each but the last a multiple of `QUERIES`, and the last no shorter than that.

    Example:
        >>> [(block.start, block.stop) for block in blocks(9000, 4096)]
        [(0, 4096), (4096, 9000)]
    """
    step = max(NUMBERS // dimensions // QUERIES, 1) * QUERIES
    begin = 0
    while begin < count:
        end = count if count - begin < step + QUERIES else begin + step
        yield slice(begin, end)
        begin = end


def nearest(queries: ArrayLike, references: ArrayLike) -> tuple[Float32, Int64]:
    """Exact nearest reference of each query: (Q, D), (R, D) -> squared distance (Q,), index (Q,).

    Raises:
        ValueError: the shapes do not fit, there is no reference, or a value is NaN or infinite.

    Example:
        >>> squared, index = nearest([[0.0], [9.0]], [[1.0], [7.0]])
        >>> squared.tolist(), index.tolist()
        ([1.0, 4.0], [0, 1])
    """
    squared, index = nearest_k(queries, references, 1)
    return squared[:, 0], index[:, 0]


def nearest_k(queries: ArrayLike, references: ArrayLike, k: int) -> tuple[Float32, Int64]:
    """The k nearest references, nearest first: -> squared distances (Q, k), indices (Q, k).

    Runs on all GPUs that FAISS sees (there k ≤ 2048), else on the CPU.

    Raises:
        ValueError: as for `nearest`, or k is not in 1..R.

    Example:
        >>> squared, index = nearest_k([[0.0]], [[7.0], [1.0], [3.0]], k=2)
        >>> squared.tolist(), index.tolist()
        ([[1.0, 9.0]], [[1, 2]])
    """
    q, r = matrix("queries", queries), matrix("references", references)
    if q.shape[1] != r.shape[1]:
        raise ValueError(f"queries have {q.shape[1]} dimensions, references {r.shape[1]}: embed both alike")
    if not 1 <= k <= len(r):
        raise ValueError(f"k = {k} nearest of {len(r)} references: expected at least 1 and at most {len(r)}")
    frame = Frame.of(r)
    squared, index = searcher(frame.apply(r), k)(frame.apply(q))
    order = np.argsort(squared, axis=1, kind="stable")
    squared = np.take_along_axis(squared, order, axis=1) / frame.scale**2
    return squared.astype(np.float32), np.take_along_axis(index, order, axis=1)


def nearest_others(features: Array, positions: Int64, k: int, memory: int = MEMORY) -> Float64:
    """Distances, not squared, of each vector at these positions to its k nearest others among them: (n, k), ascending.

    A float32 copy of more than `memory` bytes is made again in blocks.

    Raises:
        ValueError: k is not in 1..n − 1.

    Example:
        >>> nearest_others(np.array([[0.0], [1.0], [9.0], [3.0]]), np.array([0, 1, 3]), 2).tolist()
        [[1.0, 3.0], [1.0, 2.0], [2.0, 3.0]]
    """
    if not 1 <= k < len(positions):
        raise ValueError(f"k = {k} nearest others of {len(positions)} vectors: expected 1 to {len(positions) - 1}")
    points = Points.of(features, Frame.of(features, positions), positions, memory)
    squared = np.full((len(positions), k + 1), np.inf)  # a vector is nearest to itself
    for block, references in points.blocks():
        search = searcher(references, min(k + 1, block.stop - block.start))
        for some, queries in points.blocks():
            both = np.concatenate([squared[some], search(queries)[0]], axis=1)
            squared[some] = np.partition(both, k, axis=1)[:, : k + 1]
    return np.asarray(np.sqrt(np.sort(squared, axis=1)[:, 1:]) / points.frame.scale)


@cache
def _gpu_resources() -> list[Any]:
    """One FAISS resource per GPU, cached because creating one takes longer than a search."""
    return [faiss.StandardGpuResources() for _ in range(faiss.get_num_gpus())]


def searcher(references: Float32, k: int) -> Search:
    """What finds the k nearest of these references in a frame: queries -> squared distances (Q, k), indices (Q, k)."""
    gpu: Any = None
    if faiss.get_num_gpus() > 0:
        flat = faiss.IndexFlatL2(references.shape[1])
        flat.add(references)
        gpu = faiss.index_cpu_to_gpu_multiple_py(_gpu_resources(), flat)

    def search(queries: Float32) -> tuple[Float64, Int64]:
        found, index = faiss.knn(queries, references, k) if gpu is None else gpu.search(queries, k)
        squared = found.astype(np.float64)
        query, rank = np.nonzero(squared < CLOSE * np.einsum("nd,nd->n", queries, queries)[:, None])
        squared[query, rank] = squared_distances(queries, references, query, index[query, rank])
        return squared, index

    return search


def squared_distances(a: Array, b: Array, of_a: Int64, of_b: Int64) -> Float64:
    """(n,) ‖a[of_a] − b[of_b]‖² from the differences, in float64."""
    out = np.empty(len(of_a))
    for start in range(0, len(of_a), ROWS):
        block = slice(start, start + ROWS)
        difference = a[of_a[block]].astype(np.float64) - b[of_b[block]]
        out[block] = np.einsum("nd,nd->n", difference, difference)
    return out


def matrix(name: str, values: ArrayLike) -> Array:
    """(n, D) array with D ≥ 1 and finite values; a ValueError otherwise."""
    array = np.asarray(values)
    if array.ndim != 2 or array.shape[1] < 1 or array.dtype.kind not in "fiu":
        raise ValueError(f"{name}: expected real numbers (n, D) with D ≥ 1, got {array.dtype} {array.shape}")
    # a sum over a vector is NaN or infinite where one of its values is, and faster than a test of every value
    bad = np.flatnonzero(~np.isfinite(array.sum(axis=1, dtype=np.float64)))
    if len(bad):
        raise ValueError(
            f"{name}: {len(bad)} of {len(array)} vectors hold NaN or infinite values (first: position {bad[0]}): "
            "the network that made them has diverged; lower its learning rate or check its precision"
        )
    return array
