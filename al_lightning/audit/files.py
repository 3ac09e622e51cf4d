"""What is read of one image and its target; every defect is reported, none stops the audit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.audit.findings import Severity
from al_lightning.audit.stored import Stored, stored_in
from al_lightning.audit.subject import Subject
from al_lightning.core.task import IGNORE
from al_lightning.data.depth_files import ARRAYS, read_numbers
from al_lightning.data.errors import DataError, Unreadable, decoded
from al_lightning.data.overlap import print_of
from al_lightning.data.overlap.thumbnails import FLAT, UInt8, spread
from al_lightning.data.pictures.pixels import named
from al_lightning.data.pictures.stored import Header, read_header, read_pixels
from al_lightning.data.reading import binary_mask, grey_levels, is_deep, threshold_map

Defect = tuple[str, Severity, Path, str]
"""(kind, severity, file, detail)"""

GREY = (32, 223)
"""Grey levels between which a pixel of a mask is neither background nor foreground. The masks of Kvasir-SEG, which
are JPEG, hold none."""
GREY_FRACTION = 0.05
"""Fraction of the pixels of a mask that may be grey: the outline of a mask that was resized stays below."""
GREY_OF_BRIGHT = 0.5
"""Fraction of the pixels above black that may be grey: a small object painted grey is above."""


@dataclass(frozen=True)
class Target:
    """What was read of one target."""

    size: tuple[int, int]
    """(H, W)"""
    counts: NDArray[np.int64] | None = None
    """(256,) pixels of each class number, and of void; None for depth, and where its meaning is not known."""
    depth: tuple[float, float, float, float] | None = None
    """Nearest, mean, furthest in cm, and the fraction that is not measured."""
    stored: Stored | None = None
    """The numbers in the file; of some targets only."""


@dataclass(frozen=True)
class FileRecord:
    """What was read of one row."""

    defects: tuple[Defect, ...]
    thumbnail: UInt8 | None = None
    """(80, 80); None where the image cannot be read."""
    size: tuple[int, int] | None = None
    """(H, W)"""
    file_hash: str = ""
    pixel_hash: str = ""
    target: Target | None = None


def inspect_row(subject: Subject, row: int, values: bool = False) -> FileRecord:
    """Read a row's image and target once and keep what the audit needs.

    Args:
        subject (Subject): the set.
        row (int): its row.
        values (bool): look at the numbers in the target's file too. Default False.
    """
    path = subject.images[row]
    head = _header(path, subject.image_reading.page)
    try:
        image = subject.read_image(row)
        file_hash = hashlib.sha256(path.read_bytes()).hexdigest()
    except (DataError, OSError) as error:
        broken: Defect = (_kind(path, error, head), "error", path, _reason(error, path))
        found, target = inspect_target(subject, row, None, values)
        return FileRecord((broken, *found), target=target)
    size = (image.shape[0], image.shape[1])
    defects = [*_about(subject, path, head)]
    step = max(1, min(size) // 256)
    if (deviation := spread(image[::step, ::step])) < FLAT:
        defects.append(("constant image", "warning", path, f"standard deviation {deviation:.2f} grey levels"))
    found, target = inspect_target(subject, row, size, values)
    return FileRecord((*defects, *found), *_printed(image, size, file_hash), target)


def _printed(image: UInt8, size: tuple[int, int], file_hash: str) -> tuple[UInt8, tuple[int, int], str, str]:
    small, digest = print_of(image)
    return small, size, file_hash, digest


def _about(subject: Subject, path: Path, head: Header | None) -> list[Defect]:
    """What a header says that the reader has dealt with."""
    found: list[Defect] = []
    if head is not None and head.orientation != 1:
        how = "applied" if subject.image_reading.upright else "not applied: the targets of the set fit without it"
        found.append(("EXIF orientation", "info", path, f"orientation {head.orientation}, {how}"))
    if head is not None and head.pages > 1:
        found.append(("several pages", "info", path, f"page {subject.image_reading.page} of {head.pages} is read"))
    return found


def inspect_target(
    subject: Subject, row: int, size: tuple[int, int] | None, values: bool
) -> tuple[list[Defect], Target | None]:
    """Defects of a row's target, and what it holds.

    Args:
        subject (Subject): the set.
        row (int): its row.
        size (tuple[int, int] | None): (H, W) of its image; None where that is unknown.
        values (bool): look at the numbers in the file too.
    """
    path, noun, decode = subject.targets[row], subject.noun, subject.decode_target
    if path is None:
        return [], None
    try:
        target = decoded(path, decode or partial(_raw, noun=noun, page=subject.image_reading.page))
    except (DataError, OSError) as error:
        head = None if path.suffix.lower() in ARRAYS else _header(path, subject.image_reading.page)
        return [(f"{noun} {_kind(path, error, head)}", "error", path, _reason(error, path))], None
    shape: tuple[int, int] = (target.shape[0], target.shape[1])
    defects: list[Defect] = []
    if size is not None and shape != size:
        sizes = f"{shape[1]} x {shape[0]}, but the image is {size[1]} x {size[0]} (width x height)"
        defects.append((f"{noun} size", "error", path, sizes))
    if noun == "depth":
        measured = target[np.isfinite(target)] if target.dtype.kind == "f" else target
        if decode is None or not measured.size:
            return defects, Target(shape, depth=None if decode is None else (np.nan, np.nan, np.nan, 1.0))
        near, far = float(measured.min()), float(measured.max())
        if near == far:
            defects.append(("depth constant", "warning", path, f"{near:.4g} cm everywhere"))
        return defects, Target(shape, depth=(near, float(measured.mean()), far, 1 - measured.size / target.size))
    stored = stored_in(path, subject.image_reading.page, target if decode else None) if values else None
    if decode is None:
        return defects, Target(shape, stored=stored)
    counts = np.bincount(target.reshape(-1).astype(np.uint8), minlength=256)
    defects += _odd(subject, path, counts)
    defects += [("mask grey", "warning", path, detail) for detail in _grey(path, decode)]
    return defects, Target(shape, counts, stored=stored)


def _odd(subject: Subject, path: Path, counts: NDArray[np.int64]) -> list[Defect]:
    """A mask without content, where empty and full ones are no finding of their own."""
    labels = np.flatnonzero(counts[:IGNORE])
    classes = subject.task.classes
    if not len(labels):
        return [("mask void", "warning", path, "every pixel is void")]
    label = int(labels[0])
    if len(labels) > 1 or len(classes) == 2 or label == 0:
        return []
    return [("mask constant", "warning", path, f"every pixel is {classes[label] if label < len(classes) else label}")]


def _raw(path: Path, noun: str, page: int | None) -> NDArray[Any]:
    """Numbers as they are stored, where nobody knows what they mean."""
    with named(path):
        return read_numbers(path, page) if noun == "depth" else read_pixels(path, page, only_if_several=True).values


def _grey(path: Path, decode: Callable[[Path], NDArray[Any]]) -> list[str]:
    """Whether a mask that is cut at half holds much that is neither black nor white."""
    if (decode.func if isinstance(decode, partial) else decode) not in (binary_mask, threshold_map):
        return []
    if is_deep(path):
        return []
    values = grey_levels(path)
    grey = float(((values > GREY[0]) & (values < GREY[1])).mean())
    bright = float((values > GREY[0]).mean())
    if grey <= GREY_FRACTION and grey <= GREY_OF_BRIGHT * bright:
        return []
    return [f"{100 * grey:.1f} % of the pixels are between {GREY[0]} and {GREY[1]}; they are cut at 127"]


def _header(path: Path, page: int | None) -> Header | None:
    """None where it cannot be read, which reading the file says too."""
    try:
        return read_header(path, page)
    except Exception:
        return None


def _kind(path: Path, error: Exception, head: Header | None) -> str:
    if not path.is_file():
        return "missing"
    if isinstance(error, Unreadable | OSError):
        return "truncated" if "truncated" in str(error) else "unreadable"
    return "several pages" if head is not None and head.pages > 1 else "does not fit"


def _reason(error: Exception, path: Path) -> str:
    return " ".join(str(error).removeprefix(f"{path}: ").replace(str(path), path.name).split())
