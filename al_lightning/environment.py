"""environment.json: what a run stood on, beside its config."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

import torch

from al_lightning import __version__
from al_lightning.assemble import Setup
from al_lightning.data.overlap import overlap
from al_lightning.strategies import asks_for_regions

LIBRARIES = ("torch", "torchvision", "pytorch-lightning", "torchmetrics", "segmentation-models-pytorch")


def environment(setup: Setup) -> dict[str, Any]:
    """Sizes and protocol of the data, overlap of pool and test, cost of the whole pool, versions, machine."""
    data, effort = setup.dataset, setup.effort
    # The clicks of the whole pool need the labels of all its images: counted only where curves are drawn over them.
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
            "clicks": effort.kind,
            "terms": effort.terms if effort.kind else None,
            "pool": effort.total()
            if asks_for_regions(setup.strategy)
            else {"images": len(data.pool), "pixels": setup.pool_pixels, "clicks": None},
        },
        "versions": {"al_lightning": __version__, "python": platform.python_version()}
        | {name: metadata.version(name) for name in LIBRARIES},
        "machine": {
            "system": platform.platform(),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
        },
    }
