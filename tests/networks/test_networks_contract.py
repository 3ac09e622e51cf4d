"""The contract that all networks share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from al_lightning.networks import Network, check_size
from al_lightning.networks.drn import DRND22
from al_lightning.networks.fcn8s import FCN8s
from al_lightning.networks.pix2pix import Pix2PixGenerator
from al_lightning.networks.segnet import SegNet
from al_lightning.networks.smp import SmpNetwork
from al_lightning.networks.suggestive_fcn import SuggestiveFCN
from al_lightning.networks.unet import PlainUNet

SMALL = (8, 12, 16)
NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "unet": lambda k: PlainUNet(k, SMALL, dropout=0.5),
    "unet-gorriz": lambda k: PlainUNet(k, SMALL, dropout=0.5, norm=False, upsampling="nearest"),
    "unet-attention": lambda k: PlainUNet(k, SMALL, dropout=0.5, attention=True),
    "unet-attention-nearest": lambda k: PlainUNet(
        k, SMALL, dropout=0.5, norm=False, upsampling="nearest", attention=True
    ),
    "suggestive": lambda k: SuggestiveFCN(k, multiplier=1 / 8, dropout=0.5),
    "fcn8s": lambda k: FCN8s(k, multiplier=1 / 16),
    "fcn8s-norm": lambda k: FCN8s(k, multiplier=1 / 16, norm=True),
    "segnet": lambda k: SegNet(k, multiplier=1 / 8, dropout=0.5),
    "segnet-3": lambda k: SegNet(k, multiplier=3 / 64, dropout=0.5),  # as many channels as the image
    "drn": lambda k: DRND22(k, multiplier=1 / 8, dropout=0.5),
    "pix2pix": lambda k: Pix2PixGenerator(k, levels=5, multiplier=1 / 8),
    "smp": lambda k: SmpNetwork("Unet", "mobilenet_v2", None, k, dropout=0.5),
}


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> nn.Module:
    return NETWORKS[request.param](2)


def images(network: nn.Module, rows: int, columns: int, batch: int = 2) -> Tensor:
    return torch.rand(batch, 3, rows * int(network.multiple), columns * int(network.multiple)) * 2 - 1


def dropout_only(network: nn.Module) -> nn.Module:
    """Evaluation mode with dropout switched on: a Monte Carlo pass."""
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    return network


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (2, 3)])
def test_shapes_and_the_two_halves(network: nn.Module, rows: int, columns: int) -> None:
    assert isinstance(network, Network)
    network.eval()
    image = images(network, rows, columns)
    with torch.no_grad():
        maps = network.encode(image)
        kept = [m.clone() for m in maps]
        first = network.decode(maps)
        assert first.shape == (2, 2, *image.shape[2:])
        assert torch.equal(first, network(image))
        assert torch.equal(first, network.decode(maps)), "decode must leave the maps as they are"
    assert all(torch.equal(a, b) for a, b in zip(maps, kept, strict=True))
    assert maps[-1].shape[1] == network.width
    assert maps[-1].shape[-1] == min(m.shape[-1] for m in maps)


def test_one_output_channel() -> None:
    for build in NETWORKS.values():
        network = build(1).eval()
        assert network(images(network, 2, 2, batch=1)).shape[1] == 1


def test_gradients_reach_every_parameter(network: nn.Module) -> None:
    network.train()
    image = images(network, 2, 2, batch=3)
    (network(image) * torch.randn(3, 2, *image.shape[2:])).sum().backward()
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            # No layer has a bias that a normalisation would undo, so an exact zero is a lost parameter.
            assert parameter.grad.abs().sum() > 0, name


def test_refuses_a_size_and_names_the_nearest(network: nn.Module) -> None:
    m = int(network.multiple)
    with pytest.raises(ValueError, match=rf"{2 * m}x{2 * m + 1}.*divisible by {m}.*width {2 * m} or {3 * m}"):
        network.encode(torch.zeros(1, 3, 2 * m, 2 * m + 1))


def test_check_size_below_the_minimum() -> None:
    check_size(torch.zeros(1, 3, 128, 144), 16, minimum=128)
    with pytest.raises(ValueError, match=r"32x130.*at least 128.*height 128, width 128 or 144"):
        check_size(torch.zeros(1, 3, 32, 130), 16, minimum=128)


def test_monte_carlo_passes_share_the_encoder(network: nn.Module) -> None:
    dropout_only(network)
    image = images(network, 2, 2)
    with torch.no_grad():
        first, second = network.encode(image), network.encode(image)
        same = all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        assert same != network.dropout_in_encoder
        assert not torch.equal(network.decode(first), network.decode(first))
