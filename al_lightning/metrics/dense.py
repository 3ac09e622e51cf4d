"""Metrics of segmentation and depth as torchmetrics modules, and the functions that they use."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from al_lightning.core.task import IGNORE, Task


def confusion(prediction: Tensor, target: Tensor, classes: int) -> Tensor:
    """Classes (B, ...) and targets (B, ...) with `IGNORE` -> (B, C, C) counts [image, true class, predicted class].

    Example:
        >>> confusion(torch.tensor([[0, 1, 1]]), torch.tensor([[0, 1, 0]]), 2).tolist()
        [[[1, 1], [0, 1]]]
    """
    images = len(prediction)
    valid = target != IGNORE
    truth, guess = target.long(), prediction.long()
    image = torch.arange(images, device=target.device).view(-1, *[1] * (target.dim() - 1)).expand_as(truth)
    index = (image * classes + truth) * classes + guess
    counts = torch.bincount(index[valid], minlength=images * classes * classes)
    return counts.view(images, classes, classes)


def overlaps(counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Confusion (..., C, C) -> IoU (..., C), Dice (..., C), present (..., C) in truth or prediction.

    IoU = TP / (TP + FP + FN), Dice = 2 TP / (2 TP + FP + FN); both 1 where a class is neither in truth nor in
    prediction.

    Example:
        >>> iou, dice, present = overlaps(torch.tensor([[4, 0], [3, 3]]))
        >>> iou[1].item(), round(dice[1].item(), 3), present.tolist()
        (0.5, 0.667, [True, True])
    """
    counts = counts.cpu().double()  # some devices have no float64
    hit = counts.diagonal(dim1=-2, dim2=-1)
    union = counts.sum(-1) + counts.sum(-2) - hit
    present = union > 0
    iou = torch.where(present, hit / union.clamp_min(1), 1.0)
    dice = torch.where(present, 2 * hit / (union + hit).clamp_min(1), 1.0)
    return iou, dice, present


class SegmentationMetrics(Metric):
    """Overlap of predicted and true classes over a whole set.

    `compute` returns, background being class 0:
        miou: mean over the classes that occur, background included, of the IoU from one confusion matrix over
            the whole set.
        iou, dice: IoU and Dice of the foreground (mean over foreground classes that occur) from that matrix.
        iou_image, dice_image: the same within each image, then averaged over images; an image without foreground
            in truth and prediction counts 1, an image with foreground in one of the two 0.

    Example:
        >>> metrics = SegmentationMetrics(2)
        >>> metrics.update(torch.tensor([[[0, 1, 1, 0]]]), torch.tensor([[[0, 1, 0, 0]]]))
        >>> {name: round(value.item(), 3) for name, value in metrics.compute().items()}
        {'miou': 0.583, 'iou': 0.5, 'dice': 0.667, 'iou_image': 0.5, 'dice_image': 0.667}
    """

    full_state_update = False
    counts: Tensor
    iou_image: Tensor
    dice_image: Tensor
    images: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        zeros = torch.zeros(classes, classes, dtype=torch.long)
        self.add_state("counts", zeros, dist_reduce_fx="sum")
        for name in ("iou_image", "dice_image", "images"):
            self.add_state(name, torch.zeros((), dtype=torch.float32), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Class indices (B, H, W) and targets (B, H, W)."""
        counts = confusion(prediction, target, self.classes)
        self.counts += counts.sum(0)
        iou, dice, present = overlaps(counts)
        self.iou_image += float(foreground(iou, present).sum())
        self.dice_image += float(foreground(dice, present).sum())
        self.images += len(prediction)

    def compute(self) -> dict[str, Tensor]:
        iou, dice, present = overlaps(self.counts)
        return {
            "miou": iou[present].mean().float(),
            "iou": foreground(iou, present).float(),
            "dice": foreground(dice, present).float(),
            "iou_image": self.iou_image / self.images,
            "dice_image": self.dice_image / self.images,
        }


def foreground(value: Tensor, present: Tensor) -> Tensor:
    """Mean over foreground classes that occur: (..., C) -> (...), 1 where none does.

    Example:
        >>> foreground(torch.tensor([0.5, 0.25, 1.0]), torch.tensor([True, True, False])).item()
        0.25
    """
    mask = present[..., 1:]
    total = torch.where(mask, value[..., 1:], 0.0).sum(-1)
    return torch.where(mask.any(-1), total / mask.sum(-1).clamp_min(1), 1.0)


class DepthMetrics(Metric):
    """Errors of depth in cm over a whole set; every pixel counts but those whose truth is NaN, which are not measured.

    `compute` returns:
        rmse_cm: root of the mean squared error over the pixels of each image, then averaged over images; an image
            without a measured pixel is left out.
        rmse_pooled_cm: root of the mean squared error over all pixels of the set; images of different sizes, where all
            is measured, weigh the same.
        mae_cm: mean absolute error over all pixels, in the same way.

    Example:
        >>> metrics = DepthMetrics()
        >>> metrics.update(torch.tensor([[[3.0]], [[1.0]]]), torch.zeros(2, 1, 1))  # errors of 3 and 1 cm
        >>> {name: round(value.item(), 3) for name, value in metrics.compute().items()}
        {'rmse_cm': 2.0, 'rmse_pooled_cm': 2.236, 'mae_cm': 2.0}
    """

    full_state_update = False
    rmse: Tensor
    square: Tensor
    absolute: Tensor
    images: Tensor
    pixels: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("rmse", "square", "absolute", "images", "pixels"):
            self.add_state(name, torch.zeros((), dtype=torch.float32), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Predicted and true depth (B, 1, H, W) or (B, H, W) in cm."""
        error = (prediction.float() - target.float()).flatten(1)
        measured = target.isfinite().flatten(1)
        if measured.all():
            share = torch.ones(len(error), device=error.device)
            mean_square, mean_absolute = error.square().mean(1), error.abs().mean(1)
        else:
            error = torch.where(measured, error, 0.0)
            count, share = measured.sum(1).clamp_min(1), measured.float().mean(1)
            mean_square, mean_absolute = error.square().sum(1) / count, error.abs().sum(1) / count
        self.rmse += mean_square.sqrt().sum()
        self.square += (mean_square * share).sum()
        self.absolute += (mean_absolute * share).sum()
        self.images += (share > 0).sum()
        self.pixels += share.sum()

    def compute(self) -> dict[str, Tensor]:
        return {
            "rmse_cm": self.rmse / self.images,
            "rmse_pooled_cm": (self.square / self.pixels).sqrt(),
            "mae_cm": self.absolute / self.pixels,
        }


class ImageMean(Metric):
    """Mean of one number per image over a whole set, on all ranks.

    Example:
        >>> metric = ImageMean()
        >>> metric.update(torch.tensor([1.0, 2.0]))
        >>> metric.update(torch.tensor([6.0]))
        >>> metric.compute().item()
        3.0
    """

    full_state_update = False
    total: Tensor
    images: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("total", "images"):
            self.add_state(name, torch.zeros((), dtype=torch.float32), dist_reduce_fx="sum")

    def update(self, values: Tensor) -> None:
        """(B,) of any precision."""
        self.total += values.float().sum()
        self.images += len(values)

    def compute(self) -> Tensor:
        return self.total / self.images


def metrics_for(task: Task) -> SegmentationMetrics | DepthMetrics:
    """The metrics of a task.

    Example:
        >>> type(metrics_for(Task("depth"))).__name__
        'DepthMetrics'
    """
    return DepthMetrics() if task.kind == "depth" else SegmentationMetrics(len(task.classes))


PRIMARY: dict[str, tuple[str, str]] = {"segmentation": ("miou", "max"), "depth": ("rmse_cm", "min")}
"""Task kind -> the metric that selects the best checkpoint, and "max" or "min"."""
