"""What masks may mean that `folder` refuses as unclear: readings to choose from, each tried on a sample."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.task import IGNORE
from al_lightning.data.errors import DataError
from al_lightning.data.init.choices import Choice, Options, distinct
from al_lightning.data.masks import MaskOptions, mask_reading
from al_lightning.data.masks.survey import Colour, Seen, seen, union
from al_lightning.data.pictures.pixels import numbers_of
from al_lightning.data.pictures.stored import read_pixels
from al_lightning.data.sample import evenly, readable

TRIED = 40
"""Masks that a reading is tried on."""
CLASSES = 40
"""Class numbers up to which numbers may be classes."""
OBJECTS = 0.95
"""Fraction of the masks whose numbers count objects, from which on all do."""
OF_MASKS = set(inspect.signature(MaskOptions).parameters) - {"page"}
"""Options that say what masks mean."""


def choices(files: Sequence[Path], given: Options, proposed: Sequence[Options]) -> tuple[list[Choice], Choice | None]:
    """(readings that fit a sample, the one of them that is certain or None).

    Args:
        files (Sequence[Path]): every mask.
        given (Options): options of the loader so far.
        proposed (Sequence[Options]): what an error proposes; these come first.
    """
    sample = [files[row] for row in evenly(len(files), TRIED)]
    found = [*readable(sample, lambda path: seen(path, given.get("page"))).values()]
    clear, because, thought = _thought_of(found)
    possible = distinct(one for one in (clear, *proposed, *thought) if one)
    tried = [choice for one in possible if (choice := attempt(sample, given, one))]
    certain = next((replace(choice, because=because) for choice in tried if choice.options == clear), None)
    return tried, certain


def attempt(files: Sequence[Path], given: Options, options: Options) -> Choice | None:
    """What these masks are with further options; None where they do not fit."""
    every = {**given, **options}
    classes = tuple(every.get("classes", ("background", "foreground")))
    named = {name: every[name] for name in (*OF_MASKS, "page") if name in every}
    try:
        reading, notes = mask_reading(files, classes, replace(MaskOptions(**named), allow_missing_classes=True))
    except DataError:
        return None
    share = reading.found.fractions if reading.found is not None else ()
    if len(classes) == 2 and share and not named.get("allow_missing_classes") and min(share) == 0:
        return None
    return Choice(options, notes[0].removeprefix("masks: "))


def _thought_of(found: Sequence[Seen]) -> tuple[Options, str, list[Options]]:
    """(a reading that is certain or {}, what makes it so, others that are possible)."""
    coloured = [one for one in found if one.kind == "colours"]
    if coloured:
        return _of_colours(coloured)
    if any(one.lossy or not one.whole or one.different > 4 * CLASSES for one in found):
        return {}, "", []
    values = [int(value) for value in union(found)]
    numbers = [value for value in values if value not in (0, IGNORE)]
    void: Options = {"void": [IGNORE]} if IGNORE in values else {}
    if count_objects([one.path for one in found]):
        return {"threshold": 0}, "numbers count objects, from 1 in each mask", []
    if len(numbers) == 1 and values == [0, *numbers]:
        return {"foreground": numbers}, "masks hold 0 and one other number", []
    possible: list[Options] = [{"foreground": [number], **void} for number in numbers] if len(numbers) < 4 else []
    if numbers and max(numbers) < CLASSES and len(numbers) > 1:
        classes = {"classes": ["background", *(f"class {number + 1}" for number in range(max(numbers)))]}
        is_map = len(numbers) > 2 and values == [*range(max(numbers) + 1), *void.get("void", [])]
        if is_map:
            return classes, f"numbers are 0 to {max(numbers)} without a gap, and do not count objects", possible
        possible.append(classes if values[0] == 0 and len(numbers) == max(numbers) else {})
    elif 1 < len(numbers) + bool(void) <= 8:
        possible.append(_table([(value, value, value) for value in values]))
    if len(numbers) > 1:
        possible.append({"foreground": numbers, **void})
    return {}, "", possible


def _of_colours(found: Sequence[Seen]) -> tuple[Options, str, list[Options]]:
    counts: dict[Colour, int] = {}
    for one in found:
        for colour in one.colours:
            counts[colour] = counts.get(colour, 0) + 1
    if not all(one.drawing for one in found) or any(max(colour) > 255 for colour in counts):
        return {}, "", []
    # More colours than are listed of a file make the table incomplete, which the trial then shows.
    colours = sorted(counts, key=lambda colour: (sum(colour), -counts[colour]))
    table = _table(colours) if 1 < len(colours) <= CLASSES else {}
    black = colours[0] == (0, 0, 0)
    if black and len(colours) == 2:
        return table, "masks hold black and one colour", []
    rest: list[Options] = [{"masks": "threshold", "threshold": 0}] if black else []
    return {}, "", [table, *rest]


def _table(colours: Sequence[Colour]) -> Options:
    """Options that make each colour a class, the first the background."""
    names = ["background", *([f"class {n + 1}" for n in range(len(colours) - 1)])]
    if len(colours) == 2:
        names[1] = "foreground"
    table: Options = {"colours": {name: list(colour) for name, colour in zip(names, colours, strict=True)}}
    return table if len(colours) == 2 else {"classes": names, **table}


def count_objects(files: Sequence[Path]) -> bool:
    """Whether the numbers of masks count objects, from 1 in each mask, and are no classes.

    Objects are numbered without a gap and are one piece each; how many there are differs from mask to mask.
    """
    from scipy import ndimage

    def looks(path: Path) -> tuple[bool, int] | None:
        values: NDArray[Any] = numbers_of(read_pixels(path, only_if_several=True))
        numbers = np.unique(values)[np.unique(values) > 0].tolist()
        if not numbers:
            return None
        counted = numbers == list(range(1, len(numbers) + 1))
        pieces = [ndimage.label(values == number, np.ones((3, 3)))[1] for number in numbers[:8]] if counted else [2]
        return counted and sum(piece > 1 for piece in pieces) * 8 <= len(pieces), len(numbers)

    found = [one for one in readable(files, looks).values() if one is not None]
    several = len({number for _, number in found}) > 2
    return several and sum(fits for fits, _ in found) >= OBJECTS * len(found)
