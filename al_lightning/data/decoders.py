"""Files of targets -> arrays. Each raises `DataError` for a file that does not hold what it should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_lightning.data.base import DataError
from al_lightning.types import IGNORE


def index_map(path: Path) -> NDArray[Any]:
    """(H, W) stored numbers: palette indices, grey levels of 8 or 16 bits, or 0 and 1.

    Raises:
        DataError: the file holds colours.
    """
    with Image.open(path) as image:
        values = np.asarray(image)
        mode = image.mode
    if mode in ("1", "L", "P"):
        return values.astype(np.uint8)
    if mode.startswith("I;16"):
        return values.astype(np.uint16)
    if mode in ("RGB", "RGBA", "LA"):
        colours = values[..., :1] if mode == "LA" else values[..., :3]
        if (colours == colours[..., :1]).all():
            return values[..., 0]
        raise DataError(f"{path}: holds colours; save class numbers or grey levels in one channel")
    raise DataError(f"{path}: pixels of kind {mode!r}; save 8-bit or 16-bit numbers in one channel")


def class_map(path: Path, classes: int) -> NDArray[np.uint8]:
    """(H, W) class indices 0 ... classes - 1, and 255 for what no loss and no metric counts.

    Raises:
        DataError: other values.
    """
    values = index_map(path)
    wrong = values[(values >= classes) & (values != IGNORE)]
    if wrong.size:
        found = ", ".join(str(v) for v in np.unique(wrong)[:8])
        raise DataError(f"{path}: holds {found}; expected class numbers 0 to {classes - 1}, or {IGNORE} for void")
    return values.astype(np.uint8)


def threshold_map(path: Path) -> NDArray[np.uint8]:
    """(H, W) 0 and 1: foreground is what lies above half of the range, as masks are often JPEG.

    Raises:
        DataError: the file holds only 0 and 1 in 8 bits, of which a threshold would leave nothing.
    """
    with Image.open(path) as image:
        mode = image.mode
        if not mode.startswith(("I", "F")):
            values = np.asarray(image.convert("L"))
    if mode.startswith(("I", "F")):
        return (index_map(path) > 32767).astype(np.uint8)
    if values.max() == 1:
        raise DataError(
            f"{path}: holds only 0 and 1, of which a threshold at 127 would leave nothing; if these are class "
            "numbers, set dataset.options.masks=index"
        )
    return (values > 127).astype(np.uint8)


def object_map(path: Path) -> NDArray[np.int32]:
    """(H, W) object numbers, 0 for the background."""
    return index_map(path).astype(np.int32)


def object_foreground(path: Path) -> NDArray[np.uint8]:
    """(H, W) 0 and 1: any object is foreground."""
    return (index_map(path) > 0).astype(np.uint8)


def depth_map(path: Path, maximum: float, invert: bool = False) -> NDArray[np.float32]:
    """(H, W) depth in cm: the full range of the file (255 or 65535) stands for `maximum`.

    Args:
        path: a grey image of 8 or 16 bits.
        maximum: cm.
        invert: near is bright.
    """
    values = index_map(path)
    depth = values.astype(np.float32) * np.float32(maximum / np.iinfo(values.dtype).max)
    return np.asarray(maximum - depth if invert else depth, dtype=np.float32)
