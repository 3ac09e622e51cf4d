"""MaskReading: how the masks of a set become class numbers, decided once for all of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.task import IGNORE
from al_lightning.data.masks.decode import classes_of
from al_lightning.data.pictures.pixels import named
from al_lightning.data.pictures.stored import read_pixels

How = Literal["threshold", "index", "palette", "foreground", "colours", "alpha", "outline"]


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
            parts.append(f"foreground {100 * found.fractions[1]:.1f} % of pixels")
        elif found.fractions:
            parts.append(f"{sum(f > 0 for f in found.fractions)} of {len(self.classes)} classes found")
        if found.void:
            parts.append(f"void {100 * found.void:.1f} %")
        line = f"masks: {', '.join(parts)}"
        if found.empty:
            line += f"; {found.empty} of {found.looked_at} masks {'is' if found.empty == 1 else 'are'} empty"
        return line + (f" ({found.looked_at} of {found.of} looked at)" if found.looked_at < found.of else "")

    def facts(self) -> dict[str, Any]:
        """What environment.json records."""
        kept = {name: value for name, value in asdict(self).items() if name not in ("found", "classes", "palette")}
        found = {} if self.found is None else asdict(self.found)
        return {"line": self.describe(), **kept, **found}
