"""Evaluation: the metrics of validation and test, the same for all learners and for a committee."""

from __future__ import annotations

from typing import Literal, cast

import torch.nn.functional as F
from torch import Tensor, nn

from al_lightning.core.prediction import Batch, is_filler
from al_lightning.core.task import Task
from al_lightning.learners.outputs import classes
from al_lightning.metrics.dense import PRIMARY, DepthMetrics, ImageMean, SegmentationMetrics, metrics_for
from al_lightning.metrics.objects import ObjectMetrics

Phase = Literal["val", "test"]


class Evaluation(nn.Module):
    """The metrics of a task in the phases "val" and "test", and those of objects in "test" where the task scores them.

    A learner has it as a child module, so that it is moved to the learner's device. The learner's steps call `update`,
    and the ends of its epochs log `results`. It has no parameters and adds nothing to a checkpoint.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task
        self.metrics = nn.ModuleDict({"val": metrics_for(task), "test": metrics_for(task)})
        self.loss = ImageMean()
        """Of the validation, where a learner gives it."""
        self._has_loss = False
        self.objects = ObjectMetrics(parts=task.parts) if task.objects else None

    @property
    def monitor(self) -> tuple[str, str]:
        """Metric that selects the best checkpoint ("val/miou", "val/rmse_cm"), and "min" or "max"."""
        name, mode = PRIMARY[self.task.kind]
        return f"val/{name}", mode

    def update(self, phase: Phase, output: Tensor, batch: Batch, loss: Tensor | None = None) -> None:
        """Add the output (B, K, H, W) for a batch: logits, or depth as a fraction of `task.maximum`.

        Targets at their own size (`batch["native"]`) are compared with the output resized to it, bilinearly.

        Args:
            phase: "val" or "test".
            output, batch: of the learner; a `filler` is left out.
            loss: (B,) loss of each image alone, whose mean over the images of all ranks is "val/loss". Not that of
                Lightning's `log`, which weighs ranks with different numbers of images wrongly.
        """
        self._has_loss |= loss is not None
        if is_filler(batch):
            return
        if loss is not None:
            self.loss.update(loss.detach())
        if "native" not in batch:
            self._compare(phase, output, batch["target"])
            return
        for i, (one, target) in enumerate(zip(output, batch["native"], strict=True)):
            resized = F.interpolate(one[None].float(), target.shape[-2:], mode="bilinear", align_corners=False)
            self._compare(phase, resized, target[None])
            if phase == "test" and self.objects is not None and "objects" in batch:
                self.objects.update([classes(resized)[0] > 0], [batch["objects"][i]], batch.get("parts", [])[i : i + 1])

    def results(self, phase: Phase) -> dict[str, Tensor]:
        """{"val/miou": scalar, ...} of all batches on all ranks since the last call; resets the metrics."""
        metric = self._metric(phase)
        values = {f"{phase}/{name}": value for name, value in metric.compute().items()}
        metric.reset()
        if phase == "val" and self._has_loss:
            values["val/loss"] = self.loss.compute()
            self.loss.reset()
        if phase == "test" and self.objects is not None:
            values |= {f"test/{name}": value for name, value in self.objects.compute().items()}
            self.objects.reset()
        return values

    def _compare(self, phase: Phase, output: Tensor, target: Tensor) -> None:
        metric = self._metric(phase)
        if isinstance(metric, DepthMetrics):
            shaped = target if target.dim() == 4 else target[:, None]
            metric.update(output.float() * self.task.maximum, shaped)
        else:
            metric.update(classes(output), target)

    def _metric(self, phase: Phase) -> SegmentationMetrics | DepthMetrics:
        return cast(SegmentationMetrics | DepthMetrics, self.metrics[phase])
