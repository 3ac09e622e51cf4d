"""What a mask file holds, looked at before anybody decides what it means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_lightning.data.pictures.limit import BLOCK, packed
from al_lightning.data.pictures.pixels import Pixels, equal_channels, grey_of, is_grey, named
from al_lightning.data.pictures.stored import read_pixels

Colour = tuple[int, int, int]
Alpha = Literal["opaque", "alone", "agrees", "differs"]
LISTED = 6
"""Values or colours that a message spells out."""
BINNED = 1024
"""Distinct values of a file above which they are binned."""
DIFFERENT = 64
"""Colours above which a file is no drawing in a few of them."""
RIM = 0.02
"""Pixels half way between black and white, as a fraction of the white ones, that are nothing but a rim."""
MOST = 0.9
"""Fraction of the pixels that the few colours of a drawing cover."""


@dataclass(frozen=True)
class Seen:
    """What one file holds."""

    path: Path
    kind: Literal["grey", "palette", "colours"]
    """Palettes of grey levels and colours of equal channels are grey."""
    bits: int
    lossy: bool
    """The codec changes numbers, or channels that should be equal differ a little."""
    values: tuple[float, ...] = ()
    """Distinct grey levels (0 and 1 of 1 bit) or palette indices, ascending; () for colours. More than 1,024 are
    binned."""
    counts: tuple[int, ...] = ()
    """Pixels of each value."""
    whole: bool = True
    """Whether all values are whole numbers."""
    palette: dict[int, Colour] = field(default_factory=dict)
    """Index -> colour, for the indices that occur."""
    colours: tuple[Colour, ...] = ()
    """The most frequent colours of a file of colours."""
    different: int = 0
    """Number of distinct values or colours."""
    covered: float = 1.0
    """Fraction of the pixels that the listed colours cover."""
    painted: int = 0
    """Pixels of one grey half way between the ends, without the outlines of what is brighter."""
    alpha: Alpha = "opaque"
    """alone: the colours are all alike under an alpha that is not; agrees: it is high where the colours are bright."""

    @property
    def drawing(self) -> bool:
        """Whether a file of colours holds few of them, as a mask does and a photograph does not."""
        return self.different <= DIFFERENT or self.covered >= MOST


def plain(pixels: Pixels) -> Pixels:
    """A palette whose used colours are grey levels, and colours of nearly equal channels, as grey levels.

    A palette of other colours stays.
    """
    if pixels.palette is not None:
        used = np.flatnonzero(np.bincount(pixels.values.reshape(-1), minlength=256))
        if not is_grey(pixels.palette[used]):
            return pixels
        return replace(pixels, values=grey_of(pixels), palette=None)
    if pixels.kind == "colours" and is_grey(pixels.values):
        return replace(pixels, values=grey_of(pixels), lossy=pixels.lossy or not equal_channels(pixels.values))
    return pixels


def seen(path: Path, page: int | None = None) -> Seen:
    """Look at one file.

    Raises:
        DataError: it is of a kind that is not read.
        OSError: it is missing, foreign or truncated.
    """
    with named(path):
        return look_at(path, read_pixels(path, page, only_if_several=True))


def look_at(path: Path, pixels: Pixels) -> Seen:
    """What these pixels are, as `Seen` lists it."""
    alpha = alpha_of(pixels)
    pixels = plain(pixels)
    if pixels.kind == "colours":
        bits = 16 if pixels.deep else 8
        keys, counts = np.unique(packed(pixels.values).reshape(-1), return_counts=True)
        order = np.argsort(-counts, kind="stable")[:LISTED]
        most = (1 << bits) - 1
        colours = tuple((k >> 2 * bits, k >> bits & most, k & most) for k in map(int, keys[order]))
        covered = float(counts[order].sum() / counts.sum())
        if pixels.lossy and not pixels.deep:  # the codec makes many colours of one
            _, coarse = np.unique(packed(pixels.values >> 5).reshape(-1), return_counts=True)
            covered = float(np.sort(coarse)[-LISTED:].sum() / coarse.sum())
        return Seen(
            path,
            "colours",
            pixels.bits,
            pixels.lossy,
            colours=colours,
            different=len(keys),
            covered=covered,
            alpha=alpha,
        )
    values, counts = distinct(pixels.values)
    whole = bool((values == np.round(values)).all()) and bool(np.isfinite(values).all())
    palette = {}
    if pixels.palette is not None:
        palette = {int(v): (int(c[0]), int(c[1]), int(c[2])) for v in values for c in [pixels.palette[v]]}
    number = len(values)
    if number > BINNED:
        counts, edges = np.histogram(pixels.values[np.isfinite(pixels.values)], 256)
        values, counts = edges[:-1][counts > 0], counts[counts > 0]
    return Seen(
        *(path, pixels.kind, pixels.bits, pixels.lossy),
        *(tuple(values.astype(float).tolist()), tuple(counts.tolist()), whole, palette),
        different=number,
        painted=painted(pixels.values) if pixels.kind == "grey" and number > 2 else 0,
        alpha=alpha,
    )


def painted(levels: NDArray[Any]) -> int:
    """Pixels of one grey between a quarter and three quarters of the brightest, where it is more than a rim.

    A third class, or an uncertain one, is painted in one grey; a rim that was smoothed holds all of them.
    """
    from scipy import ndimage

    top = 255.0 if levels.dtype == np.uint8 else float(levels.max())
    middle = (levels > top / 4) & (levels < 3 * top / 4)
    if middle.sum() <= RIM * (levels >= 3 * top / 4).sum():
        return 0
    inside = levels[ndimage.binary_erosion(middle, np.ones((3, 3)))]
    if not inside.size:
        return 0
    bins = np.bincount((inside * (255.0 / top)).astype(np.int64) // 16, minlength=17)
    most = int((bins[:-1] + bins[1:]).max())  # one grey may lie on the border of two bins
    return most if most > 0.6 * inside.size else 0


def distinct(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Distinct numbers, ascending, and how often each occurs."""
    if values.dtype in (np.uint8, np.uint16):
        counts = histogram(values) if values.dtype == np.uint8 else _histogram(values)
        found = np.flatnonzero(counts)
        return found, counts[found]
    return np.unique(values.reshape(-1), return_counts=True)


def histogram(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(256,) how often each number occurs in (H, W); ten times as fast as NumPy's bincount."""
    return np.asarray(Image.fromarray(values).histogram(), dtype=np.int64)


def _histogram(values: NDArray[np.uint16]) -> NDArray[np.int64]:
    """(65536,) the same of 16 bits, a part at a time, as NumPy makes 64 bits of them."""
    flat = values.reshape(-1)
    parts = (flat[start : start + BLOCK] for start in range(0, flat.size, BLOCK))
    return np.asarray(sum(np.bincount(part, minlength=1 << 16) for part in parts), dtype=np.int64)


def alpha_of(pixels: Pixels) -> Alpha:
    """What an alpha channel says beside the colours."""
    if not pixels.transparent or pixels.alpha is None:
        return "opaque"
    high = pixels.alpha > pixels.opaque // 2
    stored = pixels.palette[pixels.values] if pixels.palette is not None else pixels.values
    said = bool((pixels.alpha == pixels.alpha[0, 0]).all()) or high.any() != high.all()
    if not pixels.deep and said and (high == (grey_of(pixels) > 127)).all():
        return "agrees"
    return "alone" if (stored == stored[:1, :1]).all() else "differs"


def listed(values: Iterable[float]) -> str:
    """Numbers for a message.

    Example:
        >>> listed([0, 1]), listed(range(9)), listed([0.5])
        ('0 and 1', '9 values from 0 to 8', '0.5')
    """
    numbers = sorted(values)
    if len(numbers) > LISTED:
        return f"{len(numbers)} values from {numbers[0]:g} to {numbers[-1]:g}"
    words = [f"{number:g}" for number in numbers]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else "nothing"


def union(found: Sequence[Seen]) -> dict[float, int]:
    """value -> pixels over all files of grey levels or indices."""
    total: dict[float, int] = {}
    for one in found:
        for value, count in zip(one.values, one.counts, strict=True):
            total[value] = total.get(value, 0) + count
    return dict(sorted(total.items()))
