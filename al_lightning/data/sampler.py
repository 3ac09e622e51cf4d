"""Which rows a rank sees, in which order: a function of seed and epoch alone, wherever the rows are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, DistributedSampler

from al_lightning.core.arrays import Rows
from al_lightning.core.prediction import Batch


class RowSampler(DistributedSampler[Any]):
    """Yields dataset rows, this rank's share of them.

    A DistributedSampler by type, so that Lightning leaves it as it is and tells it the epoch. Shuffled rows fill equal
    shares (training needs that): where there are too few, they go round again in another order of the same epoch.
    Unshuffled ones are never repeated, so that every image is scored exactly once. A rank without any yields a single
    `filler`, because Lightning leaves out a loop that has no batch, and the other ranks would wait for this one.

    Args:
        rows: of all ranks.
        rank, world: this rank, and the number of ranks.
        seed: of the order; None for the rows as they are.
        length: rows of this rank in an epoch; its share of `rows` when left out. Only for shuffled rows.
    """

    def __init__(self, rows: Rows, rank: int, world: int, seed: int | None = None, length: int | None = None) -> None:
        self.rows, self.rank, self.world, self.shuffle_seed, self.length = rows, rank, world, seed, length
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        if self.shuffle_seed is None:
            own = self.rows[self.rank :: self.world].tolist()
            return iter(own or [filler(row) for row in self.rows[:1].tolist()])
        rng = np.random.default_rng([self.shuffle_seed, self.epoch])
        wanted = len(self) * self.world
        rounds = -(-wanted // max(1, len(self.rows)))
        order = np.concatenate([rng.permutation(self.rows) for _ in range(rounds)] or [self.rows])
        return iter(order[self.rank : wanted : self.world].tolist())

    def __len__(self) -> int:
        if self.shuffle_seed is None:
            return len(range(self.rank, len(self.rows), self.world)) or min(1, len(self.rows))
        return -(-len(self.rows) // self.world) if self.length is None else self.length

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of each epoch; a loop of your own has to do so too."""
        self.epoch = epoch


def filler(row: int) -> int:
    """A row as the place holder of a rank without rows of its own.

    Example:
        >>> filler(5), without_filler(np.array([filler(5)]))
        (-6, (array([5]), True))
    """
    return ~row


def without_filler(index: NDArray[np.int64]) -> tuple[Rows, bool]:
    """What a sampler has yielded for a batch -> its rows, and whether they are a place holder."""
    placeholder = index < 0
    return np.where(placeholder, ~index, index), bool(placeholder.any())


class LateLoader(DataLoader[Batch]):
    """A DataLoader that draws its rows when its first batch is asked for.

    Worker processes are sent rows as soon as an iterator is made. Lightning makes the iterator of a resumed training
    before it tells the sampler the epoch, so that the order would be that of another epoch, with workers alone.
    """

    def __iter__(self) -> Any:
        yield from super().__iter__()
