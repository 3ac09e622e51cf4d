"""The U-Nets of Poudel and of Gorriz, and attention gates."""

from __future__ import annotations

import pytest
import torch
from network_parts import layers, parameters
from torch import nn

from al_lightning.networks.segnet import SegNet
from al_lightning.networks.unet import AttentionGate, PlainUNet


def test_unet_of_poudel() -> None:
    with torch.device("meta"):
        network = PlainUNet(1)
        maps = network.encode(torch.zeros(1, 3, 256, 256))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (32, 256, 256), (64, 128, 128), (128, 64, 64), (256, 32, 32), (512, 16, 16)
    ]  # fmt: skip
    assert network.width == 512
    block = [9 * a * b + 9 * b * b + 4 * b for a, b in [(3, 32), (32, 64), (64, 128), (128, 256), (256, 512)]]
    up = [4 * 2 * w * w + w + 9 * 2 * w * w + 9 * w * w + 4 * w for w in (256, 128, 64, 32)]
    assert parameters(network) == sum(block) + sum(up) + 33


def test_unet_of_gorriz() -> None:
    with torch.device("meta"):
        network = PlainUNet(1, dropout=0.5, norm=False, upsampling="nearest")
        assert network(torch.zeros(2, 3, 192, 240)).shape == (2, 1, 192, 240)
    assert not layers(network, nn.BatchNorm2d)
    assert not layers(network, nn.ConvTranspose2d)
    assert [d.p for d in layers(network, nn.Dropout)] == [0.5]
    # Two convolutions a level; the upper ones read the concatenation of the repeated map and the skip.
    inputs = [c.in_channels for c in layers(network, nn.Conv2d)]
    assert inputs == [3, 32, 32, 64, 64, 128, 128, 256, 256, 512, 768, 256, 384, 128, 192, 64, 96, 32, 32]


def test_attention_gate_against_the_formula() -> None:
    gate = AttentionGate(4, 6, norm=False)
    skip, gating = torch.randn(2, 4, 3, 3), torch.randn(2, 6, 3, 3)
    x, g = skip[1, :, 2, 0], gating[1, :, 2, 0]
    hidden = gate.skip.weight[:, :, 0, 0] @ x + gate.gating.weight[:, :, 0, 0] @ g + gate.gating.bias
    score = (gate.score.weight[0, :, 0, 0] * hidden.clamp(min=0)).sum() + gate.score.bias[0]
    expected = x / (1 + (-score).exp())
    torch.testing.assert_close(gate(skip, gating)[1, :, 2, 0], expected)


def test_closed_gates_hide_the_skips() -> None:
    widths = (8, 12, 16)
    network = PlainUNet(1, widths, attention=True).eval()
    assert len(network.gates) == 2
    maps = [torch.randn(1, c, 16 >> i, 16 >> i) for i, c in enumerate(widths)]
    blank = [torch.zeros_like(m) for m in maps[:-1]]
    with torch.no_grad():
        assert not torch.allclose(network.decode(maps), network.decode([*blank, maps[-1]]))
        for gate in layers(network, AttentionGate):
            gate.score.bias.fill_(-1e4)
        torch.testing.assert_close(network.decode(maps), network.decode([*blank, maps[-1]]))


def test_unet_refuses_bad_options() -> None:
    with pytest.raises(ValueError, match="widths"):
        PlainUNet(1, (8,))
    with pytest.raises(ValueError, match="upsampling='cubic'"):
        PlainUNet(1, upsampling="cubic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="multiplier=0"):
        SegNet(1, multiplier=0)
