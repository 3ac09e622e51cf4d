"""The U-Net without a pre-trained encoder (Ronneberger et al. 2015), as in papers on active learning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from al_lightning.networks import check_size, repeat
from al_lightning.networks.blocks import conv_relu


class AttentionGate(nn.Module):
    """Additive gate at a skip (Oktay et al. 2018): x · σ(ψ(ReLU(W_x x + W_g g))), with all W of size 1x1.

    The gating signal g is the decoder's map at the size of the skip x, so that no map is resampled.
    """

    def __init__(self, skip: int, gating: int, norm: bool) -> None:
        super().__init__()
        inner = max(1, skip // 2)
        self.skip = nn.Conv2d(skip, inner, 1, bias=False)
        self.gating = nn.Conv2d(gating, inner, 1, bias=not norm)
        self.norm: nn.Module = nn.BatchNorm2d(inner) if norm else nn.Identity()
        self.score = nn.Conv2d(inner, 1, 1)

    def forward(self, skip: Tensor, gating: Tensor) -> Tensor:
        """(B, C, H, W) skip, (B, G, H, W) decoder map -> (B, C, H, W)."""
        inner = torch.relu(self.norm(self.skip(skip) + self.gating(gating)))
        gated: Tensor = skip * torch.sigmoid(self.score(inner))
        return gated


class PlainUNet(nn.Module):
    """U-Net with two 3x3 convolutions a level and max-pooling between levels.

    The default is the learner of Poudel et al. 2024 (a 512-wide bottleneck, 16x16 for a 256x256 image).
    Gorriz et al. 2017: `dropout=0.5, norm=False, upsampling="nearest"`. ASA's ag-FCN: `attention=True`.

    Args:
        channels_out: K, output channels.
        widths: channels of each level, finest first; L levels need sizes divisible by 2^(L−1).
        dropout: probability of the one dropout, on the bottleneck, at the start of `decode`.
        norm: batch normalisation after every convolution.
        upsampling: "transposed": 2x2 transposed convolution of stride 2 to the width of the skip;
            "nearest": repetition of pixels, which keeps the width.
        attention: an additive gate at each skip.

    Raises:
        ValueError: fewer than two widths, an unknown upsampling, or a dropout outside [0, 1].
    """

    def __init__(
        self,
        channels_out: int,
        widths: Sequence[int] = (32, 64, 128, 256, 512),
        dropout: float = 0.0,
        norm: bool = True,
        upsampling: Literal["transposed", "nearest"] = "transposed",
        attention: bool = False,
    ) -> None:
        super().__init__()
        if len(widths) < 2:
            raise ValueError(f"widths={tuple(widths)}: expected at least two levels, such as (32, 64)")
        if upsampling not in ("transposed", "nearest"):
            raise ValueError(f"upsampling={upsampling!r}: expected 'transposed' or 'nearest'")
        self.multiple = 2 ** (len(widths) - 1)
        self.width = int(widths[-1])
        self.dropout_in_encoder = False
        self.levels = nn.ModuleList(_two_convolutions(a, b, norm) for a, b in pairwise((3, *widths)))
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)
        self.enlarge, self.gates, self.merge = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for deep, skip in pairwise(reversed(widths)):
            if upsampling == "transposed":
                enlarged = skip
                self.enlarge.append(nn.ConvTranspose2d(deep, skip, 2, 2))
            else:
                enlarged = deep
                self.enlarge.append(nn.Upsample(scale_factor=2, mode="nearest"))
            if attention:
                self.gates.append(AttentionGate(skip, enlarged, norm))
            self.merge.append(_two_convolutions(skip + enlarged, skip, norm))
        self.head = nn.Conv2d(widths[0], channels_out, 1)

    @property
    def classifier(self) -> nn.Module:
        """The last layer with weights, whose input is the map before the classifier."""
        return self.head

    def encode(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> L maps (B, widths[l], H/2^l, W/2^l).

        Raises:
            ValueError: H or W is not divisible by `multiple`.
        """
        check_size(image, self.multiple)
        maps: list[Tensor] = []
        for level in self.levels:
            maps.append(level(self.pool(maps[-1]) if maps else image))
        return maps

    def decode(self, maps: list[Tensor]) -> Tensor:
        """L maps -> (B, K, H, W) logits."""
        x: Tensor = self.dropout(maps[-1])
        for i, skip in enumerate(reversed(maps[:-1])):
            x = self.enlarge[i](x)
            gated = self.gates[i](skip, x) if self.gates else skip
            x = self.merge[i](torch.cat([gated, x], dim=1))
        logits: Tensor = self.head(x)
        return logits

    def decode_many(self, maps: list[Tensor], number: int) -> Iterator[Tensor]:
        """`number` outputs of `decode(maps)`, each with new draws of dropout.

        A convolution of [skip, x] is the sum of one of the skip and one of x. Skips are before the dropout, so their
        convolutions are computed once for all passes, except with attention gates, which depend on both.
        """
        if self.gates:
            yield from repeat(self.decode, maps, number)
            return
        skips = list(reversed(maps[:-1]))
        firsts = [cast(nn.Sequential, cast(nn.Sequential, merge)[0]) for merge in self.merge]
        convolutions = [cast(nn.Conv2d, first[0]) for first in firsts]
        fixed = [
            F.conv2d(skip, layer.weight[:, : skip.shape[1]], layer.bias, padding=layer.padding)
            for skip, layer in zip(skips, convolutions, strict=True)
        ]
        for _ in range(number):
            x: Tensor = self.dropout(maps[-1])
            for i, layer in enumerate(convolutions):
                moving = layer.weight[:, skips[i].shape[1] :]
                x = fixed[i] + F.conv2d(self.enlarge[i](x), moving, padding=layer.padding)
                x = cast(nn.Sequential, self.merge[i])[1](firsts[i][1:](x))
            yield self.head(x)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, H, W) logits."""
        return self.decode(self.encode(image))


def _two_convolutions(channels_in: int, channels_out: int, norm: bool) -> nn.Sequential:
    return nn.Sequential(
        conv_relu(channels_in, channels_out, norm=norm), conv_relu(channels_out, channels_out, norm=norm)
    )
