"""FCN-8s, the cost network and SegNet, which stand on VGG16."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from network_parts import layers, parameters, vgg16_parameters
from torch import nn

from al_lightning.networks.fcn8s import CostNet, FCN8s
from al_lightning.networks.segnet import SegNet, unpool


def test_fcn8s_is_vgg16() -> None:
    with torch.device("meta"):
        network = FCN8s(19, multiplier=1)
        maps = network.encode(torch.zeros(1, 3, 64, 128))
        quarter = FCN8s(19)
    assert [tuple(m.shape[1:]) for m in maps] == [(256, 8, 16), (512, 4, 8), (512, 2, 4)]
    full = (49 * 512 + 1) * 4096 + (4096 + 1) * 4096
    heads = (4096 + 1 + 512 + 1 + 256 + 1) * 19 + 2 * 16 * 19 * 19
    assert parameters(network) == vgg16_parameters(norm=False) + full + heads
    assert [c.out_channels for c in layers(quarter, nn.Conv2d)[:13]] == ([16] * 2 + [32] * 2 + [64] * 3 + [128] * 6)
    assert [c.out_channels for c in layers(quarter, nn.Conv2d)[13:]] == [1024, 1024, 19, 19, 19]
    assert [d.p for d in layers(quarter, nn.Dropout)] == [0.5, 0.5]


def test_fcn8s_doubling_starts_bilinear() -> None:
    x = torch.randn(1, 3, 6, 7)
    doubling = FCN8s(3, multiplier=1 / 32).doubling[0]
    expected = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    inside = (..., slice(1, -1), slice(1, -1))  # at the border a transposed convolution meets zeros
    torch.testing.assert_close(doubling(x)[inside], expected[inside])


def test_cost_net_is_not_negative() -> None:
    network = CostNet(classes=5, multiplier=1 / 32)
    clicks = network(torch.randn(2, 3, 32, 64), torch.randn(2, 5, 32, 64).softmax(1))
    assert clicks.shape == (2, 1, 32, 64)
    assert (clicks >= 0).all()
    clicks.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_segnet_is_vgg16_and_its_mirror() -> None:
    with torch.device("meta"):
        network = SegNet(11)
        maps = network.encode(torch.zeros(1, 3, 64, 96))
    assert [m.dtype for m in maps] == [torch.int64] * 5 + [torch.float32]
    assert maps[-1].shape == (1, 512, 2, 3)
    biases = sum(channels for channels in [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6)
    assert parameters(network.down) == vgg16_parameters(norm=True) - biases  # which the normalisation undoes
    up = [(512, 512)] * 5 + [(512, 256), (256, 256), (256, 256), (256, 128), (128, 128), (128, 64), (64, 64)]
    assert [(c.in_channels, c.out_channels) for c in layers(network.up, nn.Conv2d)] == [*up, (64, 11)]


def test_unpooling_puts_values_where_pooling_took_them() -> None:
    x = torch.tensor([[[[1.0, 2, 0, 0], [3, 0, 0, 4], [0, 0, 9, 8], [0, 5, 7, 6]]]])
    pooled, indices = F.max_pool2d(x, 2, return_indices=True)
    by_hand = torch.tensor([[[[0.0, 0, 0, 0], [3, 0, 0, 4], [0, 0, 9, 0], [0, 5, 0, 0]]]])
    assert torch.equal(unpool(pooled, indices), by_hand)
    pooled, indices = F.max_pool2d(torch.randn(3, 4, 10, 6), 2, return_indices=True)
    assert torch.equal(unpool(pooled, indices), F.max_unpool2d(pooled, indices, 2))


@pytest.mark.parametrize("norm", [False, True])
def test_signal_survives_an_untrained_vgg16(norm: bool) -> None:
    network = (SegNet(2, multiplier=1 / 2) if norm else FCN8s(2)).eval()
    deepest = network.encode(torch.randn(2, 3, 64, 64))[-1]
    assert 0.05 < deepest.std().item() < 20, "thirteen layers with the framework's default lose a factor 1e-4"


def test_segnet_decoder_reads_the_indices() -> None:
    network = SegNet(2, multiplier=1 / 16).eval()
    with torch.no_grad():
        maps = network.encode(torch.randn(1, 3, 64, 64))
        x = maps[-1]
        for stage, index in zip(network.up, maps[-2::-1], strict=True):
            x = stage(F.max_unpool2d(x, index, 2))
        torch.testing.assert_close(network.decode(maps), x)
