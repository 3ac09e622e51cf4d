"""Features of a folder of images, written as they come: `<name>.npy`, `<name>.ids.txt`, and what was skipped."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from al_lightning.core.arrays import Size
from al_lightning.core.files import write_atomic
from al_lightning.core.progress import Progress, silent
from al_lightning.data.errors import DataError
from al_lightning.data.images import image_reading
from al_lightning.experiment.features import ids_file
from al_lightning.experiment.image_files import batches_of
from al_lightning.strategies.descriptors import pca_blocks

Encode = Callable[[Tensor], Tensor]
"""uint8 (B, 3, H, W) -> (B, D)."""
PIXELS = (64, 64)
"""(H, W) of the images whose pixels are described by principal components."""
COMPONENTS = 128


@dataclass(frozen=True)
class Embedded:
    """What was written."""

    features: Path
    count: int
    dimensions: int
    skipped: tuple[str, ...]
    """Ids of images that could not be read."""
    seconds: float


def skipped_file(output: Path) -> Path:
    """Where the images that could not be read are listed.

    Example:
        >>> skipped_file(Path("features.npy")).name
        'features.skipped.txt'
    """
    return output.with_suffix(".skipped.txt")


def embed(
    images: Mapping[str, Path],
    output: Path,
    encode: Encode | None = None,
    size: Size = PIXELS,
    *,
    page: int | None = None,
    window: str | Sequence[float] = "auto",
    batch_size: int = 32,
    device: torch.device | str = "cpu",
    components: int = COMPONENTS,
    progress: Progress = silent,
    note: Callable[[str], None] | None = None,
) -> Embedded:
    """Write the features of images: (n, D) float32 in `output`, n ids beside it, and what could not be read.

    A few batches are in memory at a time. Everything is written under temporary names and renamed at the end, so that
    an interrupted call leaves no features.

    Args:
        images: id -> file.
        output: the .npy file; one that is there is replaced.
        encode: of a batch on its device; None: principal components of the pixels.
        size: (H, W) that images are resized to.
        page, window: how image files are read, as of the dataset `folder`.
        batch_size: images that are encoded at once.
        device: that `encode` takes its images on.
        components: number of principal components of the pixels.
        progress: told of the images that are done.
        note: takes each line on how the files are read.

    Raises:
        DataError: no image can be read, or their files contradict each other.
        ValueError: `encode` returns something else, or the file's name does not end in .npy.
    """
    if output.suffix.lower() != ".npy":
        raise ValueError(f"{output}: expected a name that ends in .npy")
    begin = time.perf_counter()
    reading, notes = image_reading([*images.values()], [None] * len(images), page, window)
    for line in notes:
        if note is not None:
            note(line)
    output.parent.mkdir(parents=True, exist_ok=True)
    skipped: dict[str, str] = {}
    ids: list[str] = []
    batches = batches_of(images, reading, size, batch_size, skipped, progress)
    with _Writer(output) as writer:
        if encode is None:
            _principal(batches, ids, writer, output, components, progress)
        else:
            for names, pixels in batches:
                writer.append(_encoded(encode, torch.from_numpy(pixels).to(device), names))
                ids += names
        if not ids:
            first, reason = next(iter(skipped.items()))
            raise DataError(f"{images[first]}: cannot be read, nor can any other of {len(images)} images ({reason})")
        # Without the old features before the new ids are there: no file may be of other rows than the one beside it.
        output.unlink(missing_ok=True)
        skipped_file(output).unlink(missing_ok=True)
        write_atomic(ids_file(output), "".join(f"{name}\n" for name in ids))
        if skipped:
            write_atomic(skipped_file(output), "".join(f"{name}\t{why}\n" for name, why in skipped.items()))
        writer.finish()
    return Embedded(output, len(ids), writer.dimensions, tuple(skipped), time.perf_counter() - begin)


class _Writer:
    """Appends rows to a .npy file under a temporary name, whose header is written again at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        self.file = self.temporary.open("wb")
        self.count = self.dimensions = 0

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, where: TracebackType | None) -> None:
        self.file.close()
        self.temporary.unlink(missing_ok=True)

    def append(self, rows: NDArray[np.float32]) -> None:
        """Write (b, D)."""
        if not self.count:
            self.dimensions = rows.shape[1]
            self._header()
        assert rows.shape[1] == self.dimensions
        self.file.write(np.ascontiguousarray(rows, dtype="<f4").tobytes())
        self.count += len(rows)

    def finish(self) -> None:
        """Give the file its name."""
        self.file.seek(0)
        self._header()
        self.file.flush()
        os.fsync(self.file.fileno())
        self.temporary.replace(self.path)

    def _header(self) -> None:
        # numpy leaves room in it for any number of rows, so that its length is the same at the end
        shape = (self.count, self.dimensions)
        np.lib.format.write_array_header_1_0(self.file, {"descr": "<f4", "fortran_order": False, "shape": shape})


def _encoded(encode: Encode, pixels: Tensor, names: Sequence[str]) -> NDArray[np.float32]:
    with torch.inference_mode():
        found = encode(pixels)
    if found.ndim != 2 or len(found) != len(names):
        raise ValueError(f"the encoder returned {tuple(found.shape)}; expected ({len(names)}, D)")
    rows: NDArray[np.float32] = found.float().cpu().numpy()
    if len(bad := np.flatnonzero(~np.isfinite(rows).all(axis=1))):
        raise ValueError(f"{names[bad[0]]}: the encoder returned NaN or infinite features; check its weights")
    return rows


def _principal(
    batches: Iterator[tuple[list[str], NDArray[np.uint8]]],
    ids: list[str],
    writer: _Writer,
    output: Path,
    components: int,
    progress: Progress,
) -> None:
    """Write the principal components of the pixels, which lie in a file meanwhile."""
    temporary = output.with_name(f".{output.name}.{os.getpid()}.pixels")
    try:
        with temporary.open("wb") as file:
            length = 0
            for names, pixels in batches:
                ids += names
                length = pixels[0].size
                file.write(pixels.tobytes())
        if not ids:
            return
        stored: NDArray[np.uint8] = np.memmap(temporary, np.uint8, "r", shape=(len(ids), length))

        def read(start: int, stop: int) -> Tensor:
            return torch.from_numpy(stored[start:stop].astype(np.float32)) / 127.5 - 1

        for block in pca_blocks(read, len(ids), components):
            writer.append(block)
            progress("principal components", writer.count / len(ids))
    finally:
        temporary.unlink(missing_ok=True)
