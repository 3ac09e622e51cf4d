"""MaskReading: how the masks of a set become class numbers, and the check of each file that it fits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.task import IGNORE
from al_lightning.data.mask_survey import alpha_of, distinct, listed, plain
from al_lightning.data.outlines import filled
from al_lightning.data.pixels import Pixels, colours_of, grey_of, named, numbers_of
from al_lightning.data.stored import read_pixels

How = Literal["threshold", "index", "palette", "foreground", "colours", "alpha", "outline"]
TOO_GREY = 0.05
"""Fraction of the pixels of a mask of grey levels that may lie half way between black and white, where they outnumber
the white ones."""
PAINTED = 16
"""Pixels half way between black and white, with none that is white, that make a file differ from its set."""
NUMBERS = 32
"""Distinct values above which a file holds no class numbers."""


@dataclass(frozen=True)
class Found:
    """What the masks that were looked at hold."""

    looked_at: int
    of: int
    what: str
    """Their kind, such as "8-bit grey, values 0 and 255"."""
    fractions: tuple[float, ...] = ()
    """Fraction of the valid pixels that is of each class."""
    empty: int = 0
    """Masks without any pixel above class 0."""
    void: float = 0.0
    """Fraction of the pixels that is void."""


@dataclass(frozen=True)
class MaskReading:
    """How the masks of a set are read; `decode` refuses a file that does not fit."""

    how: How
    classes: tuple[str, ...]
    white: float = 255.0
    """The brightest level of the set's files of 8 bits."""
    deep_white: float | None = None
    """The same of more bits; None where the set has no such file."""
    threshold: float | None = None
    """Levels above are class 1; None: above half of the range, and levels half way are refused."""
    noisy: bool = False
    """Whether levels near the ends are the codec's noise, and not numbers."""
    given: bool = True
    """Whether an option said how, and not the files themselves."""
    foreground: tuple[int, ...] = ()
    """Stored numbers that are class 1."""
    void: tuple[int, ...] = (IGNORE,)
    """Stored numbers that count in no loss and no metric."""
    colours: tuple[tuple[int, int, int, int], ...] = ()
    """(red, green, blue, class or `IGNORE`)."""
    palette: tuple[tuple[int, int, int, int], ...] = ()
    """(index, red, green, blue) of the palettes of the set; () where any will do."""
    invert: bool = False
    """Exchange the two classes."""
    page: int | None = None
    found: Found | None = None

    def decode(self, path: Path) -> NDArray[np.uint8]:
        """(H, W) class numbers, `IGNORE` for void.

        Raises:
            DataError: the file does not fit; the message says what it holds.
            OSError: it is missing, foreign or truncated.
        """
        with named(path):
            return classes_of(read_pixels(path, self.page, only_if_several=True), self)

    def describe(self) -> str:
        """One line: what the masks are, and what they hold."""
        if self.found is None:
            return f"masks: {self.how}"
        found = self.found
        parts = [found.what]
        if len(self.classes) == 2 and found.fractions:
            parts.append(f"{self.classes[1]} {100 * found.fractions[1]:.1f} % of pixels")
        elif found.fractions:
            parts.append(f"{sum(f > 0 for f in found.fractions)} of {len(self.classes)} classes found")
        if found.void:
            parts.append(f"void {100 * found.void:.1f} %")
        line = f"masks: {', '.join(parts)}"
        if found.empty:
            line += f"; {found.empty} of {found.looked_at} masks are empty"
        return line + (f" ({found.looked_at} of {found.of} looked at)" if found.looked_at < found.of else "")

    def facts(self) -> dict[str, Any]:
        """What environment.json records."""
        kept = {name: value for name, value in asdict(self).items() if name not in ("found", "classes", "palette")}
        found = {} if self.found is None else asdict(self.found)
        return {"line": self.describe(), **kept, **found}


def classes_of(pixels: Pixels, reading: MaskReading) -> NDArray[np.uint8]:
    """(H, W) class numbers, `IGNORE` for void, of a mask's pixels.

    Raises:
        ValueError: they do not fit the reading.
    """
    if reading.how in ("threshold", "outline", "alpha"):
        found = _bright(pixels, reading)
        classes = (filled(found) if reading.how == "outline" else found).astype(np.uint8)
    elif reading.how == "colours":
        classes = _by_colour(colours_of(pixels), reading)
    else:
        classes = _by_number(pixels, reading)
    if reading.invert:
        classes = np.where(classes == IGNORE, classes, 1 - classes)
    return classes


def _bright(pixels: Pixels, reading: MaskReading) -> NDArray[np.bool_]:
    """(H, W) what lies above the threshold."""
    if reading.how == "alpha":
        if pixels.alpha is None:
            raise ValueError("has no alpha channel, from which the masks of this set are read; save it as the others")
        levels, white = pixels.alpha, float(pixels.opaque)
    else:
        if not reading.given:
            _check_plain(pixels)
            pixels = plain(pixels)
        levels, white = grey_of(pixels), _white(pixels, reading)
    cut = reading.threshold
    if cut is None:
        cut = 127 if levels.dtype == np.uint8 else white // 2
        if problem := misfit(levels, white, pixels.lossy or reading.noisy, reading.given):
            raise ValueError(problem)
    return np.asarray(levels > cut)


def _check_plain(pixels: Pixels) -> None:
    """Refuse what the files of a set that was found to hold black and white do not hold."""
    found = plain(pixels)
    if found.kind != "grey":
        some = "a palette of colours" if found.kind == "palette" else "colours"
        raise ValueError(f"holds {some}, and the masks of this set black and white; save it as the others")
    if alpha_of(pixels) in ("alone", "differs"):
        raise ValueError("is transparent in places, and the masks of this set are not; save it as the others")


def _white(pixels: Pixels, reading: MaskReading) -> float:
    if not pixels.deep:
        return reading.white
    if reading.deep_white is None:
        raise ValueError(f"has {pixels.bits} bits a pixel and the other masks of the set 8; save it as the others")
    return reading.deep_white


def misfit(levels: NDArray[Any], white: float, noisy: bool, given: bool = False) -> str | None:
    """Why levels (H, W) are not black and white, or None.

    Args:
        levels (NDArray): of one mask.
        white (float): the brightest level of the set.
        noisy (bool): small levels may be noise.
        given (bool): an option asked for a threshold, so that levels half way are its business. Default False.

    Example:
        >>> misfit(np.array([0, 255, 254], np.uint8), 255, False) is None
        True
    """
    values, counts = distinct(levels)
    if values[-1] == 0:
        return None
    low, high = values <= white / 4, values >= 3 * white / 4
    remedy = "save it as the others, or say what these are: dataset.options: {masks: index} if they are class numbers"
    if low.all():
        if noisy and (len(values) > 3 or counts[values > 0].sum() < 0.005 * counts.sum()):
            return None
        return f"holds only {listed(values)}, of which a threshold would leave nothing; {remedy}"
    if given:
        return None
    middle, bright = int(counts[~low & ~high].sum()), int(counts[high].sum())
    if middle > TOO_GREY * counts.sum() and middle > bright or (not bright and middle >= PAINTED):
        return (
            f"holds {listed(values)}, {100 * middle / counts.sum():.1f} % of its pixels half way between black and "
            "white; paint it black and white, or set dataset.options: {threshold: 127}"
        )
    return None


def _by_number(pixels: Pixels, reading: MaskReading) -> NDArray[np.uint8]:
    """(H, W) classes of class numbers, palette indices, or numbers of which some are the foreground."""
    if reading.how == "palette":
        if pixels.palette is None:
            raise ValueError("has no palette, and the masks of this set are read by theirs; save it as the others")
        _check_palette(pixels, reading)
    elif reading.how == "index" and not reading.given:
        pixels = plain(pixels)
        if pixels.kind == "palette":
            raise ValueError("has a palette of colours, and the masks of this set none; save it as the others")
    numbers = numbers_of(pixels)
    values, _ = distinct(numbers)
    if reading.how == "foreground":
        if len(values) > NUMBERS:
            raise ValueError(
                f"holds {listed(values)}, too many for class numbers; set dataset.options: {{threshold: N}}"
            )
        classes = np.isin(numbers, reading.foreground).astype(np.uint8)
    else:
        wrong = [
            value for value in values.tolist() if not (value in range(len(reading.classes)) or value in reading.void)
        ]
        if wrong:
            voids = " or ".join(map(str, reading.void))
            void = f", or {voids} for void" if voids else ""
            raise ValueError(f"holds {listed(wrong)}; expected class numbers 0 to {len(reading.classes) - 1}{void}")
        classes = numbers.astype(np.uint8)
    return np.where(np.isin(numbers, reading.void), np.uint8(IGNORE), classes) if reading.void else classes


def _check_palette(pixels: Pixels, reading: MaskReading) -> None:
    assert pixels.palette is not None
    known = {index: colour for index, *colour in reading.palette}
    for index in distinct(pixels.values)[0].tolist():
        colour = pixels.palette[index].tolist()
        if index in known and known[index] != colour:
            raise ValueError(
                f"its palette has {colour} at {index} and the other masks of the set {known[index]}; save all with one "
                "palette, or name the colours: dataset.options: {colours: {class: [red, green, blue], ...}}"
            )


def _by_colour(colours: NDArray[np.uint8], reading: MaskReading) -> NDArray[np.uint8]:
    """(H, W, 3) -> (H, W) by the table of colours."""
    packed = colours.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    classes = np.zeros(packed.shape, np.uint8)
    known = np.zeros(packed.shape, bool)
    for red, green, blue, number in reading.colours:
        here = packed == red * 65536 + green * 256 + blue
        classes[here] = number
        known |= here
    if not known.all():
        value = int(packed[~known][0])
        raise ValueError(
            f"holds the colour [{value >> 16}, {value >> 8 & 255}, {value & 255}] ({(~known).sum()} pixels), which is "
            "not listed; add it to dataset.options.colours, under void if it counts for nothing"
        )
    return classes
