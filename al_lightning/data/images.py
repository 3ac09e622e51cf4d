"""What the files of images mean, decided once for a whole set: the page, the window of grey levels, the way up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Size
from al_lightning.data.errors import DataError, decoded
from al_lightning.data.pictures.limit import by_blocks
from al_lightning.data.pictures.pixels import Pixels, check_page, colours_of, named
from al_lightning.data.pictures.stored import Header, read_header, read_pixels
from al_lightning.data.sample import evenly, readable

PERCENTILES = (0.5, 99.5)
"""Of the sample's numbers, that become black and white with `window: auto`."""
KEPT = 20_000
"""Numbers of a file that the percentiles are taken over, evenly spaced."""


@dataclass(frozen=True)
class ImageReading:
    """How the images of a set are read.

    Rules: 1 bit, grey and palettes become RGB; CMYK and YCbCr are converted; an alpha channel is dropped where every
    pixel is opaque, and refused where not; the first picture of an MPO, and the page at full size of a TIFF with
    smaller copies, is the image.
    """

    page: int | None = None
    """Page of every file, from 1; None: a file holds one."""
    window: tuple[float, float] | None = None
    """Numbers that become 0 and 255 in files of more than 8 bits; None: such files are refused."""
    upright: bool = True
    """Turn pictures as their EXIF orientation says."""

    def decode(self, path: Path) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB.

        Raises:
            DataError: a kind of file that is not read, or that differs from the rest of the set.
            OSError, ValueError: the file is missing, foreign or truncated.
        """
        with named(path):
            return to_rgb(read_pixels(path, self.page, self.upright), self.window)

    def size(self, path: Path) -> Size:
        """(H, W) as `decode` gives it, from the header.

        Raises:
            OSError, ValueError: the file is missing or foreign.
        """
        return read_header(path, self.page).shown(self.upright)

    def turns(self, path: Path) -> str:
        """What an error about the size of an image adds where its EXIF orientation matters."""
        orientation = read_header(path, self.page).orientation
        if orientation == 1:
            return ""
        return f", which EXIF orientation {orientation} {'turns' if self.upright else 'would turn'}"

    def facts(self) -> dict[str, Any]:
        """What environment.json records of it; empty for files that need no decision."""
        known = {"page": self.page, "window": list(self.window) if self.window else None}
        found = {name: value for name, value in known.items() if value is not None}
        return found if self.upright else found | {"orientation": "not applied"}


def to_rgb(pixels: Pixels, window: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """(H, W, 3) uint8.

    Args:
        pixels (Pixels): of any kind.
        window (tuple[float, float] | None): numbers that become 0 and 255, for more than 8 bits. Default None.

    Raises:
        ValueError: transparent pixels, numbers that are none, or more than 8 bits and no window, or the reverse.
    """
    if transparent := pixels.transparent:
        raise ValueError(
            f"{100 * transparent:.1f} % of its pixels are transparent, and what an image shows there is not known; "
            "save it without alpha"
        )
    if not pixels.deep:
        if window is not None:
            raise ValueError(f"has {pixels.bits} bits a channel and others of the set more; save all alike")
        return colours_of(pixels)
    if window is None:
        raise ValueError(f"has more than 8 bits a channel ({pixels.bits}); save it as 8-bit")
    if not np.isfinite(pixels.values).all():
        raise ValueError("holds NaN or infinite numbers; give these pixels a number")
    low, high = window

    def scaled(rows: NDArray[Any]) -> NDArray[np.float64]:
        return (((rows.astype(np.float64) - low) / (high - low)).clip(0, 1) * 255).round()

    rounded: NDArray[np.uint8] = by_blocks(pixels.values, np.empty(pixels.values.shape, np.uint8), scaled)
    return rounded if rounded.ndim == 3 else np.repeat(rounded[..., None], 3, axis=2)


def image_reading(
    images: Sequence[Path], targets: Sequence[Path | None], page: int | None, window: str | Sequence[float]
) -> tuple[ImageReading, list[str]]:
    """The reading of a set, and what its user should know, a line each.

    Args:
        images (Sequence[Path]): (n,) the files.
        targets (Sequence[Path | None]): (n,) the target of each.
        page (int | None): option of the user.
        window (str | Sequence[float]): auto, or low and high.

    Raises:
        DataError: an option is impossible, a file cannot be opened, or files differ in bits a channel.
    """
    if page is not None and page < 1:
        raise DataError(f"page={page}: pages are counted from 1")
    chosen = _checked(window)
    sample = {images[row]: targets[row] for row in evenly(len(images))}
    heads = headers([*sample], page)
    for path, head in heads.items():
        check_page(path, head.pages, page)
    deep = [path for path, head in heads.items() if head.bits > 8]
    shallow = [path for path, head in heads.items() if head.bits <= 8]
    if deep and shallow:
        raise DataError(
            f"{deep[0]}: has more than 8 bits a channel, and {shallow[0].name} has 8 ({len(deep)} and {len(shallow)} "
            f"of {len(heads)} looked at); save all images alike"
        )
    if chosen is not None and not deep:
        raise DataError(f"window={list(chosen)}: the images have 8 bits a channel and need none; remove the option")
    notes: list[str] = []
    upright = True
    turned = {path: head for path, head in heads.items() if head.orientation != 1}
    if turned:
        upright = _fits_upright([(path, head, sample[path]) for path, head in turned.items()], page)
        some = f"images: {len(turned)} of {len(heads)} carry an EXIF orientation"
        notes.append(
            f"{some}, which is applied"
            if upright
            else f"{some}, which is not applied: their targets fit them as stored"
        )
    reading = ImageReading(page, None, upright)
    if deep:
        found = chosen or percentiles(deep, reading)
        reading = ImageReading(page, found, upright)
        how = "window" if chosen else f"percentiles {PERCENTILES[0]} and {PERCENTILES[1]} of {len(deep)} files"
        notes.append(f"images: {heads[deep[0]].bits}-bit, {found[0]:g} is black and {found[1]:g} white ({how})")
    return reading, notes


def headers(files: Sequence[Path], page: int | None = None) -> dict[Path, Header]:
    """file -> its header, without files that cannot be opened.

    Raises:
        DataError: none can be opened.
    """
    return readable(files, lambda path: read_header(path, page))


def percentiles(files: Sequence[Path], reading: ImageReading) -> tuple[float, float]:
    """The numbers that become black and white, over evenly spaced pixels of all files.

    Raises:
        DataError: a file cannot be read, or all numbers are equal.
    """

    def numbers(path: Path) -> NDArray[Any]:
        with named(path):
            found = read_pixels(path, reading.page, reading.upright).values
        flat = found.reshape(-1)[:: max(1, found.size // KEPT)].astype(np.float64)
        return np.asarray(flat[np.isfinite(flat)])

    every = np.concatenate([*readable(files, numbers).values()])
    if not every.size or every.min() == every.max():
        raise DataError(f"{files[0]}: this and all other images looked at hold one number only; nothing would be seen")
    low, high = np.percentile(every, PERCENTILES).tolist()
    return (low, high) if low < high else (float(every.min()), float(every.max()))


def _checked(window: str | Sequence[float]) -> tuple[float, float] | None:
    if isinstance(window, str):
        if window != "auto":
            raise DataError(f"window={window!r}: expected auto, or [low, high] such as [0, 4095]")
        return None
    if len(window) != 2 or not window[0] < window[1]:
        raise DataError(f"window={list(window)}: expected auto, or [low, high] such as [0, 4095]")
    return float(window[0]), float(window[1])


def _fits_upright(found: Sequence[tuple[Path, Header, Path | None]], page: int | None) -> bool:
    """Whether targets have the size of their images as shown; those of some tools have the size as stored.

    A half turn says nothing, as its size is the same.

    Raises:
        DataError: some fit the one and some the other.
    """
    fits: dict[bool, Path] = {}
    for path, head, target in found:
        if target is None or target.suffix.lower() in (".npy", ".exr") or head.shown(True) == head.shown(False):
            continue
        size = decoded(target, lambda file: read_header(file, page)).shown(True)
        for upright in (True, False):
            if size == head.shown(upright):
                fits.setdefault(upright, path)
    if len(fits) == 2:
        raise DataError(
            f"{fits[True]}: its target fits the picture turned by its EXIF orientation, but that of "
            f"{fits[False].name} fits it as stored; save the images without EXIF orientation"
        )
    return False not in fits
