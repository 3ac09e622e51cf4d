"""The FCN of Suggestive Annotation."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from network_parts import layers
from torch import nn

from al_lightning.networks.suggestive_fcn import SuggestiveFCN


def test_suggestive_fcn_stages() -> None:
    with torch.device("meta"):
        network = SuggestiveFCN(2)
        maps = network.encode(torch.zeros(1, 3, 192, 192))
    assert [m.shape[1] for m in maps] == [32, 256, 512, 1024, 1024, 1024]
    assert [m.shape[2] for m in maps] == [192, 96, 48, 24, 12, 6]
    assert network.width == 1024
    # Stage s climbs s doublings, and every scale ends at 32/4 channels of the input's size.
    assert [len(layers(climb, nn.ConvTranspose2d)) for climb in network.climbs] == [1, 2, 3, 4, 5]
    assert {layers(climb, nn.ConvTranspose2d)[-1].out_channels for climb in network.climbs} == {8}
    assert [c.out_channels for c in layers(network.climbs[-1], nn.ConvTranspose2d)] == [256, 256, 128, 64, 8]
    last, before = layers(network, nn.Conv2d)[-1], layers(network, nn.Conv2d)[-2]
    assert (last.kernel_size, last.out_channels) == ((1, 1), 2)
    assert (before.kernel_size, before.in_channels) == ((3, 3), 32 + 5 * 8)
    # Every convolution but the last is normalised.
    convolutions = len(layers(network, nn.Conv2d)) + len(layers(network, nn.ConvTranspose2d))
    assert len(layers(network, nn.BatchNorm2d)) == convolutions - 1


def test_suggestive_fcn_first_bottleneck_of_a_stage_by_hand() -> None:
    bottleneck = SuggestiveFCN(1, multiplier=1 / 8).stages[1][0].eval()
    x = torch.randn(1, 4, 6, 6)
    convolutions = layers(bottleneck, nn.Conv2d)  # 1x1, 3x3, 1x1, projection; untrained BN only divides
    inner = x
    for convolution in convolutions[:3]:
        inner = F.conv2d(inner.relu() if inner is not x else x, convolution.weight, padding="same")
        inner = inner / math.sqrt(1 + 1e-5)
    shortcut = F.conv2d(x, convolutions[3].weight) / math.sqrt(1 + 1e-5)
    torch.testing.assert_close(bottleneck(x), (inner + shortcut).relu())
