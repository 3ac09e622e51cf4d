"""Decode and resize every image once; keep it as uint8 in memory or in a memory-mapped file."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_lightning.core.arrays import Rows
from al_lightning.core.files import naming, storage_error
from al_lightning.core.region import Region, cover
from al_lightning.core.task import IGNORE
from al_lightning.core.threads import Threads
from al_lightning.data.dataset import DenseDataset

CacheMode = Literal["memory", "disk", "none"]
LEAST = np.float32(1e-6)
"""Weight of measured pixels below which a resized depth is rounding error."""


def resize_image(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(h, w, 3) -> (3, H, W), bilinear with antialiasing."""
    if image.shape[:2] != size:
        resized = Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR)
        image = np.asarray(resized)
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def resize_target(target: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """(h, w) -> (H, W): nearest for class indices, bilinear with antialiasing for depth.

    Depth that is NaN, not measured, has no weight; a pixel to which nothing measured contributes is NaN.
    """
    if target.shape == size:
        return target
    if target.dtype != np.float32:
        return np.asarray(Image.fromarray(target).resize((size[1], size[0]), Image.Resampling.NEAREST))
    measured = np.isfinite(target)
    if measured.all():
        return _bilinear(target, size)
    weight = _bilinear(measured.astype(np.float32), size)
    total = _bilinear(np.where(measured, target, np.float32(0)), size)
    return np.where(weight > LEAST, total / np.maximum(weight, LEAST), np.float32(np.nan))


def _bilinear(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(values).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def default_folder() -> Path:
    """$AL_LIGHTNING_CACHE, or al_lightning in the user's cache folder."""
    if path := os.environ.get("AL_LIGHTNING_CACHE"):
        return Path(path)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "al_lightning"


class Cache:
    """Images and targets of a dataset at the learner's size.

    Images are decoded when the cache is made (modes memory and disk) or on each request (none).
    Targets are decoded when `reveal_targets` is called for their row, never before.
    """

    def __init__(self, dataset: DenseDataset, mode: CacheMode = "memory", folder: Path | None = None) -> None:
        self.dataset = dataset
        self.mode = mode
        self._targets: dict[int, NDArray[Any]] = {}
        self._files: dict[int, str | None] = {}
        """row -> the file that its target was read from; None: the dataset's own."""
        self._sizes: dict[int, tuple[int, int]] = {}
        self.pseudo: dict[int, NDArray[Any]] = {}
        """row -> (H, W) target that the learner made for itself; stands in for what is hidden."""
        self.partial: dict[int, tuple[Region, ...]] = {}
        """row -> revealed regions of rows that are not revealed as a whole; elsewhere targets are `IGNORE`."""
        self._images: NDArray[np.uint8] | None = None
        if mode == "memory":
            self._images = self._decode_all()
        elif mode == "disk":
            self._images = self._map(folder or default_folder())

    def with_targets(self, dataset: DenseDataset) -> Cache:
        """A cache of the same images with another dataset's targets, none of which is decoded."""
        other = Cache(dataset, "none")
        other.mode, other._images, other._sizes = self.mode, self._images, self._sizes
        return other

    def images(self, rows: Rows) -> NDArray[np.uint8]:
        """rows (n,) -> (n, 3, H, W) uint8."""
        if self._images is not None:
            return np.asarray(self._images[rows])
        return np.stack([self._decode(int(row)) for row in rows])

    def targets(self, rows: Rows) -> NDArray[Any]:
        """rows (n,) -> (n, H, W), or (n, 1, H, W) for depth; each row is in `pseudo` or was revealed.

        With a soft pseudo target among them all are float32.
        """
        stacked = np.stack([self._target(row) for row in rows.tolist()])
        return stacked[:, None] if self.dataset.task.kind == "depth" else stacked

    def _target(self, row: int) -> NDArray[Any]:
        if row not in self.partial:
            return self.pseudo[row] if row in self.pseudo else self._targets[row]
        known, hidden = self._targets[row], self.pseudo.get(row, np.uint8(IGNORE))
        return np.where(cover(self.partial[row], self.dataset.size), known, hidden)

    def native_targets(self, rows: Rows) -> list[NDArray[Any]]:
        """rows (n,) -> n targets at their own size."""
        return [self.dataset.read_target(int(row)) for row in rows]

    def native_objects(self, rows: Rows) -> list[NDArray[Any]] | None:
        """rows (n,) -> n maps of object ids at their own size; None where the dataset has none."""
        decode = self.dataset.decode_objects
        return None if decode is None else [decode(self.dataset.target_file(row)) for row in rows.tolist()]

    def reveal_targets(self, rows: Iterable[int], files: Mapping[int, str | None] | None = None) -> None:
        """Decode the targets of these rows (from `files` where one is given) unless they are here already."""
        files = files or {}
        wanted = {int(row): files.get(int(row)) for row in rows}
        missing = [row for row, file in wanted.items() if row not in self._files or self._files[row] != file]

        def decode(row: int) -> NDArray[Any]:
            file = files.get(row)
            target = self.dataset.read_target(row, Path(file) if file else None)
            return resize_target(target, self.dataset.size)

        with Threads() as pool:
            self._targets.update(zip(missing, pool.map(decode, missing), strict=True))
        self._files |= {row: wanted[row] for row in missing}

    def native_size(self, row: int) -> tuple[int, int]:
        """(H, W) of the image at its own size."""
        if row not in self._sizes:
            self._sizes[row] = self.dataset.native_size(row)
        return self._sizes[row]

    def pixels(self, row: int) -> int:
        """Pixels of the image at its own size."""
        height, width = self.native_size(row)
        return height * width

    def _decode(self, row: int) -> NDArray[np.uint8]:
        return resize_image(self.dataset.read_image(row), self.dataset.size)

    def _decode_all(self, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        shape = (len(self.dataset.ids), 3, *self.dataset.size)
        if out is None:
            _check_memory(shape)
        images = np.empty(shape, dtype=np.uint8) if out is None else out

        def put(row: int) -> None:
            images[row] = self._decode(row)

        with Threads() as pool:
            for _ in pool.map(put, range(len(images))):
                pass
        return images

    def _map(self, folder: Path) -> NDArray[np.uint8]:
        stats = [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in self.dataset.images]
        how = {"orientation": "applied"} | self.dataset.image_reading.facts()
        key = hashlib.sha256(json.dumps([self.dataset.size, stats, how]).encode()).hexdigest()[:24]
        path = folder / f"{self.dataset.name}-{self.dataset.size[0]}x{self.dataset.size[1]}-{key}.npy"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(f".{os.getpid()}.tmp")
            shape = (len(self.dataset.ids), 3, *self.dataset.size)
            try:
                out = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
                _take_room(temporary)
                self._decode_all(out)
                out.flush()
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        images: NDArray[np.uint8] = np.load(path, mmap_mode="r")
        return images


def _take_room(path: Path) -> None:
    """Have the room of a file now: writing to a map of one that the disk cannot hold would kill the process."""
    if hasattr(os, "posix_fallocate"):
        try:
            with naming(path), path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if storage_error(error):  # others are of file systems that cannot do so
                raise


def _check_memory(shape: tuple[int, ...]) -> None:
    """Refuse images that the machine's memory cannot hold, of which the system would end the process.

    Raises:
        ValueError: the message names the keys.
    """
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # a system that does not say
        return
    if (wanted := math.prod(shape)) > there:
        raise ValueError(
            f"loader.cache=memory: {shape[0]} images at dataset.options.size={list(shape[2:])} are {wanted / 1e9:.0f} "
            f"GB, and this machine has {there / 1e9:.0f} GB; set loader.cache: disk or none, or a smaller size"
        )
