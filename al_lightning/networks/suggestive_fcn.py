"""The fully convolutional network of Suggestive Annotation (Yang et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from al_lightning.networks import check_size, repeat
from al_lightning.networks.blocks import conv_relu, scaled


class Bottleneck(nn.Module):
    """Residual module: 1x1 to N, 3x3 to N, 1x1 to 4N, plus the shortcut; ReLU after the sum.

    The shortcut is a 1x1 projection where the widths differ and the identity elsewhere.
    """

    def __init__(self, channels_in: int, inner: int) -> None:
        super().__init__()
        out = 4 * inner
        self.body = nn.Sequential(conv_relu(channels_in, inner, 1), conv_relu(inner, inner), *_projection(inner, out))
        self.shortcut = nn.Sequential(*(() if channels_in == out else _projection(channels_in, out)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 4N, H, W)."""
        return torch.relu(self.body(x) + self.shortcut(x))


class SuggestiveFCN(nn.Module):
    """Six stages with max-pooling between them; the maps of all stages are enlarged to the input's size and joined.

    Stage 1: two 3x3 convolutions of width 32. Stages 2 to 6: two bottlenecks each, of N = 64, 128, 256, 256,
    256, so 256, 512, 1024, 1024, 1024 channels. The descriptor of an image is the mean of the last stage's
    1024 channels. A map is enlarged by 2x2 transposed convolutions of stride 2, each a quarter as wide as the
    stage of its output size (the paper does not give that width). A 3x3 and a 1x1 convolution follow. Batch
    normalisation and ReLU after every convolution but the last.

    Args:
        channels_out: K, output channels.
        multiplier: factor on every width.
        dropout: probability of a dropout on the deepest map at the start of `decode` (the paper has none).

    Raises:
        ValueError: multiplier ≤ 0 or dropout outside [0, 1].
    """

    def __init__(self, channels_out: int, multiplier: float = 1.0, dropout: float = 0.0) -> None:
        super().__init__()
        first = scaled(32, multiplier)
        inner = [scaled(n, multiplier) for n in (64, 128, 256, 256, 256)]
        outputs = [first, *(4 * n for n in inner)]
        self.multiple = 2 ** len(inner)
        self.width = outputs[-1]
        self.dropout_in_encoder = False
        self.stages = nn.ModuleList([nn.Sequential(conv_relu(3, first), conv_relu(first, first))])
        for before, n in zip(outputs, inner, strict=False):
            self.stages.append(nn.Sequential(Bottleneck(before, n), Bottleneck(4 * n, n)))
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)
        quarters = [max(1, c // 4) for c in outputs]
        self.climbs = nn.ModuleList(_climb(outputs[s], quarters[:s][::-1]) for s in range(1, len(outputs)))
        joined = first + len(self.climbs) * quarters[0]
        self.head = nn.Sequential(conv_relu(joined, first), nn.Conv2d(first, channels_out, 1))

    @property
    def classifier(self) -> nn.Module:
        """The last layer with weights, whose input is the map before the classifier."""
        return self.head[1]

    def encode(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> six maps at 1, 1/2, ... 1/32 of the size.

        Raises:
            ValueError: H or W is not divisible by 32.
        """
        check_size(image, self.multiple)
        maps: list[Tensor] = []
        for stage in self.stages:
            maps.append(stage(self.pool(maps[-1]) if maps else image))
        return maps

    def decode(self, maps: list[Tensor]) -> Tensor:
        """Six maps -> (B, K, H, W) logits."""
        coarse = [*maps[1:-1], self.dropout(maps[-1])]
        enlarged = [climb(x) for climb, x in zip(self.climbs, coarse, strict=True)]
        logits: Tensor = self.head(torch.cat([maps[0], *enlarged], dim=1))
        return logits

    def decode_many(self, maps: list[Tensor], number: int) -> Iterator[Tensor]:
        """`number` outputs of `decode(maps)`, each with new draws of dropout."""
        return repeat(self.decode, maps, number)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, H, W) logits."""
        return self.decode(self.encode(image))


def _projection(channels_in: int, channels_out: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out)


def _climb(channels_in: int, widths: list[int]) -> nn.Sequential:
    """Transposed convolutions that double the size, one for each of the widths."""
    layers: list[nn.Module] = []
    for before, after in zip([channels_in, *widths], widths, strict=False):
        layers += [nn.ConvTranspose2d(before, after, 2, 2, bias=False), nn.BatchNorm2d(after), nn.ReLU(True)]
    return nn.Sequential(*layers)
