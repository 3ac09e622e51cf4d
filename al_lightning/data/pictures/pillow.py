"""What Pillow opens -> `Pixels`, and what Pillow leaves to others: low bytes, transparent colours, orientations."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_lightning.data.pictures.pixels import Pixels

warnings.filterwarnings("ignore", message="Corrupt EXIF data")  # one line says that a file cannot be read
ORIENTATION = 274
"""EXIF tag."""
LOSSY = ("JPEG", "MPO", "JPEG2000")
LATE = (b"eXIf", b"iTXt", b"zTXt", b"tEXt")
"""Chunks of a PNG that can hold an orientation behind the pixels."""
ONE_PICTURE = ("MPO",)
"""Formats whose first picture is the one to show: a JPEG of a camera with previews behind it."""


def of_pillow(image: Image.Image, again: Callable[[], Image.Image]) -> Pixels:
    """The pixels of an open picture, as Pillow loads it.

    Args:
        image (Image.Image): not loaded yet.
        again (Callable): opens it once more.

    Raises:
        ValueError: a kind that is not read.
    """
    lossy = _lossy(image)
    mode = image.mode
    if (deep := _sixteen_bits(image, again)) is not None:
        return Pixels(deep[..., :3], 16, None, deep[..., 3] if deep.shape[2] == 4 else None, lossy)
    if mode in ("La", "RGBa"):
        image = image.convert("LA" if mode == "La" else "RGBA")
    elif mode in ("CMYK", "YCbCr", "HSV", "LAB"):
        image = image.convert("RGB")
    values = np.asarray(image)
    alpha = None
    if image.mode in ("LA", "PA"):
        values, alpha = values[..., 0], values[..., 1]
    elif image.mode in ("RGBA", "RGBX"):
        values, alpha = values[..., :3], values[..., 3] if image.mode == "RGBA" else None
    elif image.mode == "1":
        return Pixels(values.astype(np.uint8), 1, None, _keyed(image, values), lossy)
    elif image.mode.startswith("I;16"):
        return Pixels(values.astype(np.uint16), 16, lossy=lossy)
    elif image.mode in ("I", "F"):
        return Pixels(values, 32, lossy=lossy)
    elif image.mode not in ("L", "P", "RGB"):
        raise ValueError(f"pixels of kind {mode!r}; save grey levels or RGB")
    if alpha is None:
        alpha = _keyed(image, values)
    palette = None
    if image.mode in ("P", "PA"):
        palette = np.zeros((256, 3), np.uint8)
        colours = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)[:256]
        palette[: len(colours)] = colours
    return Pixels(np.ascontiguousarray(values), 8, palette, alpha, lossy)


def _keyed(image: Image.Image, values: NDArray[Any]) -> NDArray[np.uint8] | None:
    """The alpha that a transparent colour or a palette with transparency gives."""
    key = image.info.get("transparency")
    if key is None:
        return None
    if isinstance(key, bytes):
        table = np.full(256, 255, np.uint8)
        table[: len(key)] = np.frombuffer(key[:256], np.uint8)
        return table[values] if values.ndim == 2 else None
    hit = values == np.asarray(key) if np.ndim(key) == 0 or values.ndim == 3 else np.zeros(values.shape, bool)
    hit = hit.all(axis=-1) if hit.ndim == 3 else hit
    return np.where(hit, np.uint8(0), np.uint8(255))


def _raw_mode(image: Image.Image) -> str:
    """How the first tile of an unloaded picture stores its pixels, in Pillow's words."""
    tiles: list[Any] = getattr(image, "tile", [])
    args: Any = tiles[0].args if tiles else ""
    return str(args[0]) if isinstance(args, tuple) and args else args if isinstance(args, str) else ""


def bits_of(image: Image.Image) -> int:
    """Bits a channel of a picture that is not loaded yet."""
    if ";16" in _raw_mode(image) or image.mode.startswith("I;16"):
        return 16
    return 1 if image.mode == "1" else 32 if image.mode in ("I", "F") else 8


def _sixteen_bits(image: Image.Image, again: Callable[[], Image.Image]) -> NDArray[np.uint16] | None:
    """(H, W, 3 or 4) of 16-bit colours, of which Pillow keeps the high bytes; None for other pictures.

    Pillow unpacks the high byte of each number; told that the bytes lie the other way round, the low one.

    Raises:
        ValueError: 16 bits of a kind that cannot be unpacked so.
    """
    raw = _raw_mode(image)
    if ";16" not in raw or image.mode.startswith("I"):
        return None
    if raw[:-1] not in ("RGB;16", "RGBA;16", "RGBX;16"):
        raise ValueError(f"holds 16-bit numbers of kind {raw!r}; save 16-bit grey or RGB, or 8 bits")
    other = raw[:-1] + {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}[raw[-1]]
    high = np.asarray(image).astype(np.uint16)
    copy: Any = again()
    with copy:
        copy.tile = [
            tile._replace(args=other if isinstance(tile.args, str) else (other, *tile.args[1:])) for tile in copy.tile
        ]
        low = np.asarray(copy)
    return np.asarray((high << 8) | low, dtype=np.uint16)


def orientation_of(image: Image.Image) -> int:
    """1 to 8; 1 where the file says nothing that can be understood."""
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except Exception:
        return 1
    return found if found in range(1, 9) else 1


def may_be_oriented(image: Image.Image, path: Path) -> bool:
    """Whether a PNG may say an orientation, by the names of its chunks: Pillow would decode it all to find out."""
    if "exif" in image.info or "xmp" in image.info:
        return True
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            if head[4:] in LATE:
                return True
            file.seek(int.from_bytes(head[:4], "big") + 4, 1)
    return False


def pages_of(image: Image.Image) -> int:
    """Pages or frames."""
    return 1 if image.format in ONE_PICTURE else int(getattr(image, "n_frames", 1))


def _lossy(image: Image.Image) -> bool:
    if image.format == "WEBP":
        with open(getattr(image, "filename", ""), "rb") as file:
            return b"VP8L" not in file.read(4096)  # the chunk of pixels of a lossless one
    return image.format in LOSSY or image.info.get("compression") in ("jpeg", "tiff_jpeg")
