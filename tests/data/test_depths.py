"""Depth files of any type become cm; what is not measured is NaN, and what cannot be depth is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from dataset_trees import folder_tree, save
from PIL import Image

from al_lightning.config.options import options_of
from al_lightning.data import DATASETS
from al_lightning.data.dataset import DataError
from al_lightning.data.datasets.folder import folder
from al_lightning.data.depths import depth_reading
from al_lightning.data.reading import depth_map

RNG = np.random.default_rng(4)
MM = [RNG.uniform(20, 120, (6, 8)) for _ in range(10)]
"""Depth in mm."""


def store(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, values)
    else:
        save(path, values)
    return path


def depth_files(root: Path, make, suffix: str = ".png") -> list[Path]:
    return [store(root / f"{i}{suffix}", make(mm)) for i, mm in enumerate(MM)]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("invert", [False, True])
def test_the_full_range_stands_for_the_maximum_as_it_did(tmp_path, kind, invert):
    top = np.iinfo(kind).max
    files = depth_files(tmp_path, lambda mm: (mm / 200 * top).astype(kind))
    reading, notes = depth_reading(files, 20.0, invert=invert)
    for file in files:
        assert reading.decode(file).tobytes() == depth_map(file, 20.0, invert).tobytes()
    stored = np.stack([np.asarray(Image.open(file)) for file in files])
    low, high = stored.min() / top * 20, stored.max() / top * 20
    if invert:
        low, high = 20 - high, 20 - low
    assert notes == [f"depth: {np.dtype(kind).itemsize * 8}-bit, {low:.1f} to {high:.1f} cm"]


@pytest.mark.parametrize(
    ("unit", "scale", "kind", "suffix"),
    [
        ("mm", 1.0, np.uint8, ".png"),
        ("mm", 1.0, np.uint16, ".png"),
        ("mm", 0.01, np.uint16, ".tif"),
        ("cm", 0.001, np.int32, ".tif"),
        ("cm", 0.001, np.uint32, ".tif"),
        ("m", 1.0, np.float32, ".tif"),
        ("m", 1.0, np.float64, ".npy"),
        ("mm", 1.0, np.float16, ".npy"),
        ("mm", 1.0, np.int64, ".npy"),
        ("cm", 1.0, np.float64, ".tif"),
    ],
)
def test_units_scales_and_types(tmp_path, unit, scale, kind, suffix):
    per_mm = {"mm": 1.0, "cm": 0.1, "m": 0.001}[unit] / scale
    files = depth_files(tmp_path, lambda mm: (mm * per_mm).astype(kind), suffix)
    reading, notes = depth_reading(files, 20.0, unit, scale)
    for file, mm in zip(files, MM, strict=True):
        stored = (mm * per_mm).astype(kind).astype(float)
        found = reading.decode(file)
        assert found.dtype == np.float32
        assert np.allclose(found, stored * scale * {"mm": 0.1, "cm": 1, "m": 100}[unit], rtol=1e-6)
        assert np.allclose(found, mm / 10, atol=0.1)
    assert len(notes) == 1


def test_what_is_not_measured_is_nan(tmp_path):
    hole = RNG.random((6, 8)) < 0.25
    files = depth_files(tmp_path, lambda mm: np.where(hole, 0, mm).astype(np.uint16))
    reading, notes = depth_reading(files, 20.0, "mm", invalid=[0])
    for file, mm in zip(files, MM, strict=True):
        assert np.array_equal(np.isnan(reading.decode(file)), hole)
        assert np.allclose(reading.decode(file)[~hole], mm.astype(np.uint16)[~hole] / 10)
    low, high = min(mm[~hole].min() for mm in MM), max(mm[~hole].max() for mm in MM)
    share = 100 * hole.mean()
    assert notes == [f"depth: 16-bit, {int(low) / 10:.1f} to {int(high) / 10:.1f} cm, {share:.0f} % not measured"]
    assert any("hold 0, and none a number near it" in note for note in depth_reading(files, 20.0, "mm")[1])
    spoilt = np.array([[np.nan, np.inf], [-np.inf, -1.0]])

    def with_spoilt(mm):
        mm = mm.copy()
        mm[:2, :2] = spoilt
        return mm.astype(np.float32)

    files = depth_files(tmp_path / "f", with_spoilt, ".npy")
    with pytest.raises(DataError, match=r"holds -1, which would be a depth of -0\.1 cm; .*\{invalid: \[-1\]\}"):
        depth_reading(files, 20.0, "mm")
    reading, _ = depth_reading(files, 20.0, "mm", invalid=[-1])
    assert np.isnan(reading.decode(files[0])[:2, :2]).all()
    assert np.isfinite(reading.decode(files[0])[2:]).all()
    float_marker = depth_files(tmp_path / "g", lambda mm: np.where(hole, 0.1, mm).astype(np.float32), ".npy")
    assert np.array_equal(
        np.isnan(depth_reading(float_marker, 20.0, "mm", invalid=[0.1])[0].decode(float_marker[1])), hole
    )


@pytest.mark.parametrize(
    ("make", "suffix", "options", "message"),
    [
        (lambda mm: mm.astype(np.uint16), ".png", {}, r"reaches 0\.036\d cm, below 0\.5 cm, .*\{unit: mm\}"),
        (lambda mm: mm.astype(np.uint16), ".png", {"unit": "m"}, r"reaches 1\.19e\+04 cm, above 40 cm, with unit: m"),
        (lambda mm: mm.astype(np.uint16), ".png", {"unit": "cm"}, "above 40 cm"),
        (lambda mm: (mm / 1000).astype(np.float32), ".tif", {"unit": "mm"}, "below 0.5 cm"),
        (lambda mm: mm.astype(np.float32), ".tif", {}, r"the depth is float32, whose full range .*\{unit: mm\}"),
        (lambda mm: mm.astype(np.int32), ".tif", {}, "the depth is int32"),
        (lambda mm: mm.astype(np.uint8), ".png", {"scale": 0.1}, r"scale=0\.1: needs a unit"),
        (lambda mm: mm.astype(np.uint8), ".png", {"scale": 0}, "scale=0: expected a number above 0"),
        (lambda mm: np.zeros((6, 8), np.uint16), ".png", {"unit": "mm", "invalid": [0]}, "no pixel of 10 depth files"),
        (lambda mm: np.full((6, 8), np.nan, np.float32), ".npy", {"unit": "mm"}, "no pixel of 10 depth files"),
        (lambda mm: np.zeros((6, 8, 2)), ".npy", {"unit": "mm"}, r"0\.npy: holds an array of shape \(6, 8, 2\)"),
        (lambda mm: np.zeros((6, 8), complex), ".npy", {"unit": "mm"}, "holds complex128"),
        (lambda mm: mm > 99, ".png", {}, "holds 0 and 1 only"),
        (lambda mm: np.stack([mm, mm / 2, mm / 3], 2).astype(np.uint8), ".png", {}, r"0\.png: holds colours"),
    ],
)
def test_what_cannot_be_depth_is_refused(tmp_path, make, suffix, options, message):
    files = depth_files(tmp_path, make, suffix)
    with pytest.raises(DataError, match=message) as error:
        depth_reading(files, 20.0, **options)
    assert "\n" not in str(error.value)


def test_colour_maps_and_mixed_types_are_refused(tmp_path):
    files = depth_files(tmp_path, lambda mm: mm.astype(np.uint8))
    index = Image.fromarray(MM[0].astype(np.uint8), "P")
    index.putpalette(bytes(range(256)) * 3)
    index.save(files[0])
    with pytest.raises(DataError, match=r"0\.png: holds colours, of which the depth is not known"):
        depth_reading(files, 20.0)
    index.putpalette(np.repeat(np.arange(255, -1, -1, np.uint8), 3).tobytes())  # grey, but the other way round
    index.save(files[0])
    reading, _ = depth_reading(files, 20.0)
    assert np.array_equal(
        reading.decode(files[0]), depth_map(save(tmp_path / "x.png", 255 - MM[0].astype(np.uint8)), 20.0)
    )
    store(files[3], MM[3].astype(np.uint16))
    with pytest.raises(DataError, match=r"0\.png: holds uint8, and 3\.png uint16; save all depth files with one type"):
        depth_reading(files, 20.0)
    with pytest.raises(DataError, match=r"3\.png: holds uint16 and the other depth files uint8; save all alike"):
        reading.decode(files[3])
    clear = np.dstack([MM[0], MM[0], MM[0], MM[0]]).astype(np.uint8)
    with pytest.raises(DataError, match="transparent in places"):
        reading.decode(save(tmp_path / "clear.png", clear))


def test_suspicious_ranges_are_noted(tmp_path):
    files = depth_files(tmp_path, lambda mm: (mm * 2).astype(np.uint16))
    notes = depth_reading(files, 20.0, "mm")[1]
    beyond = np.mean([(mm * 2).astype(int) > 200 for mm in MM])
    assert notes[1].startswith(f"depth: {100 * beyond:.2g} % of the pixels are further than maximum_cm=20, ")
    notes = depth_reading(depth_files(tmp_path, lambda mm: (mm / 10).astype(np.uint8)), 20.0, "mm")[1]
    assert notes[1].startswith("depth: nothing is further than 1.1 cm of maximum_cm=20; check unit")


def test_openexr_needs_a_library(tmp_path, monkeypatch):
    (tmp_path / "0.exr").write_bytes(b"\x76\x2f\x31\x01")
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(DataError, match=r"0\.exr: reading OpenEXR needs a library; pip install OpenEXR, or save \.npy"):
        depth_reading([tmp_path / "0.exr"], 20.0, "m")


def test_openexr_where_it_is_installed(tmp_path):
    exr = pytest.importorskip("OpenEXR")
    for name in ("Z", "Y", "R"):
        channels = {name: MM[0].astype(np.float32)}
        exr.File({"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}, channels).write(
            str(tmp_path / "0.exr")
        )
        reading, _ = depth_reading([tmp_path / "0.exr"], 20.0, "mm")
        assert np.allclose(reading.decode(tmp_path / "0.exr"), MM[0] / 10, rtol=1e-6)


def test_a_folder_of_depth(tmp_path):
    names = [str(i) for i in range(10)]
    root = folder_tree(tmp_path, names, targets="depth")
    hole = np.zeros((6, 8), bool)
    hole[:3] = True
    for name, mm in zip(names, MM, strict=True):
        (root / "depth" / f"{name}.png").unlink()
        store(root / "depth" / f"{name}.npy", np.where(hole, 0, mm))
    given = {"root": str(root), "task": "depth", "unit": "mm", "invalid": [0], "size": 8}
    data = folder(**options_of("dataset", DATASETS, "folder", given))
    row = data.ids.index("4")
    assert np.array_equal(np.isnan(data.read_target(row)), hole)
    assert data.notes[0].startswith("depth: float32, 2.")
    assert data.notes[0].endswith(" cm, 50 % not measured")
    assert json.loads(json.dumps(data.facts))["depth"]["unit"] == "mm"
    assert data.task.maximum == 20.0
    figure = data.plot(row)
    assert figure.axes[1].get_xlabel() == "grey: not measured"
    figure.draw_without_rendering()
    for name in data.test:
        store(root / "depth" / f"{data.ids[name]}.npy", np.zeros((6, 8)))
    with pytest.raises(DataError, match=r"all other targets of test \(\d\) is not measured"):
        folder(**options_of("dataset", DATASETS, "folder", given))


def test_an_npz_of_one_array_is_depth(tmp_path):
    metres = np.tile(np.linspace(0.02, 0.12, 8), (6, 1)).astype(np.float16)
    np.savez(tmp_path / "a.npz", depth=metres)
    reading, _ = depth_reading([tmp_path / "a.npz"], 20.0, unit="m")
    assert reading.decode(tmp_path / "a.npz") == pytest.approx(100 * metres.astype(float), rel=1e-5)
    np.savez(tmp_path / "b.npz", depth=metres, valid=metres)
    with pytest.raises(DataError, match=r"b\.npz: holds 2 arrays \(depth, valid\); save the depth alone"):
        reading.decode(tmp_path / "b.npz")
