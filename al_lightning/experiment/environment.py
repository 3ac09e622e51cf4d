"""The content of environment.json: data, costs, versions and machine of a run."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

import torch

from al_lightning.core.strategy import asks_for_regions
from al_lightning.data.overlap import overlap
from al_lightning.experiment.setup import Setup
from al_lightning.version import __version__

LIBRARIES = ("torch", "torchvision", "pytorch-lightning", "torchmetrics", "segmentation-models-pytorch")


def environment(setup: Setup) -> dict[str, Any]:
    """Sizes and protocol of the data, overlap of pool and test, cost of the whole pool, versions, machine."""
    data, cost = setup.dataset, setup.cost
    # The clicks of the whole pool need the targets of all images, so they are counted only for strategies of regions,
    # and where no person has to draw them first.
    known = all(data.targets[row] is not None for row in data.pool.tolist())
    return {
        "dataset": {
            "name": data.name,
            "size": list(data.size),
            "task": data.task.kind,
            "protocol": data.protocol,
            "pool": len(data.pool),
            "validation": len(data.validation),
            "test": len(data.test),
            "evaluate_at": data.evaluate_at,
            "overlap": overlap(setup.cache),
            **data.facts,
        },
        "cost": {
            "clicks": cost.kind,
            "terms": cost.terms if cost.kind else None,
            "pool": cost.total(targets=known and asks_for_regions(setup.strategy)),
        },
        "versions": {"al_lightning": __version__, "python": platform.python_version()}
        | {name: metadata.version(name) for name in LIBRARIES},
        "machine": {
            "system": platform.platform(),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
        },
    }
