"""Layers that several networks use."""

from __future__ import annotations

import torch
from torch import Tensor, nn

VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Output channels of the 3x3 convolutions of VGG16, by stage; each stage ends with a 2x2 max-pooling."""


def scaled(channels: int, multiplier: float) -> int:
    """Channels of a layer in a network whose widths are all multiplied by `multiplier`; at least 1.

    Raises:
        ValueError: multiplier ≤ 0.

    Example:
        >>> scaled(64, 0.25), scaled(64, 0.001)
        (16, 1)
    """
    if multiplier <= 0:
        raise ValueError(f"multiplier={multiplier}: expected a positive number; 1 gives the published widths")
    return max(1, round(channels * multiplier))


def conv_relu(
    channels_in: int,
    channels_out: int,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    norm: bool = True,
) -> nn.Sequential:
    """Convolution (size-preserving at stride 1), batch normalisation unless `norm` is False, ReLU.

    Weights start from He's normal initialisation, N(0, 2/(k²·channels_in)), which preserves the scale of a signal
    through ReLUs; the bias, present only without normalisation, from 0.

    Example:
        >>> tuple(conv_relu(3, 8, stride=2)(torch.zeros(1, 3, 16, 16)).shape)
        (1, 8, 8, 8)
    """
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(
        channels_in, channels_out, kernel, stride, padding=padding, dilation=dilation, bias=not norm
    )
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    normalisation = [nn.BatchNorm2d(channels_out)] if norm else []
    return nn.Sequential(convolution, *normalisation, nn.ReLU(inplace=True))


def bilinear_kernel(factor: int) -> Tensor:
    """(2f, 2f) kernel of a transposed convolution (stride f, padding f/2) that interpolates bilinearly.

    w_ij = (1 − |i/f − c|)(1 − |j/f − c|), c = (2f − 1)/(2f), for an even factor f.

    Example:
        >>> bilinear_kernel(2)[1].tolist()  # 0.75 · (1/4, 3/4, 3/4, 1/4)
        [0.1875, 0.5625, 0.5625, 0.1875]
    """
    centre = (2 * factor - 1) / (2 * factor)
    line = 1 - (torch.arange(2 * factor) / factor - centre).abs()
    return torch.outer(line, line)
