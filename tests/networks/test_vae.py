"""The autoencoder and the discriminator of VAAL."""

from __future__ import annotations

import math

import pytest
import torch
from network_parts import layers
from torch import nn

from al_lightning.networks.vae import VAE, Discriminator


@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_vae_shapes(size: int) -> None:
    network = VAE(size, z=7, multiplier=1 / 64)
    image = torch.randn(2, 3, size, size)
    output = network(image)
    assert output.reconstruction.shape == image.shape
    assert output.z.shape == output.mu.shape == output.logvar.shape == (2, 7)
    sum(x.sum() for x in output).backward()
    assert all(p.grad is not None for p in network.parameters())
    with pytest.raises(ValueError, match=rf"{size}x{size + 1}"):
        network.encode(torch.zeros(1, 3, size, size + 1))


def test_vae_tables() -> None:
    down = {32: [128, 256, 512, 1024], 256: [32, 64, 128, 256, 512, 1024]}
    up = {32: [512, 256, 128, 3], 256: [512, 256, 128, 64, 32, 16, 3]}
    for size, flat in ((32, 4096), (256, 16384)):
        with torch.device("meta"):
            network = VAE(size)
        assert [c.out_channels for c in layers(network, nn.Conv2d)] == down[size]
        assert [c.out_channels for c in layers(network, nn.ConvTranspose2d)] == up[size]
        assert network.head_mu.in_features == network.head_logvar.in_features == flat
        assert (network.decoder[0].in_features, network.decoder[0].out_features) == (32, 16384)
        assert all(c.bias is None for c in layers(network, nn.Conv2d))
    with pytest.raises(ValueError, match="size=100"):
        VAE(100)


def test_vae_initialisation() -> None:
    network = VAE(32, z=32, multiplier=1 / 4)
    for layer in [*layers(network, nn.Conv2d)[1:], network.decoder[0]]:
        fan_in = layer.weight[0].numel()
        assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.03)
        assert layer.bias is None or not layer.bias.any()
    # The framework's default, U(±1/√fan_in), stays in the heads and in the transposed convolutions.
    for layer in [network.head_mu, network.head_logvar, *layers(network, nn.ConvTranspose2d)[:-1]]:
        bound = 1 / math.sqrt(layer.weight[0].numel())
        assert layer.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.03)


def test_vae_sample_and_limits() -> None:
    network = VAE(32, z=5, multiplier=1 / 64).eval()
    image = torch.randn(4, 3, 32, 32)
    output = network(image, generator=torch.Generator().manual_seed(3))
    noise = torch.randn(4, 5, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(output.z, output.mu + output.logvar.exp().sqrt() * noise)
    torch.testing.assert_close(output.reconstruction, network.decode(output.z))
    with torch.no_grad():
        network.head_logvar.bias.copy_(torch.tensor([1e3, -1e3, 0, 0, 0]))
    clamped = network.encode(image)[1]
    assert clamped.max() == 10
    assert clamped.min() == -10
    network.logvar_limits = None
    assert network.encode(image)[1].max() > 900


def test_discriminator() -> None:
    network = Discriminator(z=32)
    assert [(m.in_features, m.out_features) for m in layers(network, nn.Linear)] == [
        (32, 512), (512, 512), (512, 1)
    ]  # fmt: skip
    mu = torch.randn(6, 32)
    assert network(mu).shape == (6,)
    torch.testing.assert_close(network(mu), 1 / (1 + (-network.logits(mu)).exp()))
    weight = layers(network, nn.Linear)[1].weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / 512), rel=0.02)
    assert not any(m.bias.any() for m in layers(network, nn.Linear))
    assert len(layers(Discriminator(z=8, hidden=(512,) * 4), nn.Linear)) == 5
