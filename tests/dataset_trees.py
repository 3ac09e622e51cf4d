"""Writers of tiny data sets in exactly the published layouts, and `TREES`, which holds one for each dataset."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from al_lightning.data.dataset import DenseDataset

CITIES = {"aachen": ("train", 6), "bochum": ("train", 1), "ulm": ("train", 3), "lindau": ("val", 4)}
"""city -> (published split, frames)."""
FINE = ("labelTrainIds", "labelIds", "instanceIds")
"""Kinds of label images that Cityscapes publishes."""


def save(path: Path, values: Any, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values)).save(path, **options)
    return path


def grey(value: int, size: tuple[int, int] = (6, 8)) -> np.ndarray:
    return np.full((*size, 3), value, dtype=np.uint8)


def half(value: int = 255, size: tuple[int, int] = (6, 8)) -> np.ndarray:
    """0 on the left, `value` on the right."""
    mask = np.zeros(size, dtype=np.uint8)
    mask[:, size[1] // 2 :] = value
    return mask


def clinicdb_tree(root: Path, frames: int = 612, size: tuple[int, int] = (6, 8)) -> Path:
    for frame in range(1, frames + 1):
        save(root / "Original" / f"{frame}.tif", grey(frame % 256, size))
        save(root / "Ground Truth" / f"{frame}.tif", half(size=size))
    return root


def depth_tree(root: Path, folders: dict[str, int]) -> Path:
    """{folder: frames}; the depth of frame n is n on the left and 255 on the right."""
    for folder, count in folders.items():
        for n in range(count):
            save(root / folder / f"FrameBuffer_{n:04d}.png", grey(n % 256))
            save(root / folder / f"Depth_{n:04d}.png", np.maximum(half(), np.uint8(n % 255)))
    return root


def glas_tree(root: Path, counts: dict[str, int]) -> Path:
    for prefix, count in counts.items():
        for i in range(1, count + 1):
            objects = np.zeros((6, 8), dtype=np.uint8)
            objects[1:3, 1:3], objects[4:, 5:] = 1, 7
            save(root / f"{prefix}_{i}.bmp", grey(i))
            save(root / f"{prefix}_{i}_anno.bmp", objects)
    return root


def isic_tree(root: Path, counts: dict[str, int]) -> Path:
    number = 0
    for split, count in counts.items():
        for _ in range(count):
            data, truth = root / f"ISIC-2017_{split}_Data", root / f"ISIC-2017_{split}_Part1_GroundTruth"
            save(data / f"ISIC_{number:07d}.jpg", grey(number))
            save(data / f"ISIC_{number:07d}_superpixels.png", grey(3))
            save(truth / f"ISIC_{number:07d}_segmentation.png", half())
            number += 1
    return root


CAMVID = {
    "train": [*(f"0001TP_{n:06d}" for n in range(8400, 8550, 30)), "0006R0_f00930", "0016E5_07920", "0016E5_08190"],
    "val": ["0016E5_07959", "0016E5_07961"],
    "test": ["0001TP_008550", "0001TP_008580", "Seq05VD_f00000"],
}


def camvid_tree(root: Path) -> Path:
    labels = (np.arange(48, dtype=np.uint8) % 12).reshape(6, 8)
    for split, names in CAMVID.items():
        lines = []
        for i, name in enumerate(names):
            save(root / split / f"{name}.png", grey(i))
            save(root / f"{split}annot" / f"{name}.png", labels)
            lines.append(f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png")
        (root / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return root


def cityscapes_tree(root: Path, cities: dict[str, tuple[str, int]], kinds: tuple[str, ...]) -> Path:
    """{city: (split, frames)}; label ids run 0 ... 33, train ids 0 ... 18 and 255."""
    label_ids = np.minimum(np.arange(48), 33).astype(np.uint8).reshape(6, 8)
    train_ids = np.where(np.arange(48) < 19, np.arange(48), 255).astype(np.uint8).reshape(6, 8)
    for city, (split, count) in cities.items():
        for n in range(count):
            stem = f"{city}_{n:06d}_000019"
            save(root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png", grey(n))
            fine = root / "gtFine" / split / city
            for kind in kinds:
                save(fine / f"{stem}_gtFine_{kind}.png", label_ids if kind == "labelIds" else train_ids)
            save(fine / f"{stem}_gtFine_color.png", grey(n))
            (fine / f"{stem}_gtFine_polygons.json").write_text("{}")
    return root


def bdd_tree(root: Path, old: bool, counts: dict[str, int]) -> Path:
    images, labels, suffix = ("seg/images", "seg/labels", "_train_id") if old else (
        "images/10k", "labels/sem_seg/masks", ""
    )  # fmt: skip
    train_ids = np.where(np.arange(48) < 19, np.arange(48), 255).astype(np.uint8).reshape(6, 8)
    for split, count in counts.items():
        for n in range(count):
            name = f"{split[0]}{n // 2:07x}-{n:08x}"
            save(root / images / split / f"{name}.jpg", grey(n))
            save(root / labels / split / f"{name}{suffix}.png", train_ids)
    return root


def kvasir_tree(root: Path, count: int = 12, sessile: int = 3) -> Path:
    """Kvasir-SEG at `root`, and beside it a sessile sibling with the first names."""
    for folder, number in ((root, count), (root.parent / "sessile-main-Kvasir-SEG", sessile)):
        for i in range(number):
            save(folder / "images" / f"cju{i:02d}.jpg", grey(i))
            save(folder / "masks" / f"cju{i:02d}.jpg", half(), quality=95)
    return root


def folder_tree(root: Path, names: list[str], unlabelled: tuple[str, ...] = (), targets: str = "masks") -> Path:
    """images/<name>.JPG, and masks/<name>.png (or depth/) of all but the unlabelled."""
    for i, name in enumerate(names):
        save(root / "images" / f"{name}.JPG", grey(i), format="JPEG")
        if name not in unlabelled:
            save(root / targets / f"{name}.png", half())
    return root


def write_tiff(path: Path, values: np.ndarray, planar: bool, deflate: bool, rows: int = 4) -> Path:
    """A baseline TIFF of (H, W, C) uint8 or uint16 in strips, written without Pillow, which saves no planar ones."""
    height, width, samples = values.shape
    bits = values.dtype.itemsize * 8
    planes = [values[..., i] for i in range(samples)] if planar else [values]
    little = values.dtype.newbyteorder("<")
    strips = [plane[y : y + rows].astype(little).tobytes() for plane in planes for y in range(0, height, rows)]
    if deflate:
        strips = [zlib.compress(strip) for strip in strips]
    data = bytearray(b"II*\0\0\0\0\0")
    offsets = []
    for strip in strips:
        offsets.append(len(data))
        data += strip
    tags = {
        256: [width], 257: [height], 258: [bits] * samples, 259: [8 if deflate else 1],
        262: [2 if samples >= 3 else 1], 273: offsets, 277: [samples], 278: [rows],
        279: [len(strip) for strip in strips], 284: [2 if planar else 1],
    }  # fmt: skip
    entries = b""
    for tag, numbers in tags.items():
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        if len(numbers) > 1:
            where = struct.pack("<I", len(data))
            data += packed
            packed = where
        entries += struct.pack("<HHI", tag, 4, len(numbers)) + packed
    data[4:8] = struct.pack("<I", len(data))
    data += struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(data))
    return path


def split_ids(data: DenseDataset) -> tuple[list[str], list[str], list[str]]:
    """Ids of pool, validation and test, after a check that no row is in two of them and ids are unique."""
    rows = np.concatenate([data.pool, data.validation, data.test])
    assert len(np.unique(rows)) == len(rows)
    assert len(set(data.ids)) == len(data.ids)
    pool, validation, test = ([data.ids[row] for row in split] for split in (data.pool, data.validation, data.test))
    return pool, validation, test


def read_targets(data: DenseDataset) -> list[np.ndarray]:
    return [data.read_target(row) for row in range(len(data.ids))]


class Tree(NamedTuple):
    """A tiny copy of one dataset."""

    write: Callable[[Path], object]
    """Writes it at the option `root`."""
    options: Mapping[str, Any] = {}
    """Beside root."""
    needed: str | None = None
    """Sub-folder that may not be empty; None where this says nothing of a published layout."""


TREES = {
    "bdd100k": Tree(lambda root: bdd_tree(root, False, {"train": 6, "val": 2}), needed="images/10k/val"),
    "camvid": Tree(camvid_tree, needed="val"),
    "cityscapes": Tree(lambda root: cityscapes_tree(root, CITIES, FINE[:1]), needed="leftImg8bit/val"),
    "clinicdb": Tree(lambda root: clinicdb_tree(root, 90), {"validation": 20, "test": 20}, "Original"),
    "colonoscopy-depth": Tree(lambda root: depth_tree(root, {"T1": 12, "T2": 12, "T3": 12}), needed="T2"),
    "folder": Tree(lambda root: folder_tree(root, [str(i) for i in range(20)], ("3",))),
    "glas": Tree(lambda root: glas_tree(root, {"train": 5, "testA": 2, "testB": 2}), needed=""),
    "isic2017": Tree(
        lambda root: isic_tree(root, {"Training": 4, "Validation": 2, "Test_v2": 2}), needed="ISIC-2017_Validation_Data"
    ),
    "kvasir": Tree(kvasir_tree, {"validation": 3}, "images"),
    "synthetic": Tree(lambda root: None, {"render_size": 24, "pool": 8, "validation": 8, "test": 8}),
}
"""name in DATASETS -> a tree of its files; the tests of the table fail for a dataset without one."""
