"""Pixels: what one picture file stores, upright and of one page, before anybody decides what the numbers mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_lightning.data.errors import DataError, Misfit

ROUNDING = 40
"""Grey levels by which the channels of a grey pixel may differ after a lossy codec; the pure colours that people paint
masks with differ by 127 or more."""


@dataclass(frozen=True)
class Pixels:
    """What a file stores; no number is scaled."""

    values: NDArray[Any]
    """(H, W) grey levels or palette indices, or (H, W, 3) colours."""
    bits: int
    """A channel: 1 (values are 0 and 1), 8, 16, 32 or 64."""
    palette: NDArray[np.uint8] | None = None
    """(256, 3) colours by index; None where values are no indices."""
    alpha: NDArray[Any] | None = None
    """(H, W) opacity, 0 to `opaque`; None where there is none."""
    lossy: bool = False
    """Whether the codec changes numbers a little (JPEG, JPEG 2000, most WebP)."""

    @property
    def kind(self) -> Literal["grey", "palette", "colours"]:
        """What `values` holds."""
        if self.values.ndim == 3:
            return "colours"
        return "grey" if self.palette is None else "palette"

    @property
    def deep(self) -> bool:
        """Whether a channel has more than 8 bits."""
        return self.bits > 8

    @property
    def opaque(self) -> int:
        """The value of alpha where nothing shines through."""
        return 255 if self.alpha is None else int(np.iinfo(self.alpha.dtype).max)

    @property
    def transparent(self) -> float:
        """Fraction of the pixels that are not fully opaque."""
        return 0.0 if self.alpha is None else float((self.alpha != self.opaque).mean())

    def upright(self, orientation: int) -> Pixels:
        """Turned as the EXIF orientation (1 to 8) says."""
        if orientation == 1:
            return self
        alpha = None if self.alpha is None else turned(self.alpha, orientation)
        return replace(self, values=turned(self.values, orientation), alpha=alpha)


def turned(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """(H, W, ...) as stored -> as it is shown, by the EXIF orientation: 1 as it is, 3 half a turn, 6 and 8 a quarter.

    Example:
        >>> turned(np.array([[1, 2], [3, 4]]), 6).tolist()
        [[3, 1], [4, 2]]
    """
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return np.ascontiguousarray(values)


def equal_channels(colours: NDArray[Any]) -> bool:
    """Whether the channels of (..., 3) are equal."""
    first = colours[..., 0]
    return bool((first == colours[..., 1]).all() and (first == colours[..., 2]).all())


def is_grey(colours: NDArray[Any]) -> bool:
    """Whether colours (..., 3) are grey levels: the channels are equal, or nearly so in a picture with bright pixels.

    Example:
        >>> is_grey(np.array([[0, 0, 0], [250, 255, 253]], np.uint8)), is_grey(np.array([[1, 0, 0]], np.uint8))
        (True, False)
    """
    if equal_channels(colours):
        return True
    if colours.dtype != np.uint8 or colours.max() < 128:
        return False
    return int((colours.max(axis=-1) - colours.min(axis=-1)).max()) <= ROUNDING


def grey_of(pixels: Pixels) -> NDArray[Any]:
    """(H, W) grey levels: 0 to 255 of 1 and 8 bits (colours by their luminance), the stored numbers of more bits.

    Raises:
        ValueError: colours of more than 8 bits.
    """
    if pixels.kind == "grey":
        return np.asarray(pixels.values * np.uint8(255)) if pixels.bits == 1 else pixels.values
    if pixels.deep and equal_channels(pixels.values):
        return np.asarray(pixels.values[..., 0])
    if pixels.deep:
        raise ValueError(f"holds colours of {pixels.bits} bits a channel; save grey levels or 8 bits")
    if pixels.palette is None:
        return np.asarray(Image.fromarray(pixels.values).convert("L"))
    levels = np.asarray(Image.fromarray(pixels.palette[None]).convert("L"))[0]
    return np.asarray(levels[pixels.values])


def numbers_of(pixels: Pixels) -> NDArray[Any]:
    """(H, W) stored numbers: palette indices, grey levels, or 0 and 1.

    Raises:
        ValueError: colours.
    """
    if pixels.kind != "colours":
        return pixels.values
    if equal_channels(pixels.values):
        return np.asarray(pixels.values[..., 0])
    raise ValueError("holds colours; save class numbers or grey levels in one channel")


def colours_of(pixels: Pixels) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 colours of 1 or 8 bits.

    Raises:
        ValueError: more than 8 bits a channel.
    """
    if pixels.deep:
        raise ValueError(f"has more than 8 bits a channel ({pixels.bits}); save it as 8-bit")
    if pixels.palette is not None:
        return np.asarray(pixels.palette[pixels.values])
    if pixels.values.ndim == 3:
        return pixels.values
    return np.repeat(grey_of(pixels)[..., None], 3, axis=2)


def check_page(path: Path, pages: int, page: int | None, only_if_several: bool = False) -> int:
    """The position of the page to read, from 0.

    Raises:
        DataError: the file holds several and none is chosen, or the chosen one is not there.
    """
    if page is None and pages > 1:
        raise DataError(
            f"{path}: holds {pages} pages, of which one would be read; save one picture a file, or say which page "
            "of every file to read: dataset.options: {page: 1} is the first",
            about="page",
            choices=[{"page": 1}],
        )
    if page is None or (only_if_several and pages == 1):
        return 0
    if not 1 <= page <= pages:
        raise DataError(f"{path}: holds {pages} page{'s' * (pages != 1)}; page={page} is not there")
    return page - 1


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Puts the file in front of the message of a ValueError, which becomes a DataError."""
    try:
        yield
    except DataError:
        raise
    except Misfit as error:
        raise DataError(f"{path}: {error}", about=error.about, choices=error.choices) from None
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
