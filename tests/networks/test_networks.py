"""Networks: the contract that all share, and the structural facts of each paper."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from al_lightning.networks import Network, check_size
from al_lightning.networks.blocks import bilinear_kernel
from al_lightning.networks.drn import DRND22
from al_lightning.networks.fcn8s import CostNet, FCN8s
from al_lightning.networks.pix2pix import PatchDiscriminator, Pix2PixGenerator
from al_lightning.networks.segnet import SegNet, unpool
from al_lightning.networks.smp import ARCHITECTURES, SmpNetwork
from al_lightning.networks.suggestive_fcn import SuggestiveFCN
from al_lightning.networks.unet import AttentionGate, PlainUNet
from al_lightning.networks.vae import VAE, Discriminator

Layer = TypeVar("Layer", bound=nn.Module)
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


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


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


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def layers(network: nn.Module, kind: type[Layer]) -> list[Layer]:
    return [module for module in network.modules() if isinstance(module, kind)]


# ---------------------------------------------------------------- the contract


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


# ---------------------------------------------------------------- U-Net


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
    network = PlainUNet(1, SMALL, attention=True).eval()
    assert len(network.gates) == 2
    maps = [torch.randn(1, c, 16 >> i, 16 >> i) for i, c in enumerate(SMALL)]
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


# ---------------------------------------------------------------- Suggestive Annotation


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


# ---------------------------------------------------------------- VGG16: FCN-8s and SegNet


def vgg16_parameters(norm: bool) -> int:
    reference = torchvision.models.vgg16_bn if norm else torchvision.models.vgg16
    with torch.device("meta"):
        return parameters(reference(weights=None).features)


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


# ---------------------------------------------------------------- DRN-D-22


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


# ---------------------------------------------------------------- pix2pix


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


# ---------------------------------------------------------------- VAAL


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


# ---------------------------------------------------------------- segmentation_models_pytorch


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_smp_equals_the_library(architecture: str) -> None:
    network = SmpNetwork(architecture, "resnet18", None, 3).eval()
    side = max(network.minimum, 2 * network.multiple)
    image = torch.randn(1, 3, side, side + network.multiple)
    with torch.no_grad():
        maps = network.encode(image)
        assert torch.equal(network.decode(maps), network.model(image))
    assert maps[-1].shape[1] == network.width
    assert maps[-1].min() >= 0
    assert not network.dropout_in_encoder


def test_smp_freezes_only_what_no_output_depends_on() -> None:
    pspnet = SmpNetwork("PSPNet", "resnet18", None, 1)
    frozen = {name.split(".")[2] for name, p in pspnet.named_parameters() if not p.requires_grad}
    assert frozen == {"layer3", "layer4"}
    assert pspnet.width == 128
    assert pspnet.training
    unet = SmpNetwork("Unet", "resnet18", None, 1)
    assert all(p.requires_grad for p in unet.parameters())
    assert (unet.mean, unet.std) == ((0.5,) * 3, (0.5,) * 3)


def test_smp_pan_needs_128_pixels() -> None:
    with pytest.raises(ValueError, match="at least 128"):
        SmpNetwork("pan", "resnet18", None, 1).encode(torch.zeros(1, 3, 96, 128))


def test_smp_unknown_names() -> None:
    with pytest.raises(ValueError, match="architecture='Unett' is unknown; nearest: Unet"):
        SmpNetwork("Unett", "resnet18", None, 1)
    with pytest.raises(ValueError, match="encoder='resnet35' is unknown; nearest: resnet"):
        SmpNetwork("Unet", "resnet35", None, 1)
    with pytest.raises(ValueError, match="'mit_b0' does not go with architecture='Linknet'"):
        SmpNetwork("linknet", "mit_b0", None, 1)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_smp_weights_from_a_file(tmp_path: Path, suffix: str) -> None:
    state = torchvision.models.resnet18(weights=None).state_dict()
    path = tmp_path / f"resnet18.{suffix}"
    if suffix == "pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    network = SmpNetwork("Unet", "resnet18", path, 1)
    assert torch.equal(network.model.encoder.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])
    assert (network.mean, network.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_smp_weights_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"'imagenett' is no file.*imagenet, ssl, swsl"):
        SmpNetwork("Unet", "resnet18", "imagenett", 1)
    path = tmp_path / "weights.pth"
    torch.save(torchvision.models.mobilenet_v2(weights=None).state_dict(), path)
    with pytest.raises(ValueError, match=r"does not fit encoder='resnet18': Missing key.*conv1"):
        SmpNetwork("Unet", "resnet18", path, 1)
    torch.save({"epoch": 3}, path)
    with pytest.raises(ValueError, match="is no state dict"):
        SmpNetwork("Unet", "resnet18", path, 1)
    path.write_text("an HTML page, say")
    with pytest.raises(ValueError, match="cannot be read as a state dict"):
        SmpNetwork("Unet", "resnet18", path, 1)


def test_smp_weights_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"'imagenet' of 'resnet18' could not be downloaded.*give null"):
        SmpNetwork("Unet", "resnet18", "imagenet", 1)


def test_smp_weights_from_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's part is played by a function: the network is built with the weights and takes their numbers."""
    build = smp.create_model
    asked = []

    def create_model(architecture: str, encoder_weights: str | None, **options: object) -> nn.Module:
        asked.append(encoder_weights)
        model: nn.Module = build(architecture, encoder_weights=None, **options)
        if encoder_weights:
            nn.init.constant_(model.encoder.conv1.weight, 0.25)
        return model

    numbers = {"mean": [127.5, 127.5, 0], "std": [255, 127.5, 51], "input_range": [0, 255]}
    monkeypatch.setattr(smp, "create_model", create_model)
    monkeypatch.setattr(smp.encoders, "get_preprocessing_params", lambda encoder, weights: numbers)
    network = SmpNetwork("Unet", "resnet18", "ssl", 1)
    assert asked[-1] == "ssl"
    assert (network.model.encoder.conv1.weight == 0.25).all()
    assert (network.mean, network.std) == ((0.5, 0.5, 0.0), (1.0, 0.5, 0.2))
