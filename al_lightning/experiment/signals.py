"""Signals while Lightning's Trainer runs; what they do is in `core/stopping.py`."""

from __future__ import annotations

import pytorch_lightning as pl

from al_lightning.core import stopping


class Guard(pl.Callback):
    """Puts back our handlers where the Trainer has replaced them, which it does at the start of each of its loops.

    SLURM's auto-requeue of Lightning needs no more than that: it leaves a SIGUSR1 that has a handler alone.
    """

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        stopping.reassert()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        stopping.reassert()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        stopping.reassert()

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        stopping.reassert()

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        stopping.reassert()


def guarded(trainer: pl.Trainer) -> pl.Trainer:
    """The same Trainer; the ranks that it will start hear of a signal too, and end with this process."""
    stopping.add_ranks(trainer.strategy.launcher)
    return trainer
