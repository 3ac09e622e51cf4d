"""The progress bar of a training: one line, with the loss and the metric that selects the checkpoint."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar
from rich.console import Console


class Progress(RichProgressBar):
    """Lightning's rich bar with only those metrics that fit a line of 80 columns, instead of all logged ones."""

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, int | str | float | Any]:
        monitor = getattr(pl_module, "monitor", None)
        shown = ("train/loss", *(monitor[:1] if isinstance(monitor, tuple) else ()))
        found = super().get_metrics(trainer, pl_module).items()
        return {name.split("/")[-1]: value for name, value in found if name in shown}


def wanted(options: dict[str, Any]) -> bool:
    """Whether to show bars: the Trainer's `enable_progress_bar` where it is set, otherwise True in a terminal."""
    choice = options.get("enable_progress_bar")
    return Console().is_terminal if choice is None else bool(choice)
