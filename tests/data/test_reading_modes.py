"""Every mode of Pillow becomes RGB by a stated rule or is refused in one line; deep pictures go through a window."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from dataset_trees import folder_tree, grey, save
from PIL import Image

from al_lightning.data import Cache
from al_lightning.data.dataset import DataError
from al_lightning.data.datasets.folder import folder
from al_lightning.data.images import ImageReading, to_rgb
from al_lightning.data.pictures import read_header, read_pixels
from al_lightning.data.pictures.limit import VARIABLE
from al_lightning.data.reading import binary_mask, native_size, read_rgb

RNG = np.random.default_rng(3)
COLOURS = RNG.integers(0, 256, (9, 11, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (9, 11, 4), dtype=np.uint16)


def write_png16(path: Path, values: np.ndarray) -> Path:
    """A PNG of 16 bits a channel, (H, W), (H, W, 3) or (H, W, 4), written by hand: Pillow saves grey ones alone."""
    kind = 0 if values.ndim == 2 else {2: 4, 3: 2, 4: 6}[values.shape[2]]
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def test_shallow_modes(tmp_path):
    levels = COLOURS[..., 0]
    assert np.array_equal(read_rgb(save(tmp_path / "l.png", levels)), np.stack([levels] * 3, 2))
    bits = levels > 99
    assert np.array_equal(read_rgb(save(tmp_path / "1.png", bits)), np.stack([bits * 255] * 3, 2))
    opaque = np.full_like(levels, 255)
    assert np.array_equal(read_rgb(save(tmp_path / "la.png", np.stack([levels, opaque], 2))), np.stack([levels] * 3, 2))
    assert np.array_equal(read_rgb(save(tmp_path / "rgba.png", np.dstack([COLOURS, opaque]))), COLOURS)
    palette = Image.fromarray(levels % 7, "P")
    palette.putpalette(COLOURS[0, :7].tobytes())
    palette.save(tmp_path / "p.png")
    assert np.array_equal(read_rgb(tmp_path / "p.png"), COLOURS[0, :7][levels % 7])
    ink = Image.merge("CMYK", [Image.fromarray(np.ascontiguousarray(c)) for c in (*COLOURS.transpose(2, 0, 1), levels)])
    ink.save(tmp_path / "cmyk.tif")
    assert np.array_equal(read_rgb(tmp_path / "cmyk.tif"), np.asarray(ink.convert("RGB")))
    for name, options in (("a.webp", {"lossless": True}), ("a.jp2", {"irreversible": False})):
        assert np.array_equal(read_rgb(save(tmp_path / name, COLOURS, **options)), COLOURS)
    for name in ("a.jpe", "a.jfif"):
        path = save(tmp_path / name, np.full((8, 8, 3), 99, np.uint8), format="JPEG")
        assert abs(read_rgb(path).astype(int) - 99).max() <= 2
    Image.fromarray(COLOURS[..., 0]).save(tmp_path / "a.gif")
    assert np.array_equal(read_rgb(tmp_path / "a.gif")[..., 0], COLOURS[..., 0])


def test_alpha_that_hides_something_is_refused(tmp_path):
    half = np.full(COLOURS.shape[:2], 255, np.uint8)
    half[:, :1] = 254
    for name, values in (("rgba", np.dstack([COLOURS, half])), ("la", np.dstack([COLOURS[..., 0], half]))):
        with pytest.raises(DataError, match=rf"{name}\.png: 9\.1 % of its pixels are transparent.*without alpha"):
            read_rgb(save(tmp_path / f"{name}.png", values))
    keyed = Image.fromarray(COLOURS % 3)
    keyed.save(tmp_path / "key.png", transparency=tuple((COLOURS % 3)[0, 0].tolist()))
    with pytest.raises(DataError, match="transparent"):
        read_rgb(tmp_path / "key.png")
    index = Image.fromarray(COLOURS[..., 0] % 4, "P")
    index.putpalette(COLOURS[0, :4].tobytes())
    index.save(tmp_path / "index.png", transparency=2)
    with pytest.raises(DataError, match="transparent"):
        read_rgb(tmp_path / "index.png")
    index.save(tmp_path / "unused.png", transparency=9)
    assert np.array_equal(read_rgb(tmp_path / "unused.png"), COLOURS[0, :4][COLOURS[..., 0] % 4])


def test_sixteen_bits_are_read_as_they_are_in_every_file(tmp_path):
    rgb = DEEP[..., :3]
    files = [write_png16(tmp_path / "rgb.png", rgb), write_png16(tmp_path / "grey.png", DEEP[..., 0])]
    for order in "<>":
        for packing in (None, "zlib"):
            files.append(tmp_path / f"{ord(order)}{packing}.tif")
            tifffile.imwrite(files[-1], rgb, photometric="rgb", byteorder=order, compression=packing)
            files.append(tmp_path / f"planar{ord(order)}{packing}.tif")
            planes = np.ascontiguousarray(rgb.transpose(2, 0, 1))
            tifffile.imwrite(
                files[-1], planes, photometric="rgb", planarconfig="separate", byteorder=order, compression=packing
            )
    for file in files:
        pixels = read_pixels(file)
        assert (pixels.bits, pixels.deep) == (16, True)
        expected = DEEP[..., 0] if file.name == "grey.png" else rgb
        assert np.array_equal(pixels.values, expected), file
        assert read_header(file).bits == 16
        with pytest.raises(DataError, match=r"has more than 8 bits a channel \(16\); save it as 8-bit"):
            read_rgb(file)
    four = read_pixels(write_png16(tmp_path / "rgba.png", DEEP))
    assert np.array_equal(four.values, rgb)
    assert np.array_equal(four.alpha, DEEP[..., 3])
    assert four.transparent > 0.9
    with pytest.raises(DataError, match="16-bit numbers of kind 'LA;16B'; save 16-bit grey"):
        read_rgb(write_png16(tmp_path / "la.png", DEEP[..., :2]))


def test_the_window_is_the_percentiles_of_the_set_or_an_option(tmp_path):
    root = folder_tree(tmp_path, [str(i) for i in range(12)])
    values = [RNG.integers(100 * i, 4096, (6, 8), dtype=np.uint16) for i in range(12)]
    for i, one in enumerate(values):
        (root / "images" / f"{i}.JPG").unlink()
        save(root / "images" / f"{i}.png", one)
    low, high = np.percentile(np.stack(values), (0.5, 99.5))
    data = folder(str(root), size=[6, 8])
    assert data.facts["images"]["window"] == pytest.approx([low, high])
    assert any(
        note.startswith("images: 16-bit, ") and "percentiles 0.5 and 99.5 of 12 files" in note for note in data.notes
    )
    expected = np.array([[min(255, max(0, (v - low) / (high - low) * 255)) for v in row] for row in values[5].tolist()])
    got = data.read_image(data.ids.index("5"))
    assert abs(got[..., 0] - expected).max() <= 0.5
    assert (got == got[..., :1]).all()
    given = folder(str(root), size=[6, 8], window=[0, 4095])
    assert given.read_image(0)[0, 0, 0] == round(int(values[0][0, 0]) * 255 / 4095)
    assert not np.array_equal(
        Cache(data, "disk", tmp_path / "c").images(data.pool), Cache(given, "disk", tmp_path / "c").images(data.pool)
    )
    for window, message in (
        ([4095, 0], r"window=\[4095, 0\]: expected auto, or \[low, high\]"),
        ([1], r"window=\[1\]: expected"),
        ("full", "window='full': expected auto"),
    ):
        with pytest.raises(DataError, match=message):
            folder(str(root), size=8, window=window)
    save(root / "images" / "7.png", grey(7))
    with pytest.raises(DataError, match=r"0\.png: has more than 8 bits a channel, and 7\.png has 8 \(11 and 1 of 12"):
        folder(str(root), size=8)
    with pytest.raises(DataError, match=r"7\.png: has 8 bits a channel and others of the set more"):
        given.read_image(given.ids.index("7"))


def test_float_images_and_windows_that_cannot_be(tmp_path):
    values = np.linspace(-1, 2, 48, dtype=np.float32).reshape(6, 8)
    path = save(tmp_path / "f.tif", values)
    got = ImageReading(window=(0.0, 1.0)).decode(path)[..., 0]
    assert np.array_equal(got, (values.clip(0, 1) * 255).round().astype(np.uint8))
    values[0, 0] = np.nan
    with pytest.raises(DataError, match="NaN or infinite"):
        ImageReading(window=(0.0, 1.0)).decode(save(tmp_path / "f.tif", values))
    root = folder_tree(tmp_path / "8", [str(i) for i in range(10)])
    with pytest.raises(DataError, match=r"window=\[0\.0, 9\.0\]: the images have 8 bits a channel and need none"):
        folder(str(root), size=8, window=[0, 9])
    with pytest.raises(ValueError, match="16"):
        to_rgb(read_pixels(write_png16(tmp_path / "a.png", DEEP[..., 0])))


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        *((suffix, {}) for suffix in ("png", "jpg", "gif", "bmp", "webp", "jp2", "tif")),
        *(("tif", {"compression": packing}) for packing in ("tiff_lzw", "tiff_adobe_deflate")),
    ],
)
def test_truncated_files_are_one_line(tmp_path, suffix, options, capfd):
    values = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / f"a.{suffix}", values, **options)
    whole = path.read_bytes()
    for part in (0.05, 0.5, 0.9):
        path.write_bytes(whole[: int(part * len(whole))])
        for read in (read_rgb, binary_mask):
            with pytest.raises((DataError, OSError, SyntaxError)) as error:
                read(path)
            assert "\n" not in str(error.value)
        with pytest.raises(DataError, match=r"cannot be read \(.*\); replace the file or remove it"):
            read_rgb(path)
    assert capfd.readouterr() == ("", "")


def test_decompression_bombs_are_one_line(tmp_path, monkeypatch):
    paths = [save(tmp_path / "a.png", grey(1, (64, 64))), tmp_path / "b.tif"]
    tifffile.imwrite(paths[1], np.zeros((64, 64), np.uint32))
    monkeypatch.setenv(VARIABLE, "1000")
    for path in paths:
        with pytest.raises(DataError, match=r"(a|b)\.(png|tif): 64 x 64, .*more than dataset\.max_pixels=1,000"):
            read_rgb(path)
    with pytest.raises(DataError, match=r"dataset\.max_pixels"):
        native_size(paths[0])
