"""The labels of a run after a stage, read from its folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from al_lightning.config import CompleteConfig, ConfigError
from al_lightning.core.arrays import Rows
from al_lightning.core.pool import WITHDRAWN, LabelPool
from al_lightning.core.run_folder import RunFolder
from al_lightning.data import DenseDataset
from al_lightning.experiment.picks import delivery_of, query_of
from al_lightning.experiment.start import dataset_of, take_first
from al_lightning.experiment.trained import saved_config, trained_stage


@dataclass(frozen=True)
class Labels:
    """What a run had labelled at the end of a stage."""

    folder: RunFolder
    config: CompleteConfig
    dataset: DenseDataset
    pool: LabelPool
    """Without pseudo-labels."""
    stage: int

    def without(self, rows: Rows) -> LabelPool:
        """The pool as if these rows had no label."""
        hidden = {self.dataset.ids[row] for row in rows.tolist()}
        pool = LabelPool(self.dataset.pool, self.dataset.ids, self.dataset.size)
        pool.restore([entry for entry in self.pool.state() if entry["id"] not in hidden])
        return pool

    def narrowed(self) -> Labels:
        """The same of a dataset that holds no other images than those that are labelled, validation and test."""
        data, pool = self.dataset, self.pool
        rows = np.unique(np.concatenate([pool.annotated, data.validation, data.test]))
        kept = rows.tolist()
        dataset = replace(
            data,
            ids=tuple(data.ids[row] for row in kept),
            images=tuple(data.images[row] for row in kept),
            targets=tuple(data.targets[row] for row in kept),
            groups=tuple(data.groups[row] for row in kept) if data.groups else (),
            part_of={place: data.part_of[row] for place, row in enumerate(kept) if row in data.part_of},
            pool=np.searchsorted(rows, pool.annotated),
            validation=np.searchsorted(rows, data.validation),
            test=np.searchsorted(rows, data.test),
        )
        small = LabelPool(dataset.pool, dataset.ids, dataset.size)
        small.restore([entry for entry in pool.state() if entry["source"] != WITHDRAWN])
        return replace(self, dataset=dataset, pool=small)


def labels_of(path: Path, stage: int | None = None) -> Labels:
    """The labels that a run had at the end of a stage, those of the next one among them where they were given.

    Args:
        path: folder of the run.
        stage: the last trained stage by default.

    Raises:
        FileNotFoundError: the folder holds no run, or its data are gone.
        ConfigError: no such stage is trained, or it has no label.
        ValueError: a labelled image is gone, or a file of the run is damaged.
    """
    folder = RunFolder(path)
    config = saved_config(folder)
    stage = trained_stage(folder, config, stage)
    dataset = dataset_of(folder, config)
    pool = LabelPool(dataset.pool, dataset.ids, dataset.size)
    _fill(pool, folder, dataset, stage)
    pool.pseudo = {}
    if not len(pool.annotated):
        raise ConfigError(f"{path}: has no labelled image at stage {stage}")
    return Labels(folder, config, dataset, pool, stage)


def _fill(pool: LabelPool, folder: RunFolder, dataset: DenseDataset, stage: int) -> None:
    """Label the pool as it was after a stage, or as it was trained on where the next labels are waited for."""
    done = folder.progress(stage)
    state = done.get("pool") or (folder.progress(stage - 1).get("pool") if stage else None)
    if state is not None:
        pool.restore(state, folder.path)
    elif {"first_asked", "first_given"} <= done.keys():
        # dataset_of has given targets to validation and test alone
        existing = [row for row in pool.rows.tolist() if dataset.targets[row] is not None]
        delivery = delivery_of(done["first_given"], dataset, folder.path)
        take_first(pool, existing, query_of(done["first_asked"], dataset), delivery)
    else:
        raise ConfigError(f"{folder.path}: stage {stage} of this run is not finished; resume it first")


__all__ = ["Labels", "labels_of"]
