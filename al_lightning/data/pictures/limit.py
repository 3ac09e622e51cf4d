"""The most pixels of a file: a few kilobytes can say that they are an image of gigabytes, so it is asked first."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_lightning.config.schema import MAX_PIXELS
from al_lightning.data.errors import DataError

VARIABLE = "AL_LIGHTNING_MAX_PIXELS"
"""Where `allow_pixels` leaves the number, so that processes that load images later have it too."""
BLOCK = 1 << 20
"""Numbers that are converted at once, so that a wider type is never held for a whole picture."""
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # the limit here is an error


def allow_pixels(number: int) -> None:
    """Set `dataset.max_pixels` for all files that this process and those it starts read from now on.

    Raises:
        ValueError: below 1.
    """
    if number < 1:
        raise ValueError(f"dataset.max_pixels={number}: expected at least 1")
    os.environ[VARIABLE] = str(number)


def max_pixels() -> int:
    """The most pixels that a file may have."""
    return int(os.environ.get(VARIABLE, MAX_PIXELS))


def check_pixels(path: Path, shape: Sequence[int]) -> None:
    """Refuse a file of too many pixels, before it is decoded.

    Args:
        path (Path): the file.
        shape (Sequence[int]): (H, W), or the shape of an array.

    Raises:
        DataError: it has more than `max_pixels`; the message names the file, its size and the option.
    """
    size = " x ".join(map(str, reversed(shape))) if len(shape) == 2 else f"an array of {list(shape)}"
    _check(path, math.prod(shape), size)


@contextmanager
def bounded(path: Path) -> Iterator[None]:
    """Pillow's own limit as `check_pixels`, and not below `max_pixels`."""
    most = max_pixels()
    if Image.MAX_IMAGE_PIXELS is not None and most > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = most
    try:
        yield
    except Image.DecompressionBombError as error:
        found = re.search(r"\d+", str(error))
        _check(path, int(found[0]) if found else most + 1, "")
        raise OSError(str(error)) from None


def by_blocks(values: NDArray[Any], out: NDArray[Any], convert: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
    """`out` (H, ...) filled with convert(rows of values (H, ...)), few rows at a time."""
    rows = max(1, BLOCK // max(1, values[:1].size))
    for start in range(0, len(values), rows):
        out[start : start + rows] = convert(values[start : start + rows])
    return out


def packed(colours: NDArray[Any]) -> NDArray[Any]:
    """(H, W, 3) -> (H, W) one number a colour: uint32 with 8 bits a channel of uint8, uint64 with 16 of any other."""
    kind, bits = (np.uint32, 8) if colours.dtype == np.uint8 else (np.uint64, 16)
    if colours.dtype not in (np.uint8, np.uint16):
        colours = colours.astype(np.int64).astype(np.uint16)
    out: Any = colours[..., 0].astype(kind)
    for channel in (1, 2):
        out <<= kind(bits)
        out |= colours[..., channel]
    return np.asarray(out)


def _check(path: Path, number: int, size: str) -> None:
    most = max_pixels()
    if number > most:
        what = f"{size}, which are " if size else ""
        raise DataError(
            f"{path}: {what}{number:,} pixels, more than dataset.max_pixels={most:,} takes; save it smaller, or raise "
            "dataset.max_pixels if it is meant"
        )
