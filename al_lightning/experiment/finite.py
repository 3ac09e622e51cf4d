"""A training that has diverged is ended and refused: nothing of it becomes a stage row."""

from __future__ import annotations

from collections.abc import Mapping

import pytorch_lightning as pl
import torch

from al_lightning.config import ConfigError


def unfinite(learner: pl.LightningModule) -> str | None:
    """The first parameter or buffer of real numbers that holds NaN or an infinity; None where there is none.

    One transfer from the device, whatever the number of parameters.
    """
    named = [*learner.named_parameters(), *learner.named_buffers()]
    found = {name: value.detach() for name, value in named if value.is_floating_point() and value.numel()}
    if not found:
        return None
    device = next(iter(found.values())).device
    fine = torch.stack([torch.isfinite(value).all().to(device) for value in found.values()]).tolist()
    return next((name for name, one in zip(found, fine, strict=True) if not one), None)


class Finite(pl.Callback):
    """Ends a training after the first epoch with a weight that is not finite: no further step makes it finite.

    A loss alone may be infinite for a while, as with 16-bit gradients whose scale is being found.

    Args:
        stage, member: named in the error.
    """

    def __init__(self, stage: int, member: int = 0) -> None:
        self.stage, self.member = stage, member

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if (bad := unfinite(pl_module)) is not None:
            raise diverged(self.stage, f"{bad} is not finite after epoch {trainer.current_epoch}", self.member)


def check_finite(trainer: pl.Trainer, learner: pl.LightningModule, stage: int, member: int = 0) -> None:
    """Refuse a training that has diverged.

    Raises:
        ConfigError: the loss of the last epoch, a weight or a statistic of the learner is NaN or infinite.
    """
    loss = trainer.callback_metrics.get("train/loss")
    if (bad := unfinite(learner)) is not None:
        raise diverged(stage, f"{bad} is not finite", member)
    if loss is not None and not torch.isfinite(loss):
        raise diverged(stage, "train/loss is not finite", member)


def check_results(val: Mapping[str, float | None], test: Mapping[str, float | None], monitor: str, stage: int) -> None:
    """Refuse the results of weights that are finite, and so large that their outputs are not.

    Args:
        val, test: metrics of a stage, None where they are not finite.
        monitor: the metric that selects checkpoints, such as "val/miou".
        stage: named in the error.

    Raises:
        ConfigError: the validation loss, or the monitored metric of the test set, is not finite.
    """
    if "loss" in val and val["loss"] is None:
        raise diverged(stage, "val/loss is not finite")
    name = monitor.partition("/")[2]
    if name in test and test[name] is None:
        raise diverged(stage, f"test/{name} is not finite")


def diverged(stage: int, what: str, member: int = 0) -> ConfigError:
    """The error that names the stage, and the learner of a committee behind the first."""
    who = f", learner {member} of the committee" if member else ""
    return ConfigError(
        f"stage {stage}{who}: the training has diverged ({what}), so that the stage has no result; lower "
        "learner.options.lr or train in a wider trainer.precision, in a run of another name"
    )
