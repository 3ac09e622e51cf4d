"""The contract of learners: what a LightningModule needs to be trained, scored and used in a committee."""

from __future__ import annotations

from typing import Any, Protocol, cast, runtime_checkable

import pytorch_lightning as pl
from torch import Tensor

from al_lightning.core.prediction import Batch, Prediction
from al_lightning.core.task import Task


@runtime_checkable
class Learner(Protocol):
    """The contract of a learner: a LightningModule with a training, a validation and a test step, and these members.

    The validation and test steps log the metrics that are written to `stages.jsonl` ("val/miou", "test/miou", ...);
    the built-in learners do so with `learners.evaluation.Evaluation`.
    """

    task: Task

    @property
    def provides(self) -> frozenset[str]:
        """Fields of `Prediction` that `predict_step` fills."""

    @property
    def monitor(self) -> tuple[str, str]:
        """Logged metric that selects the best checkpoint ("val/miou"), and "min" or "max"."""

    @property
    def wants_unlabelled(self) -> bool:
        """Whether `training_step` takes {"labelled": batch, "unlabelled": batch}; it takes a batch alone too, where all
        images are labelled and at stages before learner.unlabelled_from."""

    def forward(self, image: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) -> logits, or depth as a fraction of `task.maximum`, (B, K, H, W); one
        deterministic pass. A committee is tested with this method."""

    def predict_step(self, batch: Batch, batch_idx: int) -> Prediction:
        """The fields named by `provides`, for a batch that holds only rows and images."""


def learner_of(module: pl.LightningModule) -> Learner:
    """The module as a learner.

    Raises:
        ValueError: it lacks members of the contract; all missing members are named.
    """
    # Not hasattr: it would report a property that raises AttributeError as missing and hide the error.
    names = [name for name in ("task", "provides", "monitor", "wants_unlabelled") if not _has(module, name)]
    names += [f"{name}()" for name in ("forward", "predict_step") if _inherited(module, name)]
    if names:
        raise ValueError(
            f"learner {type(module).__name__} has no {', '.join(names)}; see al_lightning.types.Learner for what a "
            "LightningModule needs to be a learner"
        )
    return cast(Learner, module)


def set_mc_passes(module: pl.LightningModule, passes: int) -> None:
    """Set the number of stochastic passes that `predict_step` averages.

    Raises:
        ValueError: more than one pass of a learner that has no `mc_passes`, or that rejects the number (it has no
            dropout).
    """
    if _has(module, "mc_passes"):
        cast(Any, module).mc_passes = passes
    elif passes > 1:
        raise ValueError(
            f"learner.mc_passes={passes}: {type(module).__name__} has no attribute mc_passes, so it cannot average "
            "stochastic passes; set learner.mc_passes=1"
        )


def _has(module: pl.LightningModule, name: str) -> bool:
    return name in vars(module) or any(name in vars(cls) for cls in type(module).__mro__) or name in module._modules


def _inherited(module: pl.LightningModule, name: str) -> bool:
    """Whether the class keeps LightningModule's own definition of a method."""
    return getattr(type(module), name) is getattr(pl.LightningModule, name)
