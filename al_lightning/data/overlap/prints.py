"""Prints: what is kept of each image of a dataset to compare it with others, read once from the native files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from al_lightning.core.threads import Threads
from al_lightning.data.dataset import DataError, DenseDataset
from al_lightning.data.overlap.correlation import ZOOMS
from al_lightning.data.overlap.thumbnails import STORED, Float32, UInt8, descriptors, thumbnail

VERSION = 1
"""Of what is kept; files of another are not read."""


@dataclass(frozen=True)
class Prints:
    """Of n images, in the order of the dataset's rows."""

    thumbnails: UInt8
    """(n, 80, 80); zeros where an image shows nothing or cannot be read."""
    hashes: tuple[str, ...]
    """(n,) of the pixels; "" where an image cannot be read."""

    @cached_property
    def plain(self) -> Float32:
        """(n, 256) descriptors."""
        return descriptors(self.thumbnails)

    @cached_property
    def zoomed(self) -> Float32:
        """(n, 256) descriptors of the middle of each picture."""
        return descriptors(self.thumbnails, ZOOMS[1])


def print_of(image: UInt8) -> tuple[UInt8, str]:
    """(thumbnail, hash of the pixels) of (H, W, 3) RGB at its own size."""
    digest = hashlib.sha256(repr(image.shape[:2]).encode())
    digest.update(np.ascontiguousarray(image).data)
    return thumbnail(image), digest.hexdigest()


def read_prints(
    dataset: DenseDataset, folder: Path | None = None, progress: Callable[[int], None] | None = None
) -> Prints:
    """The prints of all images, decoded at their own size by several threads.

    Args:
        dataset (DenseDataset): its images; one that cannot be read has an empty print.
        folder (Path | None): keeps the prints in a file, which is read instead of the images as long as no image
            changes. Default None: nothing is kept.
        progress (Callable | None): called with the number of images that are done. Default None.
    """
    file = None if folder is None else folder / f"{dataset.name}-prints-{_key(dataset)}.npz"
    if file is not None and (saved := _load(file)) is not None:
        return saved

    def one(row: int) -> tuple[UInt8, str]:
        try:
            return print_of(dataset.read_image(row))
        except (DataError, OSError):
            return blank(), ""

    found: list[tuple[UInt8, str]] = []
    with Threads() as threads:
        for both in threads.map(one, range(len(dataset.ids))):
            found.append(both)
            if progress:
                progress(len(found))
    prints = Prints(np.stack([small for small, _ in found]), tuple(digest for _, digest in found))
    if file is not None and all(prints.hashes):
        _save(prints, file)
    return prints


def blank() -> UInt8:
    """The thumbnail of an image that cannot be read; it is like no other."""
    return np.zeros((STORED, STORED), np.uint8)


def _key(dataset: DenseDataset) -> str:
    """Changes with any file, and with how files are read."""
    stats = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in dataset.images]
    how = [VERSION, stats, dataset.image_reading.facts()]
    return hashlib.sha256(json.dumps(how).encode()).hexdigest()[:24]


def _load(file: Path) -> Prints | None:
    """None where there is no such file, or a damaged one."""
    try:
        with np.load(file, allow_pickle=False) as saved:
            return Prints(saved["thumbnails"], tuple(saved["hashes"].tolist()))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def _save(prints: Prints, file: Path) -> None:
    """Whole or not at all, so that a run beside this one never reads a part."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as out:
            np.savez(out, thumbnails=prints.thumbnails, hashes=np.array(prints.hashes))
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
