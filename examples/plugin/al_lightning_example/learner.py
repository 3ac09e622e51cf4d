"""A LightningModule of one's own: dilated convolutions at full size."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from al_lightning.learners.evaluation import Evaluation
from al_lightning.learners.losses import segmentation_loss
from al_lightning.learners.outputs import probabilities
from al_lightning.types import Batch, Prediction, Size, Task


class Dilated(pl.LightningModule):
    """Three dilated convolutions and a classifier, for segmentation.

    Args:
        task, size: from the dataset.
        width (int): channels of each convolution. Default 8.
        lr (float): learning rate of Adam. Default 1e-2.

    Raises:
        ValueError: the task is depth.
    """

    provides = frozenset({"probabilities", "latent", "before_classifier"})
    wants_unlabelled = False

    def __init__(self, task: Task, size: Size, width: int = 8, lr: float = 1e-2) -> None:
        super().__init__()
        if task.kind != "segmentation":
            raise ValueError(f"task={task.kind}: this learner segments; take a dataset with masks")
        self.task, self.lr = task, lr
        layers: list[nn.Module] = []
        for before, dilation in ((3, 1), (width, 2), (width, 4)):
            layers += [nn.Conv2d(before, width, 3, padding=dilation, dilation=dilation), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.classifier = nn.Conv2d(width, task.channels, 1)
        self.evaluation = Evaluation(task)

    @property
    def monitor(self) -> tuple[str, str]:
        return self.evaluation.monitor

    def forward(self, image: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) -> logits (B, K, H, W)."""
        logits: Tensor = self.classifier(self.body(image.float() / 127.5 - 1))
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return segmentation_loss(self(batch["image"]), batch["target"])

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.evaluation.update("val", self(batch["image"]), batch)

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.evaluation.results("val"))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.evaluation.update("test", self(batch["image"]), batch)

    def on_test_epoch_end(self) -> None:
        self.log_dict(self.evaluation.results("test"))

    def predict_step(self, batch: Batch, batch_idx: int) -> Prediction:
        x = self.body(batch["image"].float() / 127.5 - 1)
        return Prediction(
            rows=batch["rows"],
            probabilities=probabilities(self.classifier(x)),
            latent=x.mean((2, 3)),
            before_classifier=lambda: x,
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), self.lr)
