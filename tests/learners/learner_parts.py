"""Tasks, batches, and options that make each learner of the table small."""

from __future__ import annotations

from typing import Any

import torch

from al_lightning.core.task import Task

POLYP, DEPTH, GLANDS = Task(), Task("depth", (), 20.0), Task("segmentation", ("background", "gland"), objects=True)


def batch(n: int = 2, size: int = 16) -> dict:
    return {"rows": torch.arange(n), "image": torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8)}


OPTIONS: dict[str, dict[str, Any]] = {
    "unet": {"widths": [4, 8], "dropout": 0.5},
    "suggestive-fcn": {"multiplier": 1 / 32, "dropout": 0.5},
    "fcn8s": {"multiplier": 1 / 32},
    "segnet": {"multiplier": 1 / 32, "dropout": 0.5},
    "drn-d-22": {"multiplier": 1 / 16, "dropout": 0.5},
    "pix2pix": {"multiplier": 1 / 32},
    "deeplabv3plus": {"encoder": "mobilenet_v2", "dropout": 0.5},
    "smp": {"architecture": "FPN", "encoder": "mobilenet_v2", "dropout": 0.5},
}
