"""What a strategy needs of a learner, and one pass of a learner over the pool."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.accelerators import CPUAccelerator

from al_lightning.core.arrays import Size
from al_lightning.core.checkpoint_file import load_weights
from al_lightning.core.learner import learner_of
from al_lightning.core.prediction import Batch
from al_lightning.core.strategy import RegionStrategy, Strategy


def check_needs(strategy: Strategy | RegionStrategy, learner: pl.LightningModule) -> None:
    """Check that the learner provides what the strategy needs.

    Raises:
        ValueError: it does not; the message names strategy, learner and what is missing.
    """
    provides = frozenset(getattr(learner, "provides", frozenset())) | {"images"}
    missing = strategy.needs - provides
    if missing:
        remedy = {
            "passes": "; set learner.mc_passes or learner.committee.members above 1",
            "deviation": "; set learner.mc_passes above 1 (and a dropout), for a depth task",
            "members": "; set learner.committee.members above 1",
        }
        raise ValueError(
            f"strategy {type(strategy).__name__} needs {sorted(missing)}, which the learner "
            f"{type(learner).__name__} does not provide (it provides {sorted(provides - {'images'})})"
            + "".join(remedy.get(name, "") for name in sorted(missing))
        )


DESCRIPTORS = frozenset({"features", "levels", "latent", "members"})
"""Fields of `Prediction` whose shape depends on the network and on the size of the image."""


def check_measure(strategy: Strategy | RegionStrategy, learner: pl.LightningModule, size: Size) -> None:
    """Let a strategy that reads maps or latents measure one blank image, so that a shape of which it makes nothing is
    refused before the first training. A mixture's `parts` are tried one by one; what trains or scans something first
    (`prepare`) is not tried.

    Args:
        strategy: has what it needs of the learner.
        learner: on the CPU, set to evaluation mode.
        size: (H, W) of the learner's image.

    Raises:
        ValueError: the strategy refuses the prediction.
    """
    parts: Iterable[Strategy | RegionStrategy] = getattr(strategy, "parts", (strategy,))
    tried = [part for part in parts if part.needs & DESCRIPTORS and not hasattr(part, "prepare")]
    if not tried:
        return
    blank: Batch = {"rows": torch.zeros(1, dtype=torch.int64), "image": torch.zeros(1, 3, *size, dtype=torch.uint8)}
    with torch.no_grad():
        prediction = learner_of(learner.eval()).predict_step(blank, 0)
        for part in tried:
            part.measure(prediction)


@dataclass(frozen=True)
class Scorer:
    """The arguments of `Trainer.predict`."""

    trainer: pl.Trainer
    learner: pl.LightningModule
    data: pl.LightningDataModule
    checkpoint: str | None
    """File of the weights; None for the learner's current weights."""

    @classmethod
    def of(
        cls, trainer: pl.Trainer, learner: pl.LightningModule, data: pl.LightningDataModule, ckpt_path: str | None
    ) -> Scorer:
        """`ckpt_path` as in Lightning, but None where it is "best" and no best weights were saved."""
        best = str(getattr(trainer.checkpoint_callback, "best_model_path", ""))
        return cls(trainer, learner, data, (best or None) if ckpt_path == "best" else ckpt_path)

    def predict(self) -> None:
        """One pass over predict_dataloader, whose results the callbacks get."""
        self.trainer.predict(self.learner, datamodule=self.data, return_predictions=False, ckpt_path=self.checkpoint)

    def loaded(self) -> Scorer:
        """The same after loading the checkpoint's weights into the learner."""
        if self.checkpoint is not None:
            load_weights(self.learner, self.checkpoint)
        return replace(self, checkpoint=None)


def own_trainer(trainer: pl.Trainer) -> dict[str, Any]:
    """Arguments for the Trainer of a strategy: the device of this rank, no checkpoints, no logger."""
    device = trainer.strategy.root_device
    return {
        "accelerator": "cpu" if isinstance(trainer.accelerator, CPUAccelerator) else "auto",
        "devices": 1 if device.index is None else [device.index],
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "enable_progress_bar": trainer.progress_bar_callback is not None,
        "default_root_dir": trainer.default_root_dir,
    }
