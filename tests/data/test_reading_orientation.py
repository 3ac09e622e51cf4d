"""Pictures are read as they are shown: by the EXIF orientation of any format, images and masks alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_trees import folder_tree, save
from PIL import Image

from al_lightning.data.dataset import DataError
from al_lightning.data.datasets.folder import folder
from al_lightning.data.pictures import read_header, read_pixels
from al_lightning.data.pictures.pixels import turned
from al_lightning.data.reading import binary_mask, native_size, read_rgb

LOSSLESS = {
    "png": {},
    "webp": {"lossless": True},
    "tif": {},
    "lzw.tif": {"compression": "tiff_lzw"},
    "deflate.tif": {"compression": "tiff_adobe_deflate"},
}


def shown(stored: np.ndarray, orientation: int) -> np.ndarray:
    """Pixel by pixel, from the table of the EXIF standard: where row 0 and column 0 of the stored picture are shown."""
    height, width = stored.shape[:2]
    out = np.zeros((width, height, *stored.shape[2:]) if orientation > 4 else stored.shape, stored.dtype)
    for y in range(height):
        for x in range(width):
            bottom, right = height - 1 - y, width - 1 - x
            where = {1: (y, x), 2: (y, right), 3: (bottom, right), 4: (bottom, x)}
            where |= {5: (x, y), 6: (x, bottom), 7: (right, bottom), 8: (right, y)}
            out[where[orientation]] = stored[y, x]
    return out


def with_exif(path: Path, values: np.ndarray, orientation: int, **options) -> Path:
    if path.suffix == ".tif":
        return save(path, values, tiffinfo={274: orientation}, **options)
    exif = Image.Exif()
    exif[274] = orientation
    return save(path, values, exif=exif, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", LOSSLESS)
def test_every_orientation_in_every_format(tmp_path, name, orientation):
    stored = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = with_exif(tmp_path / f"a.{name}", stored, orientation, **LOSSLESS[name])
    expected = shown(stored, orientation)
    assert np.array_equal(turned(stored, orientation), expected)
    assert np.array_equal(read_rgb(path), expected)
    assert native_size(path) == expected.shape[:2]
    assert np.array_equal(read_pixels(path, upright=False).values, stored)
    assert read_header(path).size == (5, 7)
    mask = (stored[..., 0] > 99) * np.uint8(255)
    path = with_exif(tmp_path / f"m.{name}", mask, orientation, **LOSSLESS[name])
    assert np.array_equal(binary_mask(path), shown(mask, orientation) // 255)


def test_jpeg_and_orientations_that_mean_nothing(tmp_path):
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:, :16] = 255
    path = with_exif(tmp_path / "a.jpg", stored, 6, quality=95)
    assert native_size(path) == (32, 16)
    assert read_rgb(path)[:8].min() > 200
    assert read_rgb(path)[24:].max() < 55
    for orientation in (0, 9, 65535):
        assert native_size(with_exif(tmp_path / "a.jpg", stored, orientation)) == (16, 32)
    (tmp_path / "b.jpg").write_bytes((tmp_path / "a.jpg").read_bytes().replace(b"Exif\0\0II*", b"Exif\0\0XX*"))
    assert native_size(tmp_path / "b.jpg") == (16, 32), "no EXIF that can be understood"


def test_png_whose_orientation_is_behind_the_pixels(tmp_path):
    stored = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    early = with_exif(tmp_path / "early.png", stored, 8).read_bytes()
    start = early.index(b"eXIf") - 4
    length = int.from_bytes(early[start : start + 4], "big") + 12
    chunk, rest = early[start : start + length], early[:start] + early[start + length :]
    end = rest.index(b"IEND") - 4
    late = tmp_path / "late.png"
    late.write_bytes(rest[:end] + chunk + rest[end:])
    assert native_size(late) == (7, 5)
    assert np.array_equal(read_rgb(late), shown(stored, 8))


def tree(root: Path, orientation: int, masks: str) -> Path:
    """Ten images of 6 x 8 pixels with an orientation, and masks of the size as shown or as stored."""
    folder_tree(root, [str(i) for i in range(10)])
    for i in range(10):
        image = np.full((6, 8, 3), 10 * i, np.uint8)
        mask = np.zeros((6, 8), np.uint8)
        mask[:2, :3] = 255
        with_exif(root / "images" / f"{i}.JPG", image, orientation, format="JPEG")
        save(root / "masks" / f"{i}.png", mask if masks == "stored" else shown(mask, orientation))
    return root


def test_a_folder_whose_masks_fit_the_images_as_shown_or_as_stored(tmp_path):
    data = folder(str(tree(tmp_path / "shown", 6, "shown")), size=8)
    assert "images: 10 of 10 carry an EXIF orientation, which is applied" in data.notes
    assert data.read_image(0).shape == (8, 6, 3)
    assert data.read_target(0)[:3, 4:].all()
    data = folder(str(tree(tmp_path / "stored", 6, "stored")), size=8)
    assert any("not applied: their targets fit them as stored" in note for note in data.notes)
    assert data.facts["images"] == {"orientation": "not applied"}
    assert data.read_image(0).shape == (6, 8, 3)
    assert data.read_target(0)[:2, :3].all()
    half_turn = folder(str(tree(tmp_path / "half", 3, "shown")), size=8)
    assert any("which is applied" in note for note in half_turn.notes)
    mixed = tree(tmp_path / "mixed", 6, "shown")
    save(mixed / "masks" / "4.png", np.eye(6, 8, dtype=np.uint8) * 255)
    with pytest.raises(DataError, match=r"turned by its EXIF orientation, but that of 4\.JPG fits it as stored"):
        folder(str(mixed), size=8)


def test_an_image_of_another_size_than_its_target_names_its_orientation(tmp_path):
    data = folder(str(tree(tmp_path, 8, "shown")), size=8)
    save(tmp_path / "masks" / "2.png", np.eye(6, 8, dtype=np.uint8) * 255)
    with pytest.raises(DataError, match=r"8 x 6 pixels but its image 2\.JPG is 6 x 8, which EXIF orientation 8 turns;"):
        data.read_target(data.ids.index("2"))
