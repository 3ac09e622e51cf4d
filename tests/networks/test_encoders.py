"""Encoders of segmentation_models_pytorch and of timm, from files of weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from safetensors.torch import save_file

from al_lightning.networks.encoders import ImageEncoder

IMAGES = torch.randint(0, 256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def test_an_encoder_of_smp_is_its_deepest_map_averaged(tmp_path: Path) -> None:
    torch.manual_seed(1)
    original = smp.encoders.get_encoder("resnet18", weights=None).eval()
    torch.save(original.state_dict(), tmp_path / "w.pth")
    encoder = ImageEncoder("resnet18", tmp_path / "w.pth", (64, 64))
    with torch.no_grad():
        expected = original((IMAGES / 255 - MEAN) / STD)[-1].mean((2, 3))
    torch.testing.assert_close(encoder(IMAGES), expected)
    assert encoder(IMAGES).shape == (2, 512)
    assert not encoder(IMAGES).requires_grad


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_model_of_timm_with_its_own_pooling(tmp_path: Path, suffix: str, nested: bool) -> None:
    torch.manual_seed(2)
    original = timm.create_model("resnet10t", pretrained=False).eval()
    state = original.state_dict()
    path = tmp_path / f"w.{suffix}"
    if suffix == "safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": state, "epoch": 3} if nested else state, path)
    encoder = ImageEncoder("resnet10t", path, (64, 64))
    original.reset_classifier(0)
    with torch.no_grad():
        expected = original((IMAGES / 255 - MEAN) / STD)
    torch.testing.assert_close(encoder(IMAGES), expected)


def test_a_model_of_timm_that_fixes_its_size(tmp_path: Path) -> None:
    torch.manual_seed(3)
    torch.save(timm.create_model("test_vit", pretrained=False).state_dict(), tmp_path / "w.pth")
    assert ImageEncoder("test_vit", tmp_path / "w.pth").size == (160, 160)
    encoder = ImageEncoder("test_vit", tmp_path / "w.pth", (64, 64))
    assert encoder.size == (64, 64)
    assert encoder(IMAGES).shape == (2, 64)


def test_the_prefix_takes_the_model_of_timm(tmp_path: Path) -> None:
    torch.manual_seed(4)
    torch.save(timm.create_model("resnet18", pretrained=False).state_dict(), tmp_path / "w.pth")
    assert not ImageEncoder("tu-resnet18", tmp_path / "w.pth", (64, 64)).of_smp


def test_what_does_not_fit_is_one_line(tmp_path: Path) -> None:
    torch.save(timm.create_model("test_vit", pretrained=False).state_dict(), tmp_path / "vit.pth")
    (tmp_path / "text.pth").write_text("no weights")
    half = {k: v for k, v in timm.create_model("resnet10t", pretrained=False).state_dict().items() if "layer4" not in k}
    torch.save(half, tmp_path / "half.pth")
    for name, file, kind, match in [
        ("resnet18", "none.pth", FileNotFoundError, "none.pth.* is no file"),
        ("resnet10t", "none.pth", FileNotFoundError, "none.pth.* is no file"),
        ("resnet18", "vit.pth", ValueError, "does not fit"),
        ("resnet10t", "vit.pth", ValueError, "does not fit resnet10t"),
        ("resnet10t", "half.pth", ValueError, r"half.pth' does not fit resnet10t: it has no layer4.* are missing"),
        ("resnet10t", "text.pth", ValueError, "cannot be read as a state dict"),
        ("resnet18", "text.pth", ValueError, "cannot be read as a state dict"),
        ("resnet10x", "half.pth", ValueError, "encoder='resnet10x' is unknown; nearest"),
    ]:
        with pytest.raises(kind, match=match) as caught:
            ImageEncoder(name, tmp_path / file, (64, 64))
        assert "\n" not in str(caught.value)
    torch.save(smp.encoders.get_encoder("resnet18", weights=None).state_dict(), tmp_path / "good.pth")
    with pytest.raises(ValueError, match="needs multiples of 32"):
        ImageEncoder("resnet18", tmp_path / "good.pth", (50, 64))


@pytest.mark.parametrize("name", ["resnet18", "resnet10t"])
def test_no_network_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("the network is down\nand more")

    monkeypatch.setattr("timm.create_model", refuse)
    monkeypatch.setattr("segmentation_models_pytorch.encoders.get_encoder", refuse)
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded: the network is down; give the path"):
        ImageEncoder(name)
