"""The generator and the discriminator of pix2pix."""

from __future__ import annotations

import pytest
import torch
from network_parts import layers, parameters
from torch import nn

from al_lightning.networks.pix2pix import PatchDiscriminator, Pix2PixGenerator


def test_pix2pix_generator_layer_by_layer() -> None:
    with torch.device("meta"):
        network = Pix2PixGenerator()
        maps = network.encode(torch.zeros(1, 3, 256, 256))
        assert network.decode(maps).shape == (1, 1, 256, 256)
    down = [64, 128, 256, 512, 512, 512, 512, 512]
    assert [tuple(m.shape[1:]) for m in maps] == [(c, 128 >> i, 128 >> i) for i, c in enumerate(down)]
    assert [bool(layers(d, nn.InstanceNorm2d)) for d in network.down] == [False, *[True] * 6, False]
    assert [bool(layers(d, nn.Dropout)) for d in network.down] == [False] * 3 + [True] * 5
    up = layers(network.up, nn.ConvTranspose2d)
    assert [c.out_channels for c in up] == [512, 512, 512, 512, 256, 128, 64]
    assert [c.in_channels for c in up] == [512, 1024, 1024, 1024, 1024, 512, 256]
    assert [bool(layers(u, nn.Dropout)) for u in network.up] == [True] * 4 + [False] * 3
    assert not any(n.affine or n.track_running_stats for n in layers(network, nn.InstanceNorm2d))
    pairs = list(zip([3, *down], down, strict=False)) + [(c.in_channels, c.out_channels) for c in up]
    assert parameters(network) == 16 * sum(a * b for a, b in pairs) + 16 * 128 + 1
    assert network.width == 512


@pytest.mark.parametrize(("size", "levels"), [(64, 6), (128, 7)])
def test_pix2pix_smaller_sizes(size: int, levels: int) -> None:
    network = Pix2PixGenerator(levels=levels, multiplier=1 / 32).eval()
    with torch.no_grad():
        maps = network.encode(torch.randn(2, 3, size, size))
        output = network.decode(maps)
    assert maps[-1].shape == (2, network.width, 1, 1)
    assert maps[-1].abs().max() > 0, "no normalisation on a 1x1 map: it would be zero"
    assert output.shape == (2, 1, size, size)
    assert output.abs().max() <= 1
    with pytest.raises(ValueError, match="levels=2"):
        Pix2PixGenerator(levels=2)


def test_pix2pix_discriminator_and_initialisation() -> None:
    with torch.device("meta"):
        patches = PatchDiscriminator()(torch.zeros(1, 1, 256, 256), torch.zeros(1, 3, 256, 256))
    assert patches.shape == (1, 1, 16, 16)
    network = PatchDiscriminator(multiplier=1 / 4)
    convolutions = layers(network, nn.Conv2d)
    assert [c.stride[0] for c in convolutions] == [2, 2, 2, 2, 1]
    assert [c.in_channels for c in convolutions] == [4, 16, 32, 64, 128]
    assert convolutions[-1].bias is None
    assert len(layers(network, nn.InstanceNorm2d)) == 3
    assert isinstance(network.layers[1], nn.LeakyReLU), "no normalisation on the first"
    weights = torch.cat([c.weight.flatten() for c in convolutions])
    assert weights.mean().item() == pytest.approx(0, abs=5e-4)
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    up = Pix2PixGenerator(levels=4, multiplier=1 / 8).up[0][0]
    assert up.weight.std().item() == pytest.approx(0.02, rel=0.05)
