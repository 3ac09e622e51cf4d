"""pix2pix (Isola et al. 2017) as in Thapa et al. 2022: U-Net generator and PatchGAN discriminator."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from al_lightning.networks import check_size, repeat
from al_lightning.networks.blocks import scaled


class Pix2PixGenerator(nn.Module):
    """L convolutions (4x4, stride 2) down and L − 1 transposed ones up, with skips; the output is a tanh map.

    Down: widths 64, 128, 256, 512, 512, ..., no bias, instance normalisation on all but the first and the
    bottleneck (a 1x1 map, which it would set to zero), LeakyReLU 0.2, dropout from the fourth on.
    Up: widths mirrored, instance normalisation, ReLU, dropout down to the fourth level; then nearest
    doubling, a one-sided zero padding, a 4x4 convolution and tanh. The dropout of the encoder is the paper's
    noise, so every Monte Carlo pass must call `encode` again.

    Args:
        channels_out: K, output channels.
        levels: L; the bottleneck is 1x1 at 2^L pixels: 8 for 256 (the paper), 7 for 128, 6 for 64.
        dropout: probability of every dropout.
        multiplier: factor on every width.

    Raises:
        ValueError: levels < 3, multiplier ≤ 0 or dropout outside [0, 1].
    """

    def __init__(self, channels_out: int = 1, levels: int = 8, dropout: float = 0.5, multiplier: float = 1.0) -> None:
        super().__init__()
        if levels < 3:
            raise ValueError(f"levels={levels}: expected 3 or more, such as log2 of the image size")
        widths = [scaled(64 * min(8, 2**i), multiplier) for i in range(levels)]
        self.multiple = 2**levels
        self.width = widths[-1]
        self.dropout_in_encoder = levels > 3 and dropout > 0
        self.down = nn.ModuleList()
        for i, (before, after) in enumerate(pairwise((3, *widths))):
            layers: list[nn.Module] = [nn.Conv2d(before, after, 4, 2, 1, bias=False)]
            if 0 < i < levels - 1:
                layers.append(nn.InstanceNorm2d(after))
            layers.append(nn.LeakyReLU(0.2))
            if i >= 3:
                layers.append(nn.Dropout(dropout))
            self.down.append(nn.Sequential(*layers))
        self.up = nn.ModuleList()
        for i in reversed(range(levels - 1)):
            # Below the bottleneck the input is the decoder's map and the skip, both of width widths[i + 1].
            before = widths[-1] if i == levels - 2 else 2 * widths[i + 1]
            layers = [
                nn.ConvTranspose2d(before, widths[i], 4, 2, 1, bias=False),
                nn.InstanceNorm2d(widths[i]),
            ]
            layers.append(nn.ReLU(inplace=True))
            if i >= 3:
                layers.append(nn.Dropout(dropout))
            self.up.append(nn.Sequential(*layers))
        self.head = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.ZeroPad2d((1, 0, 1, 0)),
            nn.Conv2d(2 * widths[0], channels_out, 4, padding=1),
            nn.Tanh(),
        )
        initialise(self)

    @property
    def classifier(self) -> nn.Module:
        """The last layer with weights, whose input is the map before the classifier."""
        return self.head[2]

    def encode(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [−1, 1] -> L maps at 1/2, ... 1/2^L of the size.

        Raises:
            ValueError: H or W is not divisible by 2^L.
        """
        check_size(image, self.multiple)
        maps = [image]
        for layer in self.down:
            maps.append(layer(maps[-1]))
        return maps[1:]

    def decode(self, maps: list[Tensor]) -> Tensor:
        """L maps -> (B, K, H, W) in (−1, 1)."""
        x = maps[-1]
        for layer, skip in zip(self.up, reversed(maps[:-1]), strict=True):
            x = torch.cat([layer(x), skip], dim=1)
        output: Tensor = self.head(x)
        return output

    def decode_many(self, maps: list[Tensor], number: int) -> Iterator[Tensor]:
        """`number` outputs of `decode(maps)`, each with new draws of dropout."""
        return repeat(self.decode, maps, number)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [−1, 1] -> (B, K, H, W) in (−1, 1)."""
        return self.decode(self.encode(image))


class PatchDiscriminator(nn.Module):
    """Four 4x4 convolutions of stride 2 and one of stride 1: one unbounded score per patch, for real against generated.

    Args:
        channels_target: K, channels of the generator's output.
        multiplier: factor on every width.
    """

    def __init__(self, channels_target: int = 1, multiplier: float = 1.0) -> None:
        super().__init__()
        widths = [scaled(c, multiplier) for c in (64, 128, 256, 512)]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise((channels_target + 3, *widths))):
            layers.append(nn.Conv2d(before, after, 4, 2, 1))
            if i > 0:
                layers.append(nn.InstanceNorm2d(after))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        last = nn.Conv2d(widths[-1], 1, 4, padding=1, bias=False)
        self.layers = nn.Sequential(*layers, nn.ZeroPad2d((1, 0, 1, 0)), last)
        initialise(self)

    def forward(self, target: Tensor, image: Tensor) -> Tensor:
        """(B, K, H, W) target, (B, 3, H, W) image -> (B, 1, H/16, W/16) scores."""
        scores: Tensor = self.layers(torch.cat([target, image], dim=1))
        return scores


def initialise(module: nn.Module, std: float = 0.02, generator: torch.Generator | None = None) -> None:
    """Draw the weights of all convolutions, also transposed ones, from N(0, std²); biases are not changed."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, std, generator=generator)
