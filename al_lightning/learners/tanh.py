"""Conversion between the maps in [−1, 1] of pix2pix and logits or fractions of the maximum depth."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from al_lightning.core.task import IGNORE, Task
from al_lightning.networks import repeat
from al_lightning.networks.pix2pix import Pix2PixGenerator


class TanhNetwork(nn.Module):
    """A generator as a `Network` that `DenseLearner` can evaluate: `decode` applies `as_output` to its map."""

    def __init__(self, generator: Pix2PixGenerator, task: Task) -> None:
        super().__init__()
        self.generator, self.task = generator, task
        self.multiple, self.width = generator.multiple, generator.width
        self.dropout_in_encoder = generator.dropout_in_encoder

    @property
    def classifier(self) -> nn.Module:
        """The generator's last layer with weights."""
        return self.generator.classifier

    def encode(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [−1, 1] -> maps, fine to coarse."""
        return self.generator.encode(image)

    def decode(self, maps: list[Tensor]) -> Tensor:
        """Maps -> (B, 1, H, W) log-odds of the foreground, or fraction of the maximum depth."""
        return as_output(self.generator.decode(maps), self.task)

    def decode_many(self, maps: list[Tensor], number: int) -> Iterator[Tensor]:
        """`number` outputs of `decode(maps)`, each with new draws of dropout."""
        return repeat(self.decode, maps, number)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [−1, 1] -> (B, 1, H, W) log-odds of the foreground, or fraction of the maximum depth."""
        return self.decode(self.encode(image))


def as_output(y: Tensor, task: Task) -> Tensor:
    """y in [−1, 1] -> (y + 1)/2 for depth; ln(p/(1 − p)) of p = (y + 1)/2, which is 2 artanh y, for masks.

    The output is float32 and has the shape of y.

    Example:
        >>> as_output(torch.tensor([0.5]), Task("depth")).item(), as_output(torch.tensor([0.0]), Task()).item()
        (0.75, 0.0)
    """
    if task.kind == "depth":
        return (y.float() + 1) / 2
    largest = 1 - 2**-24  # the float32 next to 1: tanh rounds to 1, whose log-odds would be infinite
    return 2 * y.float().clamp(-largest, largest).atanh()


def scale_target(target: Tensor, task: Task) -> tuple[Tensor, Tensor]:
    """Depth (B, 1, H, W) in cm, or mask (B, H, W) -> y (B, 1, H, W) in [−1, 1] and valid (B, 1, H, W), 0 or 1.

    A floating mask is a soft foreground probability. Pixels of `IGNORE` are not valid and have y = 0, halfway between
    the classes, and so have pixels of a depth map that are NaN, which means not measured.

    Example:
        >>> y, valid = scale_target(torch.tensor([[[0, 1, 255]]]), Task())
        >>> y.tolist(), valid.tolist()
        ([[[[-1.0, 1.0, 0.0]]]], [[[[1.0, 1.0, 0.0]]]])
    """
    if task.kind == "depth":
        measured = target.isfinite()
        y = torch.where(measured, 2 * target / task.maximum - 1, 0.0)
        return y, measured.to(y.dtype)
    valid = (target != IGNORE)[:, None]
    return torch.where(valid, 2 * target[:, None].float() - 1, 0.0), valid.float()
