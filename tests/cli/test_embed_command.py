"""Features of a folder of images: what is written, what is skipped, and that `select` reads it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from PIL import Image

from al_lightning import experiment
from al_lightning.cli import main
from al_lightning.config import load
from al_lightning.experiment.embed import embed
from al_lightning.experiment.features import read_features
from al_lightning.experiment.image_files import images_of
from al_lightning.strategies.descriptors import pca, pca_blocks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """12 frames of two patients, one upside down by its EXIF orientation, with litter and one truncated file."""
    root, rng = tmp_path / "frames", np.random.default_rng(0)
    for patient in ("p1", "p2"):
        (root / patient).mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(0, 256, (4, 5, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
            Image.fromarray(pixels).save(root / patient / f"{number}.png")
    with Image.open(root / "p1" / "0.png") as image:
        exif = Image.Exif()
        exif[0x0112] = 3
        image.save(root / "p1" / "turned.jpg", exif=exif, quality=100, subsampling=0)
    (root / "p1" / "._0.png").write_text("litter")
    (root / "p2" / "broken.png").write_bytes((root / "p2" / "0.png").read_bytes()[:60])
    return root


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([*map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_pixels_without_an_encoder_and_select(folder: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "features.npy"
    code, said, _ = run(capsys, "embed", folder, "-o", out, "--components", 4, "--size", 8)
    assert code == 0
    assert "by 4 principal components of their pixels (no --run and no --encoder)" in said
    assert "1 of 14 not read (p2/broken): " in said
    features = read_features(out)
    assert features.ids == (*(f"p1/{n}" for n in range(6)), "p1/turned", *(f"p2/{n}" for n in range(6)))
    assert features.values.shape == (13, 4)
    assert features.values.dtype == np.float32
    listed = (tmp_path / "features.skipped.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in listed] == ["p2/broken"]
    assert "cannot be read" in listed[0]
    # the picture that is stored upside down is nearest to the one it was made of, turned
    assert sorted(os.listdir(tmp_path)) == ["features.ids.txt", "features.npy", "features.skipped.txt", "frames"]
    code, said, _ = run(capsys, "select", "--features", out, "--budget", 3)
    assert code == 0
    assert set(said.split()) <= set(features.ids)
    assert len(said.split()) == 3


def test_orientation_is_applied(folder: Path, tmp_path: Path) -> None:
    images, _ = images_of(folder)
    embed(images, tmp_path / "f.npy", lambda image: image.float().mean(1).flatten(1), (32, 40))
    features = read_features(tmp_path / "f.npy")
    assert features.ids is not None
    upright = features.values[features.ids.index("p1/turned")].reshape(32, 40)
    stored = features.values[features.ids.index("p1/0")].reshape(32, 40)
    assert np.abs(upright[::-1, ::-1] - stored).mean() < 3
    assert np.abs(upright - stored).mean() > 10


def test_an_encoder_from_a_file(folder: Path, tmp_path: Path, capsys) -> None:
    torch.manual_seed(0)
    encoder = smp.encoders.get_encoder("resnet18", weights=None).eval()
    torch.save(encoder.state_dict(), tmp_path / "w.pth")
    words = ["embed", folder, "-o", tmp_path / "f.npy", "--encoder", "resnet18", "--weights", tmp_path / "w.pth"]
    code, said, _ = run(capsys, *words, "--size", 32, "--batch-size", 5, "--device", "cpu")
    assert code == 0, said
    assert f"{tmp_path / 'f.npy'}: 13 x 512, ids in f.ids.txt" in said
    with Image.open(folder / "p2" / "3.png") as image:
        pixels = torch.from_numpy(np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)).copy()).permute(2, 0, 1)
    numbers = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 3, 1, 1)
    with torch.no_grad():
        expected = encoder(((pixels / 255 - numbers[0]) / numbers[1])[None])[-1].mean((2, 3))[0]
    features = read_features(tmp_path / "f.npy")
    assert features.ids is not None
    np.testing.assert_allclose(features.values[features.ids.index("p2/3")], expected, rtol=1e-4, atol=1e-5)


def test_the_learner_of_a_run(folder: Path, tiny, write_config, tmp_path: Path, capsys) -> None:
    done = experiment.run(load([write_config(tiny)]))
    capsys.readouterr()
    code, said, err = run(capsys, "embed", folder, "-o", tmp_path / "f.npy", "--run", done.path, "--device", "cpu")
    assert code == 0, err
    assert "by the learner of " in said
    assert "stage 2, 16 x 16 pixels" in said
    values = read_features(tmp_path / "f.npy").values
    assert values.shape == (13, 8)
    assert np.ptp(values, axis=0).max() > 0
    code, _, err = run(capsys, "embed", folder, "-o", tmp_path / "g.npy", "--run", folder)
    assert code == 2
    assert "holds no config.yaml" in err


def test_only_the_images_of_a_set_with_masks(folder: Path, tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        (tmp_path / "set" / kind).mkdir(parents=True)
        for name in ("a", "b"):
            Image.new("L", (8, 8)).save(tmp_path / "set" / kind / f"{name}.png")
    images, notes = images_of(tmp_path / "set")
    assert list(images) == ["a", "b"]
    assert {path.parent.name for path in images.values()} == {"images"}
    assert any("not read: masks" in note for note in notes)


def test_an_interruption_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    images, _ = images_of(folder)
    place = tmp_path / "out"
    calls: list[int] = []

    def encode(image: torch.Tensor) -> torch.Tensor:
        calls.append(len(image))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return image.float().mean((2, 3))

    with pytest.raises(KeyboardInterrupt):
        embed(images, place / "f.npy", encode, batch_size=4)
    assert os.listdir(place) == []
    assert embed(images, place / "f.npy", lambda image: image.float().mean((2, 3)), batch_size=4).count == 13
    before = (place / "f.npy").read_bytes()
    with pytest.raises(ValueError, match=r"encoder returned \(4, 3, 64, 64\)"):
        embed(images, place / "f.npy", lambda image: image.float(), batch_size=4)
    assert (place / "f.npy").read_bytes() == before, "what was there is kept until the new features are complete"


def test_principal_components_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = torch.randn(90, 30, generator=torch.Generator().manual_seed(0)) * torch.linspace(3, 0.1, 30)
    exact = pca(lambda start, stop: vectors[start:stop], 90, 5)
    monkeypatch.setattr("al_lightning.strategies.descriptors.EXACT", 10)
    monkeypatch.setattr("al_lightning.strategies.descriptors.CHUNK_BYTES", 16 * 30 * 4)
    parts = list(pca_blocks(lambda start, stop: vectors[start:stop], 90, 5))
    assert len(parts) == 6
    found = np.concatenate(parts)
    signs = np.sign((found * exact).sum(axis=0))
    np.testing.assert_allclose(found * signs, exact, atol=0.05)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["--encoder", "resnet18", "--run", "runs"], "--run and --encoder: both make features"),
        (["--weights", "w.pth"], "--weights w.pth: of which encoder"),
        (["--size", "1", "2", "3"], "--size 1 2 3: expected one number"),
        (["--size", "0"], "--size 0"),
        (["--batch-size", "0"], "--batch-size 0: expected at least 1"),
        (["--components", "0"], "--components 0"),
        (["--output", "f.csv"], "--output f.csv: expected a name that ends in .npy"),
        (["--device", "none"], "--device none: cannot be used"),
        (
            ["--encoder", "resnet18", "--weights", "none.pth"],
            "--encoder resnet18: encoder_weights='none.pth' is no file",
        ),
        (["--encoder", "resnot18"], "--encoder resnot18: encoder='resnot18' is unknown"),
        (["--page", "0"], "page=0: pages are counted from 1"),
        (["--window", "0", "100"], "the images have 8 bits a channel and need none"),
    ],
)
def test_mistakes_are_one_line(folder: Path, tmp_path: Path, monkeypatch, capsys, words, match) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "embed", folder, *words)
    assert code == 2
    assert match in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("*.npy"))


def test_folders_that_hold_nothing(tmp_path: Path, capsys) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("no picture")
    for name, match in [("none", "no such folder"), ("empty", "holds no image"), ("bad", "a.png")]:
        code, _, err = run(capsys, "embed", tmp_path / name, "-o", tmp_path / "f.npy")
        assert code == 2
        assert match in err
    np.save(tmp_path / "f.npy", np.zeros((1, 1)))
    Image.new("RGB", (8, 8)).save(tmp_path / "empty" / "a.png")
    code, _, err = run(capsys, "embed", tmp_path / "empty", "-o", tmp_path / "f.npy")
    assert code == 2
    assert "is there already" in err
    assert run(capsys, "embed", tmp_path / "empty", "-o", tmp_path / "f.npy", "--force")[0] == 0
