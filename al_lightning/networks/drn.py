"""DRN-D-22, the dilated residual network (Yu et al. 2017) with which VAAL segments road scenes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from al_lightning.networks import check_size, repeat
from al_lightning.networks.blocks import conv_relu, scaled

CHANNELS = (16, 32, 64, 128, 256, 512, 512, 512)
STRIDES = (1, 2, 2, 2, 1, 1, 1, 1)
DILATIONS = (1, 1, 1, 1, 2, 4, 2, 1)
LAST_OF_SCALE = (0, 1, 2, 7)
RESIDUAL = range(2, 6)
"""Stages (from 0) of two residual blocks each; the others are one convolution without a shortcut, so that gridding
artefacts of the dilated stages do not reach the output."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions plus the shortcut, a 1x1 projection where width or stride changes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_relu(channels_in, channels_out, stride=stride, dilation=dilation),
            nn.Conv2d(channels_out, channels_out, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != channels_out:
            self.shortcut.append(nn.Conv2d(channels_in, channels_out, 1, stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H/stride, W/stride)."""
        return torch.relu(self.body(x) + self.shortcut(x))


class DRND22(nn.Module):
    """A 7x7 convolution and eight stages, at 1/8 of the size from the fourth on; 1x1 scores, enlarged x8.

    The enlargement is bilinear and fixed. That of the published code, a transposed convolution (kernel 16, stride 8,
    padding 4), differs in the outer 4 pixels, where it decreases to half. This does not change class maps but depth and
    uncertainty, so edges are repeated here instead.
    Convolutions start from N(0, 2/(k²·channels_out)), the scores from N(0, 2/channels_in): with the published rule, for
    19 classes, the logits of a single channel would start at some tens.

    Args:
        channels_out: K, output channels.
        multiplier: factor on every width.
        dropout: probability of a dropout on the deepest map at the start of `decode` (the paper has none).

    Raises:
        ValueError: multiplier ≤ 0 or dropout outside [0, 1].
    """

    def __init__(self, channels_out: int, multiplier: float = 1.0, dropout: float = 0.0) -> None:
        super().__init__()
        widths = [scaled(c, multiplier) for c in CHANNELS]
        self.multiple = math.prod(STRIDES)
        self.width = widths[-1]
        self.dropout_in_encoder = False
        self.stem = conv_relu(3, widths[0], 7)
        self.stages = nn.ModuleList()
        before = widths[0]
        for i, (width, stride, dilation) in enumerate(zip(widths, STRIDES, DILATIONS, strict=True)):
            if i in RESIDUAL:
                blocks = (
                    ResidualBlock(before, width, stride, dilation),
                    ResidualBlock(width, width, 1, dilation),
                )
                self.stages.append(nn.Sequential(*blocks))
            else:
                self.stages.append(conv_relu(before, width, stride=stride, dilation=dilation))
            before = width
        self.dropout = nn.Dropout(dropout)
        self.score = nn.Conv2d(self.width, channels_out, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.kaiming_normal_(self.score.weight, nonlinearity="relu")
        nn.init.zeros_(cast(Tensor, self.score.bias))

    @property
    def classifier(self) -> nn.Module:
        """The last layer with weights, whose input is the map before the classifier."""
        return self.score

    def encode(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> the last map of each scale: 1 (16 channels), 1/2 (32), 1/4 (64), 1/8 (512).

        Raises:
            ValueError: H or W is not divisible by 8.
        """
        check_size(image, self.multiple)
        maps: list[Tensor] = []
        x: Tensor = self.stem(image)
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in LAST_OF_SCALE:
                maps.append(x)
        return maps

    def decode(self, maps: list[Tensor]) -> Tensor:
        """Maps, of which the deepest is read -> (B, K, H, W) logits."""
        scores: Tensor = self.score(self.dropout(maps[-1]))
        return F.interpolate(scores, scale_factor=self.multiple, mode="bilinear", align_corners=False)

    def decode_many(self, maps: list[Tensor], number: int) -> Iterator[Tensor]:
        """`number` outputs of `decode(maps)`, each with new draws of dropout."""
        return repeat(self.decode, maps, number)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, H, W) logits."""
        return self.decode(self.encode(image))
