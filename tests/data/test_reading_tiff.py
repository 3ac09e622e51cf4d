"""TIFFs that Pillow refuses or reads wrongly without a word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from dataset_trees import half, split_ids, write_tiff

from al_lightning.data.dataset import DataError
from al_lightning.data.datasets.clinicdb import clinicdb
from al_lightning.data.pictures import read_pixels
from al_lightning.data.reading import binary_mask, index_map, native_size, read_rgb

RNG = np.random.default_rng(5)
COLOURS = RNG.integers(0, 256, (10, 12, 3), dtype=np.uint8)


def tagged(path: Path, photometric: int) -> Path:
    """The file with another photometric tag."""
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        where, order = file.pages[0].tags[262].valueoffset, file.byteorder
    data[where : where + 2] = photometric.to_bytes(2, "little" if order == "<" else "big")
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("deflate", [False, True])
def test_rgb_that_is_tagged_grey(tmp_path, planar, deflate):
    for photometric in (0, 1):
        path = tagged(write_tiff(tmp_path / "a.tif", COLOURS, planar, deflate), photometric)
        assert np.array_equal(read_rgb(path), COLOURS)
        assert native_size(path) == (10, 12)
    big = tmp_path / "big.tif"
    tifffile.imwrite(big, COLOURS, photometric="rgb", byteorder=">")
    assert np.array_equal(read_rgb(tagged(big, 1)), COLOURS)
    from PIL import Image

    for packing in ("tiff_lzw", "packbits"):
        Image.fromarray(COLOURS).save(tmp_path / "packed.tif", compression=packing)
        assert np.array_equal(read_rgb(tagged(tmp_path / "packed.tif", 1)), COLOURS)
    mask = half(size=(10, 12))
    path = tagged(write_tiff(tmp_path / "m.tif", np.stack([mask] * 3, 2), planar, deflate), 1)
    assert np.array_equal(binary_mask(path), mask // 255)


def test_clinicdb_as_its_publisher_encodes_it(tmp_path):
    for n in range(1, 90):
        tagged(write_tiff(tmp_path / "Original" / f"{n}.tif", COLOURS, False, False), 1)
        mask = np.stack([half(size=(10, 12))] * 3, 2)
        tagged(write_tiff(tmp_path / "Ground Truth" / f"{n}.tif", mask, False, False), 1)
    data = clinicdb(str(tmp_path), 8, validation=20, test=20)
    assert sum(map(len, split_ids(data))) == 89
    assert np.array_equal(data.read_image(5), COLOURS)
    assert np.array_equal(data.read_target(5), half(1, (10, 12)))
    assert clinicdb(str(tmp_path), 8, "paper", sequences="auto", validation=20, test=20).facts["sequences"] == 1


def test_numbers_that_pillow_changes(tmp_path):
    deep = RNG.integers(0, 65536, (10, 12), dtype=np.uint16)
    path = tmp_path / "a.tif"
    for photometric in ("miniswhite", "minisblack"):
        stored = 65535 - deep if photometric == "miniswhite" else deep
        tifffile.imwrite(path, stored, photometric=photometric)
        assert np.array_equal(index_map(path), deep)
    wide = RNG.integers(0, 2**32, (10, 12), dtype=np.uint32)
    tifffile.imwrite(path, wide)
    assert np.array_equal(read_pixels(path).values, wide)
    for kind in (np.float16, np.float32, np.float64, np.int16, np.int32):
        values = (RNG.normal(0, 99, (10, 12))).astype(kind)
        tifffile.imwrite(path, values)
        assert np.array_equal(read_pixels(path).values, values)
    four = RNG.integers(0, 256, (4, 10, 12), dtype=np.uint8)
    tifffile.imwrite(path, four, photometric="rgb", planarconfig="separate", extrasamples=["unassalpha"])
    pixels = read_pixels(path)
    assert np.array_equal(pixels.values, four[:3].transpose(1, 2, 0))
    assert np.array_equal(pixels.alpha, four[3])
    tifffile.imwrite(path, COLOURS, photometric="rgb", bigtiff=True)
    assert np.array_equal(read_rgb(path), COLOURS)


def test_kinds_that_nobody_reads_are_one_line(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, RNG.integers(0, 9, (7, 10, 12), dtype=np.uint16), photometric="minisblack", planarconfig="separate"
    )
    with pytest.raises(DataError, match=r"a\.tif: .*7 planar samples of 16 bits a pixel; save grey levels or RGB"):
        read_rgb(path)
    tifffile.imwrite(path, np.zeros((10, 12), np.complex64))
    with pytest.raises(DataError, match=r"a\.tif: a TIFF of complex64 numbers"):
        read_rgb(path)
    path.write_bytes(b"II*\0" + b"\xff" * 40)
    with pytest.raises(DataError, match=r"a\.tif: cannot be read"):
        read_rgb(path)
