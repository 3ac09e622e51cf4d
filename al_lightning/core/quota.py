"""Quota: how many images may be picked of each group, such as a patient or a video."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Rows


@dataclass(frozen=True)
class Quota:
    """The picks that are left to each group. A strategy that honours it picks no image whose group is full.

    Example:
        >>> quota = Quota(np.array([0, 0, 1, 0]), np.array([2, 1]))
        >>> quota.admits(np.array([3, 2, 1, 0])).tolist()  # in this order, the last one of group 0 is one too many
        [True, True, True, False]
        >>> quota.without(np.array([3, 2])).open.tolist()
        [True, True, False, True]
    """

    group: Rows
    """(P,) number of the group of each image, by position."""
    left: Rows
    """(G,) picks that are left to each group, none below 0."""

    @property
    def open(self) -> NDArray[np.bool_]:
        """(P,) whether the group of each image has a pick left."""
        return np.asarray(self.left[self.group] > 0)

    def available(self, positions: Rows) -> int:
        """How many of these images can be picked together."""
        return int(np.minimum(np.bincount(self.group[positions], minlength=len(self.left)), self.left).sum())

    def admits(self, positions: Rows) -> NDArray[np.bool_]:
        """(n,) which of these images are picked where they are tried in this order."""
        groups = self.group[positions]
        order = np.argsort(groups, kind="stable")
        ordered = groups[order]
        before = np.empty(len(positions), np.int64)
        before[order] = np.arange(len(positions)) - np.searchsorted(ordered, ordered)
        return np.asarray(before < self.left[groups])

    def without(self, positions: Rows) -> Quota:
        """What is left once these images are picked."""
        taken = np.bincount(self.group[positions], minlength=len(self.left))
        return replace(self, left=np.maximum(self.left - taken, 0))


__all__ = ["Quota"]
