"""Pixels of a mask -> class numbers, as a `MaskReading` says, and the check that they fit it; pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.task import IGNORE
from al_lightning.data.errors import Misfit
from al_lightning.data.masks.outlines import filled
from al_lightning.data.masks.survey import alpha_of, distinct, listed, plain
from al_lightning.data.pictures.limit import packed
from al_lightning.data.pictures.pixels import Pixels, colours_of, grey_of, numbers_of

if TYPE_CHECKING:
    from al_lightning.data.masks.reading import MaskReading

TOO_GREY = 0.05
"""Fraction of the pixels of a mask of grey levels that may lie half way between black and white, where they outnumber
the white ones."""
PAINTED = 16
"""Pixels half way between black and white, with none that is white, that make a file differ from its set."""
NUMBERS = 32
"""Distinct values above which a file holds no class numbers."""
FEW = 8
"""Distinct values up to which a file that no codec has changed was painted in single values."""


def classes_of(pixels: Pixels, reading: MaskReading) -> NDArray[np.uint8]:
    """(H, W) class numbers, `IGNORE` for void, of a mask's pixels.

    Raises:
        ValueError: they do not fit the reading.
    """
    if reading.how in ("threshold", "outline", "alpha"):
        found = _bright(pixels, reading)
        classes = (filled(found) if reading.how == "outline" else found).astype(np.uint8)
    elif reading.how == "colours":
        classes = _by_colour(colours_of(pixels), reading, pixels.lossy)
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
            raise problem
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


def misfit(levels: NDArray[Any], white: float, noisy: bool, given: bool = False) -> Misfit | None:
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
        text = f"holds only {listed(values)}, of which a threshold would leave nothing; {remedy}"
        return Misfit(text, about="masks", choices=[{"masks": "index"}])
    if given:
        return None
    odd = values[(values > 0) & (values <= white / 8)]
    if odd.size and high.sum() == 1 and not noisy and len(values) <= FEW:  # noise would be at both ends
        return Misfit(f"holds {listed(values)}; {remedy}", about="masks", choices=[{"masks": "index"}])
    middle, bright = int(counts[~low & ~high].sum()), int(counts[high].sum())
    if (middle > TOO_GREY * counts.sum() and middle > bright) or (not bright and middle >= PAINTED):
        return Misfit(
            f"holds {listed(values)}, {100 * middle / counts.sum():.1f} % of its pixels half way between black and "
            "white; paint it black and white, or set dataset.options: {threshold: 127}",
            about="masks",
            choices=[{"threshold": 127}],
        )
    return None


def _by_number(pixels: Pixels, reading: MaskReading) -> NDArray[np.uint8]:
    """(H, W) classes of class numbers, palette indices, or numbers of which some are the foreground."""
    if reading.how == "palette":
        if pixels.palette is None:
            raise ValueError("has no palette, and the masks of this set are read by theirs; save it as the others")
    elif reading.how == "index" and not reading.given:
        pixels = plain(pixels)
        if pixels.kind == "palette":
            raise ValueError("has a palette of colours, and the masks of this set none; save it as the others")
    if reading.palette and pixels.palette is not None:
        _check_palette(pixels, reading)
    numbers = numbers_of(pixels)
    values, _ = distinct(numbers)
    if reading.how == "foreground":
        if len(values) > NUMBERS:
            raise Misfit(
                f"holds {listed(values)}, too many for class numbers; set dataset.options: {{threshold: N}}",
                about="masks",
            )
        classes = np.isin(numbers, reading.foreground).astype(np.uint8)
    else:
        wrong = [
            value for value in values.tolist() if not (value in range(len(reading.classes)) or value in reading.void)
        ]
        if wrong:
            voids = " or ".join(map(str, reading.void))
            void = f", or {voids} for void" if voids else ""
            if alone := reading.given and len(wrong) == 1:
                void += f"; if {wrong[0]} is void too: dataset.options: {{void: [{wrong[0]}]}}"
            raise Misfit(
                f"holds {listed(wrong)}; expected class numbers 0 to {len(reading.classes) - 1}{void}",
                about="masks" if alone else "",
                choices=[{"void": wrong}] if alone else (),
            )
        classes = numbers.astype(np.uint8)
    return np.where(np.isin(numbers, reading.void), np.uint8(IGNORE), classes) if reading.void else classes


def _check_palette(pixels: Pixels, reading: MaskReading) -> None:
    assert pixels.palette is not None
    known = {index: colour for index, *colour in reading.palette}
    for index in distinct(pixels.values)[0].tolist():
        colour = pixels.palette[index].tolist()
        if index in known and known[index] != colour:
            raise Misfit(
                f"its palette has {colour} at {index} and the other masks of the set {known[index]}; save all with one "
                "palette, or name the colours: dataset.options: {colours: {class: [red, green, blue], ...}}",
                about="masks",
            )


def _by_colour(colours: NDArray[np.uint8], reading: MaskReading, lossy: bool) -> NDArray[np.uint8]:
    """(H, W, 3) -> (H, W) by the table of colours."""
    found = packed(colours)
    classes = np.zeros(found.shape, np.uint8)
    known = np.zeros(found.shape, bool)
    for red, green, blue, number in reading.colours:
        here = found == red * 65536 + green * 256 + blue
        classes[here] = number
        known |= here
    if not known.all():
        value = int(found[~known][0])
        why = ", and the file's format changes colours: save PNG" if lossy else ""
        raise ValueError(
            f"holds the colour [{value >> 16}, {value >> 8 & 255}, {value & 255}] ({(~known).sum()} pixels), which is "
            f"not listed; add it to dataset.options.colours, under void if it counts for nothing{why}"
        )
    return classes
