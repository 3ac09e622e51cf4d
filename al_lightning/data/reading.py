"""Files -> arrays: images, class maps, masks, objects and depth of published sets, whose encoding is known.

Each function raises `DataError` for a file that does not hold what it should. Only `read_rgb` and `native_size` also
turn any other failure (a missing, foreign or truncated file) into one; for the others `decoded` does. Files are read
upright by their EXIF orientation, and one of several pages is refused. What anybody's own files mean is decided in
`data.images`, `data.masks` and `data.depths`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Size
from al_lightning.core.task import IGNORE
from al_lightning.data.errors import DataError, decoded
from al_lightning.data.images import ImageReading
from al_lightning.data.pictures.pixels import grey_of, named, numbers_of
from al_lightning.data.pictures.stored import read_header, read_pixels


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of an image file.

    Raises:
        DataError: the file is missing or unreadable, or has more than 8 bits a channel.
    """
    return decoded(path, ImageReading().decode)


def native_size(path: Path) -> Size:
    """(H, W) of an image file as it is shown, from its header wherever the format allows.

    Raises:
        DataError: the file is missing or unreadable.
    """
    return decoded(path, ImageReading().size)


def grey_levels(path: Path) -> NDArray[np.uint8]:
    """(H, W) grey levels 0 to 255.

    Raises:
        DataError: the file has more than 8 bits a channel.
    """
    with named(path):
        pixels = read_pixels(path)
        if pixels.deep:
            raise ValueError(f"has more than 8 bits a channel ({pixels.bits}); save it as 8-bit")
        return grey_of(pixels)


def is_deep(path: Path) -> bool:
    """Whether a file has more than 8 bits a channel."""
    return read_header(path).bits > 8


def index_map(path: Path) -> NDArray[Any]:
    """(H, W) stored numbers: palette indices, grey levels of 8 or 16 bits, or 0 and 1.

    Raises:
        DataError: the file holds colours, or 32 bits a channel.
    """
    with named(path):
        pixels = read_pixels(path)
        if pixels.bits > 16:
            raise ValueError(f"has {pixels.bits} bits a channel; save 8-bit or 16-bit numbers in one channel")
        return numbers_of(pixels)


def class_map(path: Path, classes: int) -> NDArray[np.uint8]:
    """(H, W) class indices 0 ... classes - 1, and 255 for what no loss and no metric counts.

    Args:
        path (Path): a file whose pixels hold class numbers.
        classes (int): number of classes.

    Raises:
        DataError: other values.
    """
    values = index_map(path)
    wrong = values[(values >= classes) & (values != IGNORE)]
    if wrong.size:
        found = ", ".join(str(v) for v in np.unique(wrong)[:8])
        raise DataError(f"{path}: holds {found}; expected class numbers 0 to {classes - 1}, or {IGNORE} for void")
    return values.astype(np.uint8)


def binary_mask(path: Path) -> NDArray[np.uint8]:
    """(H, W) 0 and 1 of a published 8-bit mask: grey levels above 127 are foreground, as masks are often JPEG.

    Raises:
        DataError: the file has more than 8 bits a channel.
    """
    return (grey_levels(path) > 127).astype(np.uint8)


def threshold_map(path: Path) -> NDArray[np.uint8]:
    """(H, W) 0 and 1 of anybody's mask of 8 or 16 bits: foreground is what lies above half of the range.

    Raises:
        DataError: the file holds only 0 and 1 in 8 bits, of which a threshold would leave nothing.
    """
    if is_deep(path):
        return (index_map(path) > 32767).astype(np.uint8)
    values = grey_levels(path)
    if values.max() == 1:
        raise DataError(
            f"{path}: holds only 0 and 1, of which a threshold at 127 would leave nothing; if these are class "
            "numbers, set dataset.options.masks=index"
        )
    return (values > 127).astype(np.uint8)


def object_map(path: Path) -> NDArray[np.int32]:
    """(H, W) object numbers, 0 for the background.

    Raises:
        DataError: the file holds colours.
    """
    return index_map(path).astype(np.int32)


def object_foreground(path: Path) -> NDArray[np.uint8]:
    """(H, W) 0 and 1: any object is foreground.

    Raises:
        DataError: the file holds colours.
    """
    return (index_map(path) > 0).astype(np.uint8)


def depth_map(path: Path, maximum: float, invert: bool = False) -> NDArray[np.float32]:
    """(H, W) depth in cm: the full range of the file (255 or 65535) stands for `maximum`.

    Args:
        path (Path): a grey image of 8 or 16 bits.
        maximum (float): in cm.
        invert (bool): near is bright. Default False: far is bright.

    Raises:
        DataError: the file holds colours.
    """
    values = index_map(path)
    depth = values.astype(np.float32) * np.float32(maximum / np.iinfo(values.dtype).max)
    return np.asarray(maximum - depth if invert else depth, dtype=np.float32)


__all__ = [
    "binary_mask",
    "class_map",
    "decoded",
    "depth_map",
    "grey_levels",
    "index_map",
    "is_deep",
    "native_size",
    "object_foreground",
    "object_map",
    "read_rgb",
    "threshold_map",
]
