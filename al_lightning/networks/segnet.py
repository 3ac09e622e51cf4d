"""SegNet (Badrinarayanan et al. 2017): VGG16 with a decoder that unpools to the positions of each max-pooling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from al_lightning.networks import check_size, repeat
from al_lightning.networks.blocks import VGG16, conv_relu, scaled


class SegNet(nn.Module):
    """VGG16-BN encoder of thirteen convolutions and its mirror image, which unpools with the encoder's indices.

    The list of maps holds the five int64 index tensors of the poolings, fine to coarse, and then the deepest
    map: `maps[-1]` is the only one with features.

    Args:
        channels_out: K, output channels.
        multiplier: factor on every width.
        dropout: probability of a dropout on the deepest map at the start of `decode`.

    Raises:
        ValueError: multiplier ≤ 0 or dropout outside [0, 1].
    """

    def __init__(self, channels_out: int, multiplier: float = 1.0, dropout: float = 0.0) -> None:
        super().__init__()
        widths = [[scaled(c, multiplier) for c in stage] for stage in VGG16]
        self.multiple = 2 ** len(widths)
        self.width = widths[-1][-1]
        self.dropout_in_encoder = False
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        before = 3
        for number, stage in enumerate(widths):
            inputs = [before, *stage[:-1]]
            self.down.append(nn.Sequential(*(conv_relu(a, b) for a, b in zip(inputs, stage, strict=True))))
            # The mirrored stage has the same pairs in reverse; its last convolution has the width of the stage before.
            pairs = list(zip(stage[::-1], inputs[::-1], strict=True))
            convolutions: list[nn.Module] = [conv_relu(a, b) for a, b in (pairs if number else pairs[:-1])]
            if number == 0:
                convolutions.append(nn.Conv2d(pairs[-1][0], channels_out, 3, padding=1))
            self.up.insert(0, nn.Sequential(*convolutions))
            before = stage[-1]
        self.dropout = nn.Dropout(dropout)

    @property
    def classifier(self) -> nn.Module:
        """The last layer with weights, whose input is the map before the classifier."""
        return cast(nn.Sequential, self.up[-1])[-1]

    def encode(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> five index tensors (B, c, H/2^i, W/2^i), i = 1..5, then (B, width, H/32, W/32).

        Raises:
            ValueError: H or W is not divisible by 32.
        """
        check_size(image, self.multiple)
        x, indices = image, []
        for stage in self.down:
            x, index = F.max_pool2d(stage(x), 2, return_indices=True)
            indices.append(index)
        return [*indices, x]

    def decode(self, maps: list[Tensor]) -> Tensor:
        """Indices and deepest map -> (B, K, H, W) logits."""
        x: Tensor = self.dropout(maps[-1])
        for stage, index in zip(self.up, reversed(maps[:-1]), strict=True):
            x = stage(unpool(x, index))
        return x

    def decode_many(self, maps: list[Tensor], number: int) -> Iterator[Tensor]:
        """`number` outputs of `decode(maps)`, each with new draws of dropout."""
        return repeat(self.decode, maps, number)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, H, W) logits."""
        return self.decode(self.encode(image))


def unpool(x: Tensor, indices: Tensor) -> Tensor:
    """(B, C, h, w) values, (B, C, h, w) positions in the flattened 2h x 2w plane -> (B, C, 2h, 2w), elsewhere 0.

    `F.max_unpool2d` does the same but is not deterministic on a GPU; windows do not overlap, so a scatter is.

    Example:
        >>> import torch
        >>> unpool(torch.tensor([[[[5.0]]]]), torch.tensor([[[[3]]]])).tolist()
        [[[[0.0, 0.0], [0.0, 5.0]]]]
    """
    batch, channels, height, width = x.shape
    plane = x.new_zeros(batch, channels, 4 * height * width)
    return plane.scatter(2, indices.flatten(2), x.flatten(2)).view(batch, channels, 2 * height, 2 * width)
