"""FCN-8s on VGG16 (Long et al. 2015), which CEREALS uses at quarter width, and the cost network of CEREALS."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from al_lightning.networks import check_size, repeat
from al_lightning.networks.blocks import VGG16, bilinear_kernel, conv_relu, scaled


class FCN8s(nn.Module):
    """VGG16 with convolutional fully-connected layers; class scores of pool3, pool4 and fc7 are summed.

    Trained directly as 8s, as in CEREALS. Heights and widths must be divisible by 32, so that the padding by 100 pixels
    and the crops of the original are not needed. The two doublings of the scores are learned and start as bilinear
    interpolation; the final eightfold enlargement is fixed. The two dropouts of the paper follow fc6 and fc7, which are
    in `decode`, so `encode` is deterministic.

    Args:
        channels_out: K, output channels.
        multiplier: factor on every width; 0.25 in CEREALS. Weights of that width are not published, so the network
            starts from He's initialisation.
        dropout: probability of each of the two dropouts.
        norm: batch normalisation in VGG16 (off in the paper, which started from ImageNet weights).
        channels_in: channels of the input.

    Raises:
        ValueError: multiplier ≤ 0 or dropout outside [0, 1].
    """

    def __init__(
        self,
        channels_out: int,
        multiplier: float = 0.25,
        dropout: float = 0.5,
        norm: bool = False,
        channels_in: int = 3,
    ) -> None:
        super().__init__()
        widths = [[scaled(c, multiplier) for c in stage] for stage in VGG16]
        full = scaled(4096, multiplier)
        self.multiple = 32
        self.width = widths[-1][-1]
        self.dropout_in_encoder = False
        self.stages = nn.ModuleList()
        for stage in widths:
            layers: list[nn.Module] = []
            for channels in stage:
                layers.append(conv_relu(channels_in, channels, norm=norm))
                channels_in = channels
            self.stages.append(nn.Sequential(*layers, nn.MaxPool2d(2)))
        self.full = nn.Sequential(
            conv_relu(self.width, full, 7, norm=norm),
            nn.Dropout(dropout),
            conv_relu(full, full, 1, norm=norm),
            nn.Dropout(dropout),
        )
        self.scores = nn.ModuleList(nn.Conv2d(c, channels_out, 1) for c in (full, widths[3][-1], widths[2][-1]))
        self.doubling = nn.ModuleList(_bilinear_doubling(channels_out) for _ in range(2))

    @property
    def classifier(self) -> None:
        """None, because the scores of three levels are added."""
        return None

    def encode(self, image: Tensor) -> list[Tensor]:
        """(B, C, H, W) -> pool3, pool4, pool5 at 1/8, 1/16 and 1/32 of the size.

        Raises:
            ValueError: H or W is not divisible by 32.
        """
        check_size(image, self.multiple)
        maps = [image]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[-3:]

    def decode(self, maps: list[Tensor]) -> Tensor:
        """pool3, pool4, pool5 -> (B, K, H, W) logits."""
        pool3, pool4, pool5 = maps
        x = self.doubling[0](self.scores[0](self.full(pool5))) + self.scores[1](pool4)
        x = self.doubling[1](x) + self.scores[2](pool3)
        return F.interpolate(x, scale_factor=8, mode="bilinear", align_corners=False)

    def decode_many(self, maps: list[Tensor], number: int) -> Iterator[Tensor]:
        """`number` outputs of `decode(maps)`, each with new draws of dropout."""
        return repeat(self.decode, maps, number)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K, H, W) logits."""
        return self.decode(self.encode(image))


class CostNet(nn.Module):
    """Predicts the annotator's clicks per pixel from an image and the learner's probabilities (CEREALS).

    An FCN-8s on the stacked channels, followed by a softplus; the cost of a region is the sum over its pixels.

    Args:
        classes: C, channels of the probabilities.
        multiplier, norm: as in `FCN8s`.
    """

    def __init__(self, classes: int, multiplier: float = 0.25, norm: bool = False) -> None:
        super().__init__()
        self.fcn = FCN8s(1, multiplier, norm=norm, channels_in=3 + classes)
        self.multiple = self.fcn.multiple

    def forward(self, image: Tensor, probabilities: Tensor) -> Tensor:
        """(B, 3, H, W) image, (B, C, H, W) probabilities -> (B, 1, H, W) clicks per pixel, ≥ 0."""
        return F.softplus(self.fcn(torch.cat([image, probabilities], dim=1)))


def _bilinear_doubling(channels: int) -> nn.ConvTranspose2d:
    """A learned transposed convolution that starts as bilinear interpolation of each channel."""
    layer = nn.ConvTranspose2d(channels, channels, 4, 2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(channels)[:, :, None, None] * bilinear_kernel(2))
    return layer
