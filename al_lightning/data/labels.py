"""Label files, which a run keeps of what people have drawn: class numbers or depth, whatever it was drawn with."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES = ".classes.png"
"""End of the name of a file of class numbers, 8-bit grey."""
DEPTH = ".cm.npy"
"""End of the name of a file of depth in cm, NaN where not measured."""


def is_label(path: Path) -> bool:
    """Whether a file is one of `write_label`, by its name.

    Example:
        >>> is_label(Path("a.classes.png")), is_label(Path("a.png"))
        (True, False)
    """
    return path.name.endswith((CLASSES, DEPTH))


def write_label(stem: Path, label: NDArray[Any]) -> Path:
    """Write a label under a temporary name, sync, rename; returns the file.

    Args:
        stem (Path): of the file, to which an ending is added that says what it holds.
        label (NDArray): (H, W) uint8 class numbers, or float32 cm.
    """
    held = BytesIO()
    if label.dtype == np.float32:
        np.save(held, label)
    else:
        assert label.dtype == np.uint8, label.dtype
        Image.fromarray(label).save(held, "PNG")
    path = stem.with_name(stem.name + (DEPTH if label.dtype == np.float32 else CLASSES))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(held.getvalue())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return path


def read_label(path: Path) -> NDArray[Any]:
    """(H, W) uint8 class numbers or float32 cm of a file of `write_label`.

    Raises:
        ValueError: it holds something else.
        OSError: it is missing or truncated.
    """
    if path.name.endswith(DEPTH):
        depth = np.load(path, allow_pickle=False)
        if depth.ndim != 2 or depth.dtype != np.float32:
            raise ValueError(f"holds {depth.dtype} of shape {depth.shape}; expected float32 in rows and columns")
        return np.asarray(depth)
    with Image.open(path) as image:
        if image.mode != "L":
            raise ValueError(f"holds {image.mode} pixels; expected 8-bit class numbers")
        return np.array(image)  # a copy, which can be written to


__all__ = ["is_label", "read_label", "write_label"]
