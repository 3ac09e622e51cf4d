"""A tiny pix2pix, squares for it to find, and what records its steps. Also imported by a process of two ranks."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from al_lightning.core.prediction import Batch
from al_lightning.core.task import Task
from al_lightning.learners.pix2pix import Pix2Pix, pix2pix

POLYP, DEPTH = Task(), Task("depth", (), 20.0)
SIZE = (32, 32)
TINY = 1 / 32


def make(task: Task = POLYP, mc_passes: int = 1, **options: Any) -> Pix2Pix:
    learner = pix2pix(task, SIZE, **{"multiplier": TINY} | options)
    learner.mc_passes = mc_passes
    return learner


def batch(task: Task = POLYP, n: int = 4, ignored: bool = False) -> Batch:
    """Bright squares at random places; their depth falls with the distance to the left edge."""
    generator = torch.Generator().manual_seed(7)
    mask = torch.zeros(n, *SIZE)
    for one, corner in zip(mask, torch.randint(4, 14, (n, 2), generator=generator).tolist(), strict=True):
        one[corner[0] : corner[0] + 14, corner[1] : corner[1] + 14] = 1
    noise = torch.randint(0, 40, (n, 3, *SIZE), generator=generator)
    image = (60 + 120 * mask[:, None] + noise).to(torch.uint8)
    if task.kind == "depth":
        target = (10 * mask[:, None] + torch.linspace(0, 10, SIZE[1])).float()
    else:
        target = mask.to(torch.uint8)
        if ignored:
            target[:, :, :9] = 255
    return {"rows": torch.arange(n), "image": image, "target": target}


def loader(whole: Batch, size: int = 4) -> DataLoader[Batch]:
    """The batches of `size` images in order."""
    n = len(whole["rows"])
    batches = [{name: value[i : i + size] for name, value in whole.items()} for i in range(0, n, size)]
    return DataLoader(batches, batch_size=None)


def record_gradients(learner: Pix2Pix) -> list[Tensor]:
    """What every step of an optimiser is made of, in order."""
    seen: list[Tensor] = []
    original = learner.configure_optimizers

    def hook(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        seen.append(torch.cat([p.grad.flatten() for group in optimizer.param_groups for p in group["params"]]))

    def hooked() -> list[torch.optim.Optimizer]:
        optimizers = original()
        for optimizer in optimizers:
            optimizer.register_step_pre_hook(hook)
        return optimizers

    learner.configure_optimizers = hooked  # type: ignore[method-assign]
    return seen


def trainer(epochs: int = 1, **options: Any) -> pl.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    fixed = {"accelerator": "cpu", "devices": 1, "enable_checkpointing": False, "max_epochs": epochs}
    return pl.Trainer(**fixed | quiet | options)
