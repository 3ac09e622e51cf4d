"""The numbers that mask files hold, and what class each is read as."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.task import IGNORE
from al_lightning.data.masks.survey import alpha_of, plain
from al_lightning.data.pictures.limit import packed
from al_lightning.data.pictures.stored import read_pixels

NAMED = 4
"""Numbers of a class that are spelt out; of more, the first and the last."""
KEPT = 64
"""Numbers of a class that are kept of one file."""
UNKNOWN = -1
"""Class number where nobody knows what the numbers mean."""


@dataclass(frozen=True)
class Stored:
    """What one file holds."""

    kind: str
    """Such as "8-bit grey"."""
    lossy: bool
    read_as: tuple[tuple[int, int], ...]
    """(class, number) for the numbers that occur; of more than `KEPT` of one class the first and the last. A colour is
    65536 red + 256 green + blue."""
    colours: bool = False
    ranges: bool = False
    """Whether some numbers were left out."""


def stored_in(path: Path, page: int | None, target: NDArray[Any] | None) -> Stored | None:
    """Look at a mask file.

    Args:
        path (Path): it can be read.
        page (int | None): of a file of several.
        target (NDArray | None): (H, W) class numbers that it is read as; None where that is not known.

    Returns:
        None where it holds no whole numbers, or none for each pixel.
    """
    pixels = plain(read_pixels(path, page, only_if_several=True))
    alone = pixels.alpha is not None and alpha_of(pixels) == "alone"
    values = pixels.alpha if alone and pixels.alpha is not None else pixels.values
    colours = values.ndim == 3
    if colours and values.dtype == np.uint8:
        values = packed(values)
    if target is None:
        target = np.zeros(values.shape[:2], np.int16) + UNKNOWN
    if values.shape != target.shape or values.dtype.kind not in "ui":
        return None
    kind = f"{pixels.bits}-bit {'alpha' if alone else {'colours': 'RGB'}.get(pixels.kind, pixels.kind)}"
    read_as: list[tuple[int, int]] = []
    ranges = False
    if values.dtype == np.uint8:
        table = np.bincount((target.reshape(-1).astype(np.int64) + 1) * 256 + values.reshape(-1), minlength=257 * 256)
        found = [(row - 1, np.flatnonzero(table[256 * row :][:256])) for row in range(257)]
    else:
        found = [(int(label), np.unique(values[target == label])) for label in np.unique(target)]
    for label, numbers in found:
        if len(numbers) > KEPT:
            ranges, numbers = True, numbers[[0, -1]]
        read_as += [(label, int(number)) for number in numbers]
    return Stored(kind, pixels.lossy, tuple(read_as), colours, ranges)


def describe(found: Sequence[Stored], classes: Sequence[str], files: int) -> str:
    """One line: what the files hold, and what it is read as.

    Args:
        found (Sequence[Stored]): of the files that were looked at, at least one.
        classes (Sequence[str]): names by class number.
        files (int): all files.

    Example:
        >>> one = Stored("8-bit grey", False, ((0, 0), (1, 255)))
        >>> describe([one], ["background", "polyp"], 1)
        '8-bit grey; 0 is background, 255 is polyp'
    """
    kinds = list(dict.fromkeys(one.kind for one in found))
    lossy = sum(one.lossy for one in found)
    names = dict(enumerate(classes)) | {IGNORE: "void"}
    parts = []
    colours = any(one.colours for one in found)
    ranges = any(one.ranges for one in found)
    table: dict[int, set[int]] = {}
    for label, number in (pair for one in found for pair in one.read_as):
        table.setdefault(label, set()).add(number)
    for label, numbers in sorted(table.items()):
        shown = _listed(numbers, colours, ranges)
        parts.append(f"holds {shown}" if label == UNKNOWN else f"{shown} is {names.get(label, label)}")
    noise = f" ({'' if lossy == len(found) else f'{lossy} '}by a lossy codec)" if lossy else ""
    seen = f" ({len(found)} of {files} masks looked at)" if len(found) < files else ""
    return f"{' and '.join(kinds)}{noise}; {', '.join(parts)}{seen}"


def _listed(numbers: Iterable[int], colours: bool, ranges: bool) -> str:
    ordered = sorted(numbers)
    if colours:
        words = [str([number >> 16, number >> 8 & 255, number & 255]) for number in ordered[:NAMED]]
        more = f" and {len(ordered) - NAMED} more" if len(ordered) > NAMED else ""
        return ", ".join(words) + more
    if len(ordered) > NAMED or (ranges and len(ordered) > 1):
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered))
