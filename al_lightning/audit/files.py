"""What is read of one image and its target; every defect is reported, none stops the audit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from al_lightning.audit.pairs import STORED, thumbnail
from al_lightning.core.task import IGNORE
from al_lightning.data.dataset import DataError, DenseDataset
from al_lightning.data.masks import MaskReading
from al_lightning.data.reading import binary_mask, decoded, grey_levels, is_deep, threshold_map

Severity = Literal["error", "warning", "info"]
Defect = tuple[str, Severity, Path, str]
"""(kind, severity, file, detail)"""

CONSTANT = 2.0
"""Standard deviation in grey levels below which an image shows nothing."""
GREY = (32, 223)
"""Grey levels between which a pixel of a mask is neither background nor foreground. The masks of Kvasir-SEG, which
are JPEG, hold none."""
GREY_FRACTION = 0.05
"""Fraction of the pixels of a mask that may be grey: the outline of a mask that was resized stays below."""
GREY_OF_BRIGHT = 0.5
"""Fraction of the pixels above black that may be grey: a small object painted grey is above."""


@dataclass(frozen=True)
class Finding:
    """Something about one image, or about two that should not be alike."""

    kind: str
    """Such as `truncated`, `mask size`, `exact duplicate`, `near duplicate`, `same name`."""
    severity: Severity
    ids: tuple[str, ...]
    """One id, or the two of a pair."""
    paths: tuple[str, ...]
    """The file of each id."""
    splits: tuple[str, ...]
    """pool, validation, test, or held out (in no split), of each id."""
    detail: str
    distance: float | None = None
    """1 - correlation of the two pictures; 0 for equal pixels; None for one image, or if one cannot be read."""
    same_name: bool = False
    """The two files of a pair have one name."""


@dataclass(frozen=True)
class FileRecord:
    """What was read of one row."""

    defects: tuple[Defect, ...]
    thumbnail: NDArray[np.uint8] | None = None
    """(80, 80); None where the image cannot be read."""
    size: tuple[int, int] | None = None
    """(H, W)"""
    file_hash: str = ""
    pixel_hash: str = ""


def inspect_row(dataset: DenseDataset, row: int) -> FileRecord:
    """Read a row's image and target once and keep what the audit compares."""
    path = dataset.images[row]
    try:
        image = dataset.read_image(row)
        file_hash = hashlib.sha256(path.read_bytes()).hexdigest()
    except (DataError, OSError) as error:
        broken: Defect = (_kind(path, error), "error", path, _reason(error, path))
        return FileRecord((broken, *inspect_target(dataset, row, None)))
    size = (image.shape[0], image.shape[1])
    defects: list[Defect] = []
    step = max(1, min(size) // 256)
    spread = float(image[::step, ::step].mean(axis=2, dtype=np.float32).std())
    if spread < CONSTANT:
        defects.append(("constant image", "warning", path, f"standard deviation {spread:.2f} grey levels"))
    defects += inspect_target(dataset, row, size)
    return FileRecord(
        tuple(defects),
        # Without content there is nothing to compare; zeros are in no pair.
        np.zeros((STORED, STORED), np.uint8) if spread < CONSTANT else thumbnail(image),
        size,
        file_hash,
        hashlib.sha256(repr(size).encode() + np.ascontiguousarray(image).tobytes()).hexdigest(),
    )


def inspect_target(dataset: DenseDataset, row: int, size: tuple[int, int] | None) -> list[Defect]:
    """Defects of a row's target.

    Args:
        dataset (DenseDataset): the dataset.
        row (int): dataset row.
        size (tuple[int, int] | None): (H, W) of its image; None where that is unknown.
    """
    path = dataset.targets[row]
    if path is None:
        return []
    noun = "mask" if dataset.task.kind == "segmentation" else "depth"
    try:
        target = decoded(path, dataset.decode_target)
    except (DataError, OSError) as error:
        return [(f"{noun} {_kind(path, error)}", "error", path, _reason(error, path))]
    defects: list[Defect] = []
    if size is not None and target.shape[:2] != size:
        sizes = f"{target.shape[1]} x {target.shape[0]}, but the image is {size[1]} x {size[0]} (width x height)"
        defects.append((f"{noun} size", "error", path, sizes))
    if noun == "mask":
        defects += [(kind, "warning", path, detail) for kind, detail in _mask_content(dataset, target)]
        defects += [("mask grey", "warning", path, detail) for detail in _grey(path, dataset.decode_target)]
    elif not (measured := target[np.isfinite(target)]).size:
        defects.append(("depth empty", "warning", path, "no pixel is measured"))
    elif measured.min() == measured.max():
        defects.append(("depth constant", "warning", path, f"{measured.min():.4g} cm everywhere"))
    return defects


def _mask_content(dataset: DenseDataset, target: NDArray[Any]) -> list[tuple[str, str]]:
    values = np.flatnonzero(np.bincount(target.reshape(-1).astype(np.uint8), minlength=256))
    labels = values[values != IGNORE]
    classes = dataset.task.classes
    if len(labels) > 1:
        return []
    if not len(labels):
        return [("mask empty", "every pixel is void")]
    label = int(labels[0])
    if len(classes) == 2:
        if label == 0:
            return [("mask empty", f"no pixel is {classes[1]}")]
        return [("mask full", f"every pixel is {classes[1]}")]
    return [("mask constant", f"every pixel is {classes[label] if label < len(classes) else label}")]


def _grey(path: Path, decode: Callable[[Path], NDArray[Any]]) -> list[str]:
    """Whether a mask that is cut at half holds much that is neither black nor white."""
    reading = getattr(decode, "__self__", None)
    if isinstance(reading, MaskReading):
        if reading.how != "threshold":
            return []
    elif (decode.func if isinstance(decode, partial) else decode) not in (binary_mask, threshold_map):
        return []
    if is_deep(path):
        return []
    values = grey_levels(path)
    grey = float(((values > GREY[0]) & (values < GREY[1])).mean())
    bright = float((values > GREY[0]).mean())
    if grey <= GREY_FRACTION and grey <= GREY_OF_BRIGHT * bright:
        return []
    return [f"{100 * grey:.1f} % of the pixels are between {GREY[0]} and {GREY[1]}; they are cut at 127"]


def _kind(path: Path, error: Exception) -> str:
    if not path.is_file():
        return "missing"
    return "truncated" if "truncated" in str(error) else "unreadable"


def _reason(error: Exception, path: Path) -> str:
    return " ".join(str(error).removeprefix(f"{path}: ").replace(str(path), path.name).split())
