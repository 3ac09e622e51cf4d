"""Networks of segmentation_models_pytorch, and their weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from al_lightning.networks.smp import ARCHITECTURES, SmpNetwork


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
