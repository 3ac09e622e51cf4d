"""The progress bar of a training: one line, with the loss and the metric that chooses the checkpoint."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar
from rich.console import Console


class Progress(RichProgressBar):
    """Lightning's rich bar, which writes every logged metric beside it, cut to what fits a line of 80 columns."""

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, int | str | float | Any]:
        monitor = getattr(pl_module, "monitor", None)
        shown = ("train/loss", *(monitor[:1] if isinstance(monitor, tuple) else ()))
        found = super().get_metrics(trainer, pl_module).items()
        return {name.split("/")[-1]: value for name, value in found if name in shown}


def wanted(options: dict[str, Any]) -> bool:
    """Whether to draw bars: as the Trainer's `enable_progress_bar` says, and without it in a terminal alone."""
    said = options.get("enable_progress_bar")
    return Console().is_terminal if said is None else bool(said)
