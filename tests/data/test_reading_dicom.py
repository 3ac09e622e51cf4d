"""DICOM: pictures that pydicom writes come back."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from al_lightning.data.dataset import DataError
from al_lightning.data.images import ImageReading
from al_lightning.data.pictures import read_header, read_pixels
from al_lightning.data.reading import native_size, read_rgb

pydicom = pytest.importorskip("pydicom")
RNG = np.random.default_rng(2)


def write(path: Path, values: np.ndarray, kind: str, bits: int, **more) -> Path:
    found = pydicom.Dataset()
    found.file_meta = pydicom.dataset.FileMetaDataset()
    found.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    found.SOPClassUID, found.SOPInstanceUID = pydicom.uid.SecondaryCaptureImageStorage, pydicom.uid.generate_uid()
    frames = more.pop("NumberOfFrames", None)
    found.Rows, found.Columns = values.shape[1:3] if frames else values.shape[:2]
    found.SamplesPerPixel = 3 if kind == "RGB" else 1
    if kind == "RGB":
        found.PlanarConfiguration = 0
    found.PhotometricInterpretation = kind
    found.BitsAllocated, found.BitsStored, found.HighBit = values.dtype.itemsize * 8, bits, bits - 1
    found.PixelRepresentation = int(values.dtype.kind == "i")
    if frames:
        found.NumberOfFrames = frames
    for name, value in more.items():
        setattr(found, name, value)
    found.PixelData = values.tobytes()
    found.save_as(path, enforce_file_format=True)
    return path


def test_colours_grey_and_deep_pictures(tmp_path):
    rgb = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    path = write(tmp_path / "a.dcm", rgb, "RGB", 8)
    assert np.array_equal(read_rgb(path), rgb)
    assert native_size(path) == (6, 8)
    grey = rgb[..., 0]
    assert np.array_equal(
        read_rgb(write(tmp_path / "b.dcm", np.ascontiguousarray(grey), "MONOCHROME2", 8))[..., 1], grey
    )
    white = write(tmp_path / "c.dcm", np.ascontiguousarray(grey), "MONOCHROME1", 8)
    assert np.array_equal(read_rgb(white)[..., 1], 255 - grey)
    deep = RNG.integers(0, 4096, (6, 8), dtype=np.uint16)
    path = write(tmp_path / "d.dcm", deep, "MONOCHROME1", 12)
    assert np.array_equal(read_pixels(path).values, 4095 - deep)
    assert read_header(path).bits == 16
    with pytest.raises(DataError, match="more than 8 bits"):
        read_rgb(path)
    scaled = write(tmp_path / "e.dcm", deep, "MONOCHROME2", 12, RescaleSlope="2", RescaleIntercept="-1000")
    assert np.array_equal(read_pixels(scaled).values, deep * 2.0 - 1000)
    window = ImageReading(window=(-1000.0, 7190.0)).decode(scaled)[..., 0]
    assert abs(window - deep / 4095 * 255).max() <= 0.5


def test_frames_are_pages(tmp_path):
    frames = RNG.integers(0, 256, (3, 6, 8), dtype=np.uint8)
    path = write(tmp_path / "a.dcm", frames, "MONOCHROME2", 8, NumberOfFrames=3)
    with pytest.raises(DataError, match=r"a\.dcm: holds 3 pages"):
        read_rgb(path)
    assert np.array_equal(ImageReading(page=2).decode(path)[..., 0], frames[1])


def test_without_pydicom_and_without_a_picture(tmp_path, monkeypatch):
    path = write(tmp_path / "a.dcm", np.zeros((6, 8), np.uint8), "MONOCHROME2", 8)
    (tmp_path / "b.dcm").write_bytes(b"no DICOM")
    with pytest.raises(DataError, match=r"b\.dcm: cannot be read"):
        read_rgb(tmp_path / "b.dcm")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(DataError, match=r"a\.dcm: reading DICOM needs pydicom; pip install 'al-lightning\[dicom\]'"):
        read_rgb(path)
