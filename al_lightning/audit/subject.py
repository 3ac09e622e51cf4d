"""Subject: what is audited, a dataset, or the files of one that its loader refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.task import Task
from al_lightning.data.dataset import SPLITS, DenseDataset
from al_lightning.data.errors import decoded
from al_lightning.data.images import ImageReading


@dataclass(frozen=True)
class Subject:
    """n images with their targets and splits."""

    name: str
    task: Task
    ids: tuple[str, ...]
    images: tuple[Path, ...]
    targets: tuple[Path | None, ...]
    split_of: NDArray[Any]
    """(n,) one of `findings.SPLITS`."""
    image_reading: ImageReading = field(default_factory=ImageReading)
    decode_target: Callable[[Path], NDArray[Any]] | None = None
    """None where nobody knows what the targets mean."""
    groups: tuple[str, ...] = ()
    protocol: str = "clean"
    notes: tuple[str, ...] = ()
    problem: str = ""
    """Why the loader refuses the set."""
    loose: bool = False
    """Files that were only found, of which nobody knows which are images; they are not compared."""
    labelled: bool = True
    """Whether the pool needs targets too, because the oracle looks them up."""
    allow_missing_classes: bool = False

    @classmethod
    def of(cls, dataset: DenseDataset, labelled: bool = True, allow_missing_classes: bool = False) -> Subject:
        """A dataset as its loader gives it."""
        split_of = np.full(len(dataset.ids), "held out", dtype=object)
        for name in SPLITS:
            split_of[getattr(dataset, name)] = name
        return cls(
            *(dataset.name, dataset.task, dataset.ids, dataset.images, dataset.targets, split_of),
            *(dataset.image_reading, dataset.decode_target, dataset.groups, dataset.protocol, dataset.notes),
            labelled=labelled,
            allow_missing_classes=allow_missing_classes,
        )

    @property
    def noun(self) -> str:
        """What a target is called."""
        return "mask" if self.task.kind == "segmentation" else "depth"

    def read_image(self, row: int) -> NDArray[np.uint8]:
        """(H, W, 3) at its own size.

        Raises:
            DataError: it cannot be read.
        """
        return decoded(self.images[row], self.image_reading.decode)

    def rows(self, *splits: str) -> NDArray[np.int64]:
        """Rows of splits."""
        return np.flatnonzero(np.isin(self.split_of.astype(str), splits))
