"""The variational autoencoder and the discriminator of VAAL (Sinha et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from al_lightning.networks.blocks import scaled

SIZES = (32, 64, 128, 256)


class VaeOutput(NamedTuple):
    """Output of the autoencoder for B images."""

    reconstruction: Tensor
    """(B, 3, S, S), not bounded."""
    z: Tensor
    """(B, Z) one sample of the posterior."""
    mu: Tensor
    """(B, Z) its mean, the input of the discriminator."""
    logvar: Tensor
    """(B, Z) logarithm of its variance."""


class VAE(nn.Module):
    """Convolutional VAE for square images of S = 32, 64, 128 or 256 pixels.

    Encoder: 4x4 convolutions of stride 2 without bias, BN, ReLU, doubling their width up to 1024. For S = 32
    (official code) 128, 256, 512, 1024 down to 2x2; else log2(S) − 2 of them down to 4x4, for S = 256
    (Thapa et al.) 32, 64, ... 1024. Decoder: linear to 1024 x 4 x 4, then log2(S) − 2 transposed convolutions
    from 512 on, halving, BN, ReLU, and a 1x1 transposed convolution to the image.

    Initialisation as in the official code: convolutions and the decoder's linear layer Kaiming normal, biases zero,
    BN (1, 0). Transposed convolutions and the two heads keep PyTorch's default, because the official initialiser
    skips the type of the former and reads only sequences of layers.

    Args:
        size: S, pixels.
        z: Z, dimensions of the latent.
        logvar_limits: bounds of log σ²; None for no bounds, as in the official code.
        multiplier: factor on every width.

    Raises:
        ValueError: a size not in the table, z < 1, or multiplier ≤ 0.
    """

    def __init__(
        self,
        size: int = 32,
        z: int = 32,
        logvar_limits: tuple[float, float] | None = (-10.0, 10.0),
        multiplier: float = 1.0,
    ) -> None:
        super().__init__()
        if size not in SIZES:
            raise ValueError(f"size={size}: the autoencoder takes {', '.join(map(str, SIZES))} pixels")
        if z < 1:
            raise ValueError(f"z={z}: expected 1 or more latent dimensions")
        self.size, self.z, self.logvar_limits = size, z, logvar_limits
        doublings = size.bit_length() - 3
        coarse = size >> max(4, doublings)
        down = [scaled(1024 >> i, multiplier) for i in reversed(range(max(4, doublings)))]
        up = [scaled(512 >> i, multiplier) for i in range(doublings)]
        top = down[-1]
        layers: list[nn.Module] = []
        for a, b in pairwise((3, *down)):
            layers += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]
        self.encoder = nn.Sequential(*layers, nn.Flatten())
        self.head_mu = nn.Linear(top * coarse**2, z)
        self.head_logvar = nn.Linear(top * coarse**2, z)
        layers = [nn.Linear(z, top * 16), nn.Unflatten(1, (top, 4, 4))]
        for a, b in pairwise((top, *up)):
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]
        self.decoder = nn.Sequential(*layers, nn.ConvTranspose2d(up[-1], 3, 1))
        kaiming(self.encoder)
        kaiming(self.decoder)

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) -> (B, Z) mean, (B, Z) log variance.

        Raises:
            ValueError: the image is not S x S.
        """
        if image.shape[-2:] != (self.size, self.size):
            height, width = image.shape[-2:]
            raise ValueError(f"image size {height}x{width}: this autoencoder takes {self.size}x{self.size}")
        hidden = self.encoder(image)
        mu, logvar = self.head_mu(hidden), self.head_logvar(hidden)
        return mu, logvar if self.logvar_limits is None else logvar.clamp(*self.logvar_limits)

    def decode(self, z: Tensor) -> Tensor:
        """(B, Z) -> (B, 3, S, S)."""
        image: Tensor = self.decoder(z)
        return image

    def forward(self, image: Tensor, generator: torch.Generator | None = None) -> VaeOutput:
        """(B, 3, S, S) -> reconstruction of z = μ + σ·ε, ε ~ N(0, 1) drawn from the generator."""
        mu, logvar = self.encode(image)
        noise = torch.randn(mu.shape, generator=generator, device=mu.device, dtype=mu.dtype)
        z = mu + (0.5 * logvar).exp() * noise
        return VaeOutput(self.decode(z), z, mu, logvar)


class Discriminator(nn.Module):
    """Classifies images as labelled or unlabelled by their latent mean: linear layers with ReLU between them.

    Args:
        z: Z, dimensions of the latent.
        hidden: widths of the hidden layers; (512,) * 4 is the five-layer form of the official repository.
    """

    def __init__(self, z: int = 32, hidden: Sequence[int] = (512, 512)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in pairwise((z, *hidden)):
            layers += [nn.Linear(a, b), nn.ReLU(True)]
        self.layers = nn.Sequential(*layers, nn.Linear((z, *hidden)[-1], 1))
        kaiming(self.layers)

    def logits(self, mu: Tensor) -> Tensor:
        """(B, Z) -> (B,) log-odds of "labelled", for a loss that is stable in half precision."""
        odds: Tensor = self.layers(mu)
        return odds.squeeze(1)

    def forward(self, mu: Tensor) -> Tensor:
        """(B, Z) -> (B,) probability of "labelled"."""
        return torch.sigmoid(self.logits(mu))


def kaiming(layers: nn.Sequential) -> None:
    """Kaiming normal weights and zero biases for convolutions and linear layers, not for transposed ones."""
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
