"""The decision what the masks of a set mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from al_lightning.data.masks.contents import contents_of, found_in, notes_on, refuse_outlines, search
from al_lightning.data.masks.options import MaskOptions, given
from al_lightning.data.masks.reading import MaskReading
from al_lightning.data.masks.rules import auto
from al_lightning.data.masks.survey import Seen, seen
from al_lightning.data.sample import CHUNK, evenly, readable


def mask_reading(
    files: Sequence[Path], classes: tuple[str, ...], options: MaskOptions
) -> tuple[MaskReading, list[str]]:
    """The reading of a set's masks, and what its user should know, a line each, that of the reading first.

    Args:
        files (Sequence[Path]): every mask, at least one.
        classes (tuple[str, ...]): names by class number.
        options (MaskOptions): of the user.

    Raises:
        DataError: the masks are not clear, do not fit the options, hold one class only, or lack a class.
    """
    how = options.how(classes)
    itself = how == "auto" and len(classes) == 2
    rows = set(evenly(len(files)))
    found = _survey([path for row, path in enumerate(files) if row in rows], options.page)
    if all(one.kind != "colours" and one.different < 2 for one in found):  # nothing drawn: nothing to understand
        found += _first_drawn([path for row, path in enumerate(files) if row not in rows], options.page)
    reading = auto(found, classes, options.page) if itself else given(how, found, classes, options)
    reading = replace(reading, invert=options.invert)
    readable = [one.path for one in found]
    contents = contents_of(readable, reading, outlines=itself)
    if itself:
        refuse_outlines(readable, contents)
    known = set(readable)
    if not options.allow_missing_classes:
        search(reading, found, contents, [path for path in files if path not in known])
    reading = replace(reading, found=found_in(reading, found, contents, len(files)))
    return reading, [reading.describe(), *notes_on(reading, found, contents)]


def _survey(files: Sequence[Path], page: int | None) -> list[Seen]:
    return list(readable(files, lambda path: seen(path, page)).values())


def _first_drawn(files: Sequence[Path], page: int | None) -> list[Seen]:
    """The first few files that are not all of one value."""
    for start in range(0, len(files), CHUNK):
        found = [one for one in _survey(files[start : start + CHUNK], page) if one.different > 1]
        if found:
            return found
    return []
