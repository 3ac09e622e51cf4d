"""TIFF: how a file is laid out, and the kinds that Pillow refuses or reads wrongly, through tifffile.

Pillow reads grey, palette and RGB of at most 8 bits, interleaved or planar, and grey of 16 and 32 bits. It cannot open
RGB that is tagged grey, as CVC-ClinicDB is published. Without an error it mixes up planar samples of 16 bits or more
than three, does not invert 16-bit grey whose zero is white, and wraps unsigned 32-bit numbers.
"""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from al_lightning.core.arrays import Size
from al_lightning.data.errors import DataError
from al_lightning.data.pictures.pixels import Pixels

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # one line says that a file cannot be read
MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ORIENTATION, PHOTOMETRIC = 274, 262
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE = 0, 1, 2, 3
"""Values of the tag of the photometric interpretation."""
JPEG = (6, 7, 34712)
"""Compressions that change numbers: both kinds of JPEG, and JPEG 2000."""
REDUCED = 1
"""Bit of the tag of a page that is a smaller copy of another."""


@dataclass(frozen=True)
class Layout:
    """What the tags of a TIFF say of the page to read."""

    pages: int
    """Pages at full size; smaller copies (thumbnails, pyramids) do not count."""
    index: int
    """Position of the page in the file, from 0."""
    size: Size
    """(H, W) as stored."""
    orientation: int
    bits: int
    kind: str
    """In words, for a message."""
    by_pillow: bool
    """Whether Pillow reads it, with the tags of `fixes`."""
    fixes: tuple[tuple[int, int], ...] = ()
    """(tag, value) that Pillow needs in place of what the file has: the colours that the number of samples says, and
    no orientation, as Pillow scrambles some pictures that it turns."""


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF does."""
    with path.open("rb") as file:
        return file.read(4) in MAGIC


def layout(path: Path, page: int | None) -> Layout | None:
    """The layout of a TIFF's page (from 1; None: the first at full size); None where tifffile cannot parse the file.

    A page that is not there gives the layout of the first.
    """
    from tifffile import TiffFile

    try:
        with TiffFile(path) as file:
            full = [i for i, one in enumerate(file.pages) if not _tags(one).get(254, 0) & REDUCED] or [0]
            count = len(file.pages) if page is not None else len(full)
            if len(file.pages) == 1 and file.is_imagej:  # ImageJ writes stacks of many pages under one header
                count = max(1, file.series[0].size // max(1, file.pages[0].size))
            index = min(page, len(file.pages)) - 1 if page is not None else full[0]
            return _of(file.pages[index], count, index)
    except Exception:
        return None


def read(path: Path, found: Layout) -> Pixels:
    """The page's pixels as stored, by tifffile.

    Raises:
        DataError: a kind that is not read.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[found.index]
            values = page.asarray()
            tags, axes = _tags(page), page.axes
    except Exception as error:
        advice = "save it as PNG, or as TIFF without compression"
        if "imagecodecs" in str(error):
            advice = f"pip install imagecodecs, or {advice}"
        raise DataError(f"{path}: a TIFF of {found.kind} that cannot be read ({error}); {advice}") from None
    if axes == "SYX":
        values = np.moveaxis(values, 0, -1)
    elif axes not in ("YX", "YXS"):
        raise DataError(f"{path}: a TIFF with the axes {axes}; save one picture of rows and columns")
    if values.ndim == 2 and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO and values.dtype.kind == "u":
        values = np.iinfo(values.dtype).max - values
    samples = values.shape[2] if values.ndim == 3 else 1
    if samples not in (1, 3, 4) or (samples == 4 and tags.get(PHOTOMETRIC) not in (RGB, BLACK_IS_ZERO)):
        raise DataError(f"{path}: a TIFF of {found.kind}; save grey levels or RGB")
    if values.dtype.kind not in "uif":
        raise DataError(f"{path}: a TIFF of {values.dtype} numbers; save 8-bit, 16-bit or 32-bit ones")
    alpha = values[..., 3] if samples == 4 else None
    colours = values[..., :3] if samples >= 3 else values.reshape(values.shape[:2])
    return Pixels(np.ascontiguousarray(colours), values.dtype.itemsize * 8, None, alpha, tags.get(259) in JPEG)


def fixed(path: Path, found: Layout) -> bytes:
    """The file with the tags of its page as `fixes` has them."""
    from tifffile import TiffFile

    data = bytearray(path.read_bytes())
    with TiffFile(path) as file:
        page: Any = file.pages[found.index]
        for tag, value in found.fixes:
            kind = "I" if page.tags[tag].dtype == 4 else "H"  # some writers take a long for a short
            struct.pack_into(f"{file.byteorder}{kind}", data, page.tags[tag].valueoffset, value)
    return bytes(data)


def _of(page: Any, count: int, index: int) -> Layout:
    tags = _tags(page)
    samples, bits, planar = page.samplesperpixel, page.bitspersample, tags.get(284, 1) == 2
    photometric, number = tags.get(PHOTOMETRIC, 0), tags.get(339, 1)
    number = number[0] if isinstance(number, tuple) else number
    fits = None
    if samples == 3 and photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO, PALETTE):
        fits = RGB
    elif samples == 1 and photometric == RGB:
        fits = BLACK_IS_ZERO
    by_tifffile = (
        (fits is not None and bits > 8)
        or (planar and samples > 1 and (bits > 8 or samples != 3))
        or (samples == 4 and photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO))
        or (bits >= 16 and samples == 1 and photometric == WHITE_IS_ZERO and number == 1)
        or (bits == 32 and (number == 1 or samples > 1))
        or (bits == 16 and number == 3)
        or bits > 32
    )
    kind = f"{samples} {'planar ' * planar}sample{'s' * (samples != 1)} of {bits} bits a pixel"
    size = (int(page.imagelength), int(page.imagewidth))
    orientation = tags.get(ORIENTATION, 1)
    orientation = orientation if orientation in range(1, 9) else 1
    fixes = [(ORIENTATION, 1)] if orientation != 1 else []
    if fits is not None:
        fixes.append((PHOTOMETRIC, fits))
    return Layout(count, index, size, orientation, bits, kind, not by_tifffile, tuple(fixes))


def _tags(page: Any) -> dict[int, Any]:
    return {tag.code: tag.value for tag in page.tags} if hasattr(page, "tags") else {}
