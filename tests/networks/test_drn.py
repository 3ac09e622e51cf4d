"""DRN-D-22."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from network_parts import layers, parameters
from torch import nn

from al_lightning.networks.blocks import bilinear_kernel
from al_lightning.networks.drn import DRND22


def test_drn_d_22_parameters_from_the_layer_table() -> None:
    with torch.device("meta"):
        network = DRND22(1000)
    table = [(7, 3, 16), (3, 16, 16), (3, 16, 32)]  # stem and stages 1, 2: kernel, in, out
    for before, width in [(32, 64), (64, 128), (128, 256), (256, 512)]:  # two blocks and a projection each
        table += [(3, before, width), (1, before, width)] + [(3, width, width)] * 3
    table += [(3, 512, 512)] * 2
    trunk = sum(k * k * a * b + 2 * b for k, a, b in table)
    assert parameters(network) == trunk + 513 * 1000
    assert abs(parameters(network) - 16.4e6) < 0.05e6  # as published, with ImageNet's 1000 classes


def test_drn_d_22_strides_and_dilations() -> None:
    with torch.device("meta"):
        network = DRND22(19)
        maps = network.encode(torch.zeros(1, 3, 128, 256))
        assert network.decode(maps).shape == (1, 19, 128, 256)
    assert [tuple(m.shape[1:]) for m in maps] == [(16, 128, 256), (32, 64, 128), (64, 32, 64), (512, 16, 32)]
    dilations = [{c.dilation[0] for c in layers(s, nn.Conv2d) if c.kernel_size == (3, 3)} for s in network.stages]
    assert dilations == [{1}, {1}, {1}, {1}, {2}, {4}, {2}, {1}]
    assert [len(layers(s, nn.Conv2d)) for s in network.stages] == [1, 1, 5, 5, 5, 5, 1, 1]


def test_drn_enlarges_as_published_but_for_a_border_that_does_not_fade() -> None:
    network = DRND22(2, multiplier=1 / 16).eval()
    deepest = torch.randn(1, network.width, 5, 6)
    scores = network.score(deepest)
    kernel = bilinear_kernel(8).expand(2, 1, -1, -1)
    published = F.conv_transpose2d(scores, kernel, stride=8, padding=4, groups=2)
    found = network.decode([deepest])
    inside = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(found[inside], published[inside])
    assert torch.equal(found > 0, published > 0)
    nn.init.zeros_(network.score.weight)
    nn.init.ones_(network.score.bias)
    assert torch.equal(network.decode([deepest]), torch.ones(1, 2, 40, 48))
    assert bilinear_kernel(8).sum().item() == pytest.approx(64)  # each input pixel covers 8 x 8


def test_drn_starts_with_logits_of_the_order_of_one() -> None:
    for channels in (1, 19):
        network = DRND22(channels, multiplier=1 / 4)
        assert 0.1 < network(torch.randn(4, 3, 64, 64)).std() < 5


def test_drn_initialisation() -> None:
    convolution = layers(DRND22(2, multiplier=1 / 4).stages[6], nn.Conv2d)[0]
    assert convolution.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 128)), rel=0.02)
