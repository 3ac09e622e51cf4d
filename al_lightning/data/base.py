"""DenseDataset: the files of one dataset, by row. Decoding is in `data.cache`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_lightning.types import Rows, Task

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")


class DataError(ValueError):
    """A file of a dataset that cannot be used; the message names it and the remedy."""


@dataclass(frozen=True)
class DenseDataset:
    """Images and targets of a dataset with its splits. Nothing is decoded here.

    Targets are opened only by `read_target`, which is called for revealed, validation and test rows alone.
    """

    name: str
    task: Task
    ids: tuple[str, ...]
    """Stable name of each row."""
    images: tuple[Path, ...]
    targets: tuple[Path | None, ...]
    """None where no label exists yet."""
    pool: Rows
    validation: Rows
    test: Rows
    size: tuple[int, int]
    """(H, W) that the learner sees."""
    decode_target: Callable[[Path], NDArray[Any]]
    """File -> (H, W) uint8 class indices or float32 cm, at its own size."""
    decode_objects: Callable[[Path], NDArray[Any]] | None = None
    """File -> (H, W) int32 object ids, where the task scores objects."""
    part_of: Mapping[int, str] = field(default_factory=dict)
    """Test row -> its part, where the task has parts."""
    polygons: Callable[[Path], Path] | None = None
    """Target file -> the file of its annotator's polygons, where the dataset publishes them."""
    evaluate_at: Literal["native", "resized"] = "native"
    """Whether test metrics compare at the target's own size or at `size`."""
    protocol: str = "clean"
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the loader found and the results should carry, such as the overlap of pool and test."""

    def __post_init__(self) -> None:
        assert len(self.ids) == len(self.images) == len(self.targets)
        if min(self.size) < 1:
            raise ValueError(f"size={self.size}: expected a positive height and width")
        for part in ("pool", "validation", "test"):
            if len(getattr(self, part)) == 0:
                raise DataError(f"{self.name}: the {part} split is empty")

    def target_file(self, row: int) -> Path:
        """The row's target file.

        Raises:
            DataError: there is none.
        """
        path = self.targets[row]
        if path is None or not path.is_file():
            where = path or self.images[row]
            raise DataError(f"{where}: image {self.ids[row]!r} has no target; add it, or remove the image")
        return path

    def read_image(self, row: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB at its own size.

        Raises:
            DataError: the file is missing, unreadable or truncated.
        """
        return read_rgb(self.images[row])

    def read_target(self, row: int, file: Path | None = None) -> NDArray[Any]:
        """The target at its own size, from `file` where the oracle gave one.

        Raises:
            DataError: missing, unreadable, or of another size than its image.
        """
        path = file or self.target_file(row)
        target = decoded(path, self.decode_target)
        size = native_size(self.images[row])
        if target.shape[:2] != size:
            raise DataError(
                f"{path}: the target is {target.shape[1]} x {target.shape[0]} pixels but its image "
                f"{self.images[row].name} is {size[1]} x {size[0]}; give both the same size"
            )
        return target


def decoded(path: Path, decode: Callable[[Path], NDArray[Any]]) -> NDArray[Any]:
    """Run a decoder and name the file in any error."""
    try:
        return decode(path)
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; put it back or remove its partner") from None
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path}: cannot be read ({reason}); replace the file or remove it") from None


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8."""

    def decode(file: Path) -> NDArray[Any]:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                # Pillow clips these to 255 where it converts them: nearly white pictures, without a word.
                raise DataError(f"{file}: has more than 8 bits a channel ({image.mode}); save it as 8-bit")
            return np.asarray(image.convert("RGB"))

    return decoded(path, decode)


def native_size(path: Path) -> tuple[int, int]:
    """(H, W) from the header alone."""

    def decode(file: Path) -> NDArray[Any]:
        with Image.open(file) as image:
            return np.array([image.height, image.width])

    height, width = decoded(path, decode).tolist()
    return height, width


def binary_mask(path: Path) -> NDArray[np.uint8]:
    """Grey levels above 127 are foreground (1): published masks are often JPEG, hence not just 0 and 255."""
    with Image.open(path) as image:
        if image.mode.startswith(("I", "F")):
            raise DataError(f"{path}: has more than 8 bits a channel ({image.mode}); save it as 8-bit")
        return (np.asarray(image.convert("L")) > 127).astype(np.uint8)


def list_images(folder: Path, what: str) -> list[Path]:
    """The images of a folder in the order of their names.

    Raises:
        FileNotFoundError: the folder is not there.
        DataError: it holds no image.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; {what}")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise DataError(f"{folder}: holds no image ({', '.join(IMAGE_SUFFIXES)}); {what}")
    return files


def pair_by_stem(images: Sequence[Path], folder: Path) -> list[Path]:
    """The target in `folder` for each image, by equal stem.

    Raises:
        DataError: an image has none.
    """
    by_stem = {p.stem: p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES} if folder.is_dir() else {}
    missing = [p for p in images if p.stem not in by_stem]
    if missing:
        raise DataError(
            f"{missing[0]}: no mask of the same name in {folder} ({len(missing)} of {len(images)} images have "
            "none); add the masks or remove the images"
        )
    return [by_stem[p.stem] for p in images]


def two_numbers(size: int | Sequence[int]) -> tuple[int, int]:
    """256 -> (256, 256); (h, w) stays."""
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
