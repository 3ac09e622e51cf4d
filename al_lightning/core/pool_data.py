"""The contract of datamodules: what the loop needs beyond a LightningDataModule."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Rows, Size
from al_lightning.core.task import Task


@runtime_checkable
class PoolData(Protocol):
    """Needed by strategies that read images, ask for regions, pseudo-label or prepare; see `data.PoolDataModule`."""

    task: Task
    size: Size
    """(H, W) of the learner's image."""
    predict_rows: Rows | None
    """Rows that predict_dataloader yields instead of the whole pool."""

    def images(self, rows: Rows, /) -> NDArray[np.uint8]:
        """rows (n,) -> (n, 3, H, W)."""
