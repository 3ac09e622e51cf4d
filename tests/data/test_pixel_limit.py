"""Files of too many pixels are refused by their header, and large ones take a small multiple of their bytes."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from dataset_trees import folder_tree
from PIL import Image

from al_lightning.cli.main import main
from al_lightning.config.schema import MAX_PIXELS
from al_lightning.data.building import build_section
from al_lightning.data.dataset import DataError
from al_lightning.data.depth_files import exr_size, read_numbers
from al_lightning.data.images import ImageReading
from al_lightning.data.pictures import read_header, read_pixels
from al_lightning.data.pictures.limit import VARIABLE, allow_pixels, by_blocks, max_pixels, packed

SIDE = 9000
"""Of a picture of 81 megapixels."""
EXR = b"\x76\x2f\x31\x01\x02\0\0\0channels\0chlist\0\x01\0\0\0\0"


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    """The limit, and Pillow's own, as they are at the beginning of a process."""
    monkeypatch.setenv(VARIABLE, str(MAX_PIXELS))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


def png(path: Path, width: int, height: int) -> Path:
    """A PNG of one bit and no content of that size: a header of which Pillow believes all."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    return path


def npy(path: Path, shape: tuple[int, ...]) -> Path:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return path


def tiff(path: Path, bits: int) -> Path:
    """A TIFF whose tags say 81 megapixels, read by Pillow (8 bits) or tifffile (32 bits)."""
    tifffile.imwrite(path, np.zeros((4, 6), {8: np.uint8, 32: np.uint32}[bits]))
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        for tag in ("ImageWidth", "ImageLength"):
            found = file.pages[0].tags[tag]
            struct.pack_into("<I" if found.dtype == 4 else "<H", data, found.valueoffset, SIDE)
    path.write_bytes(data)
    return path


def dicom(path: Path) -> Path:
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileDataset, FileMetaDataset

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    one = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    one.Rows = one.Columns = SIDE
    one.BitsAllocated = one.BitsStored = 8
    one.SamplesPerPixel, one.PhotometricInterpretation, one.PixelRepresentation = 1, "MONOCHROME2", 0
    one.PixelData = b"\0\0"
    one.save_as(path)
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: png(folder / "a.png", SIDE, SIDE),
        lambda folder: png(folder / "a.png", 20_000, 20_000),  # Pillow refuses this one itself
        lambda folder: tiff(folder / "a.tif", 8),
        lambda folder: tiff(folder / "a.tif", 32),
        lambda folder: dicom(folder / "a.dcm"),
    ],
)
@pytest.mark.parametrize("read", [read_header, read_pixels, ImageReading().decode, read_numbers])
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(tmp_path, make, read):
    path = make(tmp_path)
    assert path.stat().st_size < 20_000
    with pytest.raises(DataError, match=rf"^{path}: .*pixels, more than dataset\.max_pixels=50,000,000 takes"):
        read(path)


@pytest.mark.parametrize("shape", [(SIDE, SIDE), (10**6, 10**6), (10**12,), (10**9, 10**9, 10**9)])
def test_an_array_is_refused_by_its_header(tmp_path, shape):
    with pytest.raises(DataError, match=r"a\.npy: .*more than dataset\.max_pixels"):
        read_numbers(npy(tmp_path / "a.npy", shape))


def test_an_array_that_ends_too_early_is_refused_before_it_is_made_room_for(tmp_path):
    with pytest.raises(ValueError, match=r"ends after 0 bytes of an array of \[7000, 7000\] float32"):
        read_numbers(npy(tmp_path / "a.npy", (7000, 7000)))


def test_the_size_of_an_openexr_file_is_in_its_header(tmp_path):
    path = tmp_path / "a.exr"
    path.write_bytes(EXR + b"dataWindow\0box2i\0\x10\0\0\0" + struct.pack("<4i", -1, 0, 8998, 17))
    assert exr_size(path) == (18, 9000)
    path.write_bytes(EXR)
    with pytest.raises(ValueError, match="no dataWindow"):
        exr_size(path)


def test_the_limit_is_an_option_of_the_config_for_every_dataset(tmp_path, capsys):
    root = folder_tree(tmp_path / "set", [str(i) for i in range(12)])
    png(root / "images" / "0.JPG", SIDE, SIDE)
    words = ["check", f"dataset.options.root={root}", "-o", str(tmp_path / "audit")]
    assert main(words) in (1, 2)
    told = " ".join("".join(capsys.readouterr()).split())
    assert "9000 x 9000, which are 81,000,000 pixels, more than dataset.max_pixels=50,000,000" in told
    assert main([*words, "dataset.max_pixels=0"]) == 2
    assert "dataset.max_pixels=0: expected a number of at least 1" in capsys.readouterr().err
    main([*words, "dataset.max_pixels=100"])
    assert max_pixels() == 100


def test_more_than_pillow_takes_can_be_allowed(tmp_path):
    path = png(tmp_path / "a.png", 20_000, 20_000)
    allow_pixels(400_000_000)
    assert read_header(path).size == (20_000, 20_000)
    allow_pixels(399_999_999)
    with pytest.raises(DataError, match=r"400,000,000 pixels, more than dataset\.max_pixels=399,999,999"):
        read_header(path)


def test_a_dataset_is_read_under_its_own_limit(tmp_path):
    from al_lightning.config.schema import DatasetSection

    root = folder_tree(tmp_path / "set", [str(i) for i in range(12)])
    section = DatasetSection("folder", {"root": str(root), "size": 8}, max_pixels=48)
    assert build_section(section).read_image(0).shape == (6, 8, 3)
    section.max_pixels = 47
    with pytest.raises(ValueError, match=r"8 x 6, which are 48 pixels, more than dataset\.max_pixels=47"):
        build_section(section)


def test_packed_numbers_are_one_a_colour():
    colours = np.array([[[1, 2, 3], [255, 255, 255]]], np.uint8)
    assert packed(colours).tolist() == [[0x010203, 0xFFFFFF]]
    assert packed(colours).dtype == np.uint32
    assert packed(colours.astype(np.uint16)).tolist() == [[0x0001_0002_0003, 0x00FF_00FF_00FF]]
    assert packed(colours.astype(np.float32)).tolist() == [[0x0001_0002_0003, 0x00FF_00FF_00FF]]


def test_blocks_are_the_whole():
    values = np.arange(7 * 11, dtype=np.uint16).reshape(7, 11)
    found = by_blocks(values, np.empty(values.shape, np.float32), lambda rows: rows * 2.5)
    assert np.array_equal(found, values * np.float32(2.5))


MEASURE = """
import sys
from pathlib import Path
import numpy as np
import scipy.ndimage
from al_lightning.data.depths import DepthReading
from al_lightning.data.images import ImageReading
from al_lightning.data.masks import MaskReading
from al_lightning.data.masks.survey import seen
how = {
    "image": ImageReading().decode,
    "deep": ImageReading(window=(0, 4000)).decode,
    "seen": seen,
    "colours": MaskReading("colours", ("a", "b"), colours=((0, 0, 0, 0), (255, 0, 0, 1))).decode,
    "depth": DepthReading("uint16", 20.0, "mm", invalid=(0.0,)).decode,
}[sys.argv[1]]
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
how(Path(sys.argv[3]))
open("/proc/self/clear_refs", "w").write("5")
before = peak()
how(Path(sys.argv[2]))
print((peak() - before) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is read from Linux")
@pytest.mark.parametrize(
    ("how", "kind", "bytes_a_pixel"),
    [("image", "rgb", 12), ("deep", "deep", 12), ("seen", "rgb", 20), ("colours", "rgb", 15), ("depth", "deep", 15)],
)
def test_a_large_picture_takes_a_small_multiple_of_its_bytes(tmp_path, how, kind, bytes_a_pixel):
    files = []
    for side in (3000, 60):
        mask = np.zeros((side, side), bool)
        mask[side // 4 : side // 2] = True
        values = np.zeros((side, side, 3), np.uint8) if kind == "rgb" else mask * np.uint16(3000)
        if kind == "rgb":
            values[mask] = (255, 0, 0)
        files.append(tmp_path / f"{side}.png")
        Image.fromarray(values).save(files[-1])
    done = subprocess.run([sys.executable, "-c", MEASURE, how, *map(str, files)], capture_output=True, check=True)
    assert int(done.stdout) < bytes_a_pixel * 3000**2
