"""A few images with labels that nobody drew, for the first pass of a run that will ask people for its labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.task import Task
from al_lightning.data import Cache
from al_lightning.data.labels import write_label
from al_lightning.experiment.setup import Setup


def rehearsal(setup: Setup, folder: Path) -> Setup:
    """The setup with a batch of the pool and one image each for validation and test, all with stripes of every class.

    Args:
        setup: of the run.
        folder: for the label files, to be deleted afterwards.
    """
    data, number = setup.dataset, setup.config.loader.batch_size
    parts = {"pool": data.pool[: max(2, number)], "validation": data.validation[:1], "test": data.test[:1]}
    rows = np.concatenate([*parts.values()]).tolist()
    labels = {row: write_label(folder / f"stripes-{row}", stripes(data.task, data.native_size(row))) for row in rows}
    dataset = replace(data.with_targets(labels), pool=parts["pool"], validation=parts["validation"], test=parts["test"])
    changed = replace(setup, dataset=dataset, plan=replace(setup.plan, initial=len(parts["pool"])))
    vars(changed)["cache"] = Cache(dataset, "none")  # only these images are read
    return changed


def stripes(task: Task, size: tuple[int, int]) -> NDArray[Any]:
    """(H, W) a label in which every class occurs, or depth from 0 to the largest.

    Example:
        >>> stripes(Task("segmentation", ("background", "polyp")), (1, 4)).tolist()
        [[0, 0, 1, 1]]
    """
    height, width = size
    across = np.arange(width) / width
    line = across * task.maximum if task.kind == "depth" else np.floor(across * len(task.classes))
    return np.repeat(line[None], height, 0).astype(np.float32 if task.kind == "depth" else np.uint8)
