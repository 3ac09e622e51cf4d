"""Depth files -> numbers as they are stored: grey pictures, .npy and .npz arrays, and OpenEXR if it is installed."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Size
from al_lightning.data.pictures.limit import check_pixels
from al_lightning.data.pictures.pixels import equal_channels, grey_of
from al_lightning.data.pictures.stored import read_pixels

EXR_MAGIC = b"\x76\x2f\x31\x01"
ARRAYS = (".npy", ".npz", ".exr")
"""Suffixes of depth files that are no pictures."""


def read_numbers(path: Path, page: int | None = None) -> NDArray[Any]:
    """(H, W) uint8, uint16, uint32, int32 or float32 numbers.

    Args:
        path (Path): a picture of grey levels, .npy, .npz of one array, or .exr.
        page (int | None): of a picture of several. Default None: it holds one.

    Raises:
        ValueError: the file holds colours, transparency, or no numbers in rows and columns.
        OSError: it is missing, foreign or truncated.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        _check_npy(path)
        return of_array(np.load(path, allow_pickle=False))
    if suffix == ".npz":
        return of_array(_only_array(path))
    if suffix == ".exr":
        return of_array(_exr(path))
    pixels = read_pixels(path, page, only_if_several=True)
    colours = pixels.values if pixels.palette is None else pixels.palette[np.unique(pixels.values)]
    if pixels.kind != "grey" and not equal_channels(colours):
        raise ValueError(
            "holds colours, of which the depth is not known (a colour map, bytes packed in colours); save 16-bit grey "
            "or .npy"
        )
    if pixels.transparent:
        raise ValueError(
            "is transparent in places; save it without alpha, and unmeasured pixels as 0 with invalid: [0]"
        )
    if pixels.bits == 1:
        raise ValueError("holds 0 and 1 only; save 16-bit grey or .npy")
    return of_array(pixels.values[..., 0] if pixels.kind == "colours" else grey_of(pixels))


def _check_npy(path: Path) -> None:
    """Refuse what a header says of itself before NumPy makes room for it.

    Raises:
        DataError: it has too many pixels.
        ValueError: it is no array, or one with fewer bytes than it says.
    """
    with path.open("rb") as file:
        shape, kind = _check_header(path, file)
        rest = path.stat().st_size - file.tell()
    if math.prod(shape) * kind.itemsize > rest:
        raise ValueError(f"ends after {rest} bytes of an array of {list(shape)} {kind}; it was not written to its end")


def _check_header(path: Path, file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """(shape, type) of the array in an open .npy, of few enough pixels."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(file)
    if kind.hasobject:
        raise ValueError("holds objects of Python; expected whole or real numbers")
    check_pixels(path, shape)
    return shape, kind


def exr_size(path: Path) -> Size:
    """(H, W) of an OpenEXR file, from the attribute dataWindow of its header.

    Raises:
        ValueError: there is none.
    """
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if not head.startswith(EXR_MAGIC):
        raise ValueError("is no OpenEXR file")
    place = head.find(b"dataWindow\0box2i\0\x10\0\0\0")
    corners = head[place + 21 : place + 37]
    if place < 0 or len(corners) < 16:
        raise ValueError("has no dataWindow in its header; it is damaged")
    left, top, right, bottom = struct.unpack("<4i", corners)
    return max(0, bottom - top + 1), max(0, right - left + 1)


def of_array(values: NDArray[Any]) -> NDArray[Any]:
    """(H, W) numbers of any array type and shape (H, W) or (H, W, 1), as a type that pictures have too.

    Raises:
        ValueError: another shape, or no real numbers.

    Example:
        >>> of_array(np.zeros((2, 3, 1), np.float64)).dtype.name
        'float32'
    """
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    elif values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim != 2:
        raise ValueError(f"holds an array of shape {values.shape}; expected rows and columns")
    if values.dtype.kind not in "uif":
        raise ValueError(f"holds {values.dtype}; expected whole or real numbers")
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    if values.dtype in (np.uint8, np.uint16, np.int32, np.uint32):
        return values
    if values.size and (values.min() < -(2**31) or values.max() >= 2**31):
        raise ValueError(f"holds whole numbers up to {values.max()}; save float32")
    return values.astype(np.int32)


def _only_array(path: Path) -> NDArray[Any]:
    """The array of an .npz, of which nobody knows which is the depth where it holds several.

    Raises:
        ValueError: it holds none or several.
    """
    with np.load(path, allow_pickle=False) as arrays:
        if len(arrays.files) != 1:
            raise ValueError(f"holds {len(arrays.files)} arrays ({', '.join(arrays.files)}); save the depth alone")
        with arrays.zip.open(f"{arrays.files[0]}.npy") as file:
            _check_header(path, file)
        return np.asarray(arrays[arrays.files[0]])


def _exr(path: Path) -> NDArray[Any]:
    """(H, W) of an OpenEXR file's only channel, or of Z, Y or the equal R, G and B."""
    try:
        import OpenEXR
    except ImportError:
        OpenEXR = None
    if OpenEXR is not None and hasattr(OpenEXR, "File"):
        check_pixels(path, exr_size(path))
        channels = {name: channel.pixels for name, channel in OpenEXR.File(str(path)).channels().items()}
        return _channel(channels)
    os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")
    try:
        import cv2
    except ImportError:
        raise ValueError("reading OpenEXR needs a library; pip install OpenEXR, or save .npy or float TIFF") from None
    check_pixels(path, exr_size(path))
    values: Any = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise OSError("OpenCV cannot read it")
    return _channel({"colour": values})


def _channel(channels: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """The one channel of numbers.

    Raises:
        ValueError: there are several that differ.
    """
    name = next((n for n in ("Z", "Y", "V", "depth", "R") if n in channels), next(iter(channels)))
    others = [values for other, values in channels.items() if other != name and name == "R" and other in "GB"]
    values = channels[name]
    if values.ndim == 3:
        others = [values[..., i] for i in range(1, min(3, values.shape[2]))]
        values = values[..., 0]
    if any(not np.array_equal(values, other, equal_nan=True) for other in others):
        raise ValueError(f"holds the channels {', '.join(channels)}, which differ; save depth in one")
    return values
