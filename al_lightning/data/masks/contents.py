"""What masks hold under a reading: shares of the classes, and whether that can be meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.task import IGNORE
from al_lightning.data.errors import DataError, Doubt, decoded
from al_lightning.data.masks.outlines import is_outline
from al_lightning.data.masks.reading import Found, MaskReading
from al_lightning.data.masks.survey import LISTED, Seen, histogram, listed, union
from al_lightning.data.sample import CHUNK, evenly, look, readable
from al_lightning.data.walk import many

OUTLINES = 24
"""Masks that are looked at for outlines."""


@dataclass(frozen=True)
class Content:
    """What one mask holds."""

    counts: tuple[int, ...]
    """Pixels of each class, and at the end of void."""
    corners: bool = False
    """Whether three of its corners or more are foreground."""
    outline: bool = False
    """Whether its foreground is a thin closed line."""

    @property
    def empty(self) -> bool:
        """Whether no pixel is above class 0."""
        return not any(self.counts[1:-1])


def content(target: NDArray[np.uint8], classes: int, outlines: bool = False) -> Content:
    """Count (H, W) class numbers, and look for an outline where asked."""
    counts = histogram(target)
    corners = target[[0, 0, -1, -1], [0, -1, 0, -1]] == 1
    outline = outlines and is_outline(target == 1)
    return Content((*counts[:classes].tolist(), int(counts[IGNORE])), bool(corners.sum() >= 3), outline)


def contents_of(files: Sequence[Path], reading: MaskReading, outlines: bool) -> list[Content]:
    """The content of each file.

    Args:
        files (Sequence[Path]): masks that can be opened.
        reading (MaskReading): of the set.
        outlines (bool): look for outlines in some.

    Raises:
        DataError: a file does not fit the reading.
    """
    drawn = {files[row] for row in evenly(len(files), OUTLINES)} if outlines else set()
    number = len(reading.classes)
    return look(files, lambda path: content(decoded(path, reading.decode), number, path in drawn))


def refuse_outlines(files: Sequence[Path], contents: Sequence[Content]) -> None:
    """Refuse a set whose masks are lines around objects, where nobody said so.

    Raises:
        DataError: more than half of the masks looked at for it are.
    """
    looked = [
        (path, one)
        for row, (path, one) in enumerate(zip(files, contents, strict=True))
        if row in set(evenly(len(files), OUTLINES)) and not one.empty
    ]
    lines = [path for path, one in looked if one.outline]
    if 2 * len(lines) > len(looked):
        raise DataError(
            f"{lines[0]}: a thin closed line ({len(lines)} of {len(looked)} masks looked at for it); to fill outlines: "
            "dataset.options: {masks: outline}; if the line itself is meant: {masks: threshold}",
            about="masks",
            choices=[{"masks": "outline"}, {"masks": "threshold"}],
        )


def search(reading: MaskReading, found: Sequence[Seen], contents: Sequence[Content], rest: Sequence[Path]) -> None:
    """Look for classes that the sample lacks in all other masks, until each was found.

    Raises:
        DataError: a class occurs nowhere; or a file does not fit the reading.
    """
    total = np.sum([one.counts for one in contents], axis=0)
    number = len(reading.classes)

    for start in range(0, len(rest), CHUNK):
        if (total[:number] > 0).all():
            return
        part = readable(rest[start : start + CHUNK], lambda path: content(reading.decode(path), number).counts)
        total = total + np.sum([*part.values()], axis=0)
    missing = [name for name, count in zip(reading.classes, total[:number].tolist(), strict=True) if not count]
    if missing:
        raise _missing(reading, found, missing, len(found) + len(rest), int(total[-1]))


def _missing(reading: MaskReading, found: Sequence[Seen], missing: Sequence[str], files: int, void: int) -> DataError:
    where = found[0].path.parent
    values = union(found)
    seen = f"they hold {listed(values)}" if values else "they hold colours"
    allow = "if that is meant: dataset.options: {allow_missing_classes: true}"
    first = reading.classes[0]
    allowed = {"allow_missing_classes": True}
    if len(reading.classes) > 2:
        return DataError(
            f"{where}: {', '.join(missing)} in none of {files} masks ({seen}); correct classes; {allow}",
            about="masks",
            choices=[allowed],
        )
    if void and reading.classes[1] in missing:
        return DataError(
            f"{where}: the masks hold 255, which is void where they are class numbers, and none of {files} holds 1 "
            f"({seen}); if 255 is {reading.classes[1]}: dataset.options: {{masks: threshold}}; {allow}",
            about="masks",
            choices=[{"masks": "threshold"}, allowed],
        )
    state = "full: no pixel is " if missing == [first] else "empty: no pixel is "
    return DataError(
        f"{where}: all {files} masks are {state}{' or '.join(missing)} ({seen}, read as {reading.how}); take other "
        f"masks, or say with dataset.options.masks what these mean; {allow}",
        about="masks",
        choices=[allowed],
    )


def found_in(reading: MaskReading, found: Sequence[Seen], contents: Sequence[Content], files: int) -> Found:
    """What `MaskReading.describe` tells."""
    total = np.sum([one.counts for one in contents], axis=0).astype(float)
    valid = max(total[:-1].sum(), 1.0)
    fractions = tuple((total[:-1] / valid).tolist())
    empty = sum(one.empty for one in contents)
    return Found(
        len(contents), files, _what(reading, found), fractions, empty, float(total[-1] / max(total.sum(), 1.0))
    )


def notes_on(reading: MaskReading, found: Sequence[Seen], contents: Sequence[Content]) -> list[str]:
    """What is suspicious and not certain."""
    white = [one for one in found if IGNORE in one.values and 1 not in one.values]
    both = [one for one in found if IGNORE in one.values and 1 in one.values]
    if len(reading.classes) == 2 and reading.how in ("index", "palette") and len(white) > len(both):
        return [
            f"masks: 255 is read as void, and is without 1 in {many(len(white), 'mask')} such as {white[0].path.name}; "
            f"if it is {reading.classes[1]} there, save all masks alike"
        ]
    drawn = [one for one in contents if not one.empty]
    if len(reading.classes) != 2 or reading.found is None or reading.found.fractions[1] <= 0.5:
        return []
    corners = sum(one.corners for one in drawn)
    if 2 * corners <= len(drawn):
        return []
    toggled = str(not reading.invert).lower()
    text = (
        f"masks: foreground is in the corners of {corners} of {len(drawn)} masks and fills more than half of the "
        f"pixels; if it is what lies outside {reading.classes[1]}: dataset.options: {{invert: {toggled}}}"
    )
    return [Doubt(text, [{"invert": not reading.invert}])]


def _what(reading: MaskReading, found: Sequence[Seen]) -> str:
    """Such as "8-bit grey, values 0 and 255"."""
    if reading.how == "colours":
        return f"colours of {len({number for *_, number in reading.colours} - {IGNORE})} classes"
    widths = sorted({one.bits for one in found})
    several = ", ".join(f"{width}-" for width in widths[:-1])
    bits = f"{several} and {widths[-1]}-bit" if several else f"{widths[-1]}-bit"
    levels = reading.how in ("threshold", "outline")
    white = {255.0 if levels and one.bits == 1 and value else value for one in found for value in one.values}
    values = listed(white) if len(white) > LISTED else f"values {listed(white)}"
    inverted = ", inverted" if reading.invert else ""
    if reading.how == "alpha":
        return f"the alpha channel{inverted}"
    if not white:
        return "colours, read by their brightness" + ", inverted" * reading.invert
    if levels:
        cut = 127 if reading.threshold is None else reading.threshold
        told = reading.threshold is not None or (len(white) > 2 and widths[-1] <= 8)
        kind = "outlines, filled" if reading.how == "outline" else "grey"
        return f"{bits} {kind}, {values}{f', above {cut:g} is foreground' * told}{inverted}"
    if reading.how == "foreground":
        return f"{bits} numbers, {values}, foreground is {listed(reading.foreground)}{inverted}"
    return f"{'palette indices' if reading.how == 'palette' else f'{bits} class numbers'}, {values}{inverted}"
