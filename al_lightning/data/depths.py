"""What the depth files of a set mean, decided once for all: the unit, and which numbers are no measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_lightning.data.depth_files import read_numbers
from al_lightning.data.errors import DataError, Doubt, Misfit
from al_lightning.data.pictures.limit import by_blocks
from al_lightning.data.pictures.pixels import named
from al_lightning.data.sample import evenly, readable

Unit = Literal["auto", "mm", "cm", "m"]
CENTIMETRES = {"mm": 0.1, "cm": 1.0, "m": 100.0}
NEAREST, FURTHEST = 0.025, 2.0
"""Largest depth of a set, as fractions of maximum_cm, below (and below `SMALL` cm) and above which it is refused."""
SMALL = 0.5
"""cm; endoscopes see 0.1 to 20."""
SUSPICIOUS = 0.1
"""Largest depth of a set, as a fraction of maximum_cm, below which a note asks for the unit."""
GAP = 0.02
"""Smallest number above 0, as a fraction of the largest, from which on zeros look like what was not measured."""
FULL_RANGE = ("uint8", "uint16")
"""Types whose largest number can stand for maximum_cm."""


@dataclass(frozen=True)
class DepthReading:
    """How the depth files of a set are read."""

    kind: str
    """Type of the files' numbers, such as uint16."""
    maximum: float
    """maximum_cm."""
    unit: Unit = "auto"
    """Of the file's numbers times `scale`; auto: the full range of the file stands for `maximum`."""
    scale: float = 1.0
    invalid: tuple[float, ...] = ()
    """Numbers of the file that mean: not measured."""
    invert: bool = False
    """Near is bright: the depth is `maximum` less what the numbers say."""
    page: int | None = None
    nearest: float = float("nan")
    """cm, of the sample."""
    furthest: float = float("nan")
    missing: float = 0.0
    """Fraction of the sample's pixels that is not measured."""

    def decode(self, path: Path) -> NDArray[np.float32]:
        """(H, W) float32 depth in cm, NaN where not measured.

        Raises:
            DataError: the file holds colours, or numbers of another type than its set, or negative depths.
            OSError: it is missing, foreign or truncated.
        """
        with named(path):
            numbers = read_numbers(path, self.page)
            if numbers.dtype.name != self.kind:
                raise ValueError(f"holds {numbers.dtype} and the other depth files {self.kind}; save all alike")
            return centimetres(numbers, self)

    def describe(self) -> str:
        """One line: type, range, and what is not measured."""
        share = 100 * self.missing
        missing = f", {f'{share:.0f}' if share >= 1 else f'{share:.2g}'} % not measured" if share else ""
        bits = {"uint8": "8-bit", "uint16": "16-bit", "int32": "32-bit", "uint32": "32-bit"}
        return f"depth: {bits.get(self.kind, self.kind)}, {_cm(self.nearest)} to {_cm(self.furthest)} cm{missing}"

    def facts(self) -> dict[str, Any]:
        """What environment.json records."""
        return {"line": self.describe(), **asdict(self)}


def centimetres(numbers: NDArray[Any], reading: DepthReading) -> NDArray[np.float32]:
    """(H, W) file numbers -> cm, NaN where not measured.

    Example:
        >>> centimetres(np.array([[0, 50]], np.uint16), DepthReading("uint16", 20.0, "mm", invalid=(0.0,))).tolist()
        [[nan, 5.0]]

    Raises:
        ValueError: a depth below 0.
    """
    if reading.unit == "auto":
        depth = numbers.astype(np.float32) * np.float32(reading.maximum / np.iinfo(numbers.dtype).max)
    else:
        factor = reading.scale * CENTIMETRES[reading.unit]
        depth = by_blocks(numbers, np.empty(numbers.shape, np.float32), lambda rows: rows.astype(np.float64) * factor)
    if reading.invert:
        depth = np.asarray(reading.maximum - depth, dtype=np.float32)
    measured = np.isfinite(numbers) if numbers.dtype.kind == "f" else None
    if reading.invalid:
        exact = np.float32 if numbers.dtype == np.float32 else np.float64
        invalid = np.asarray(reading.invalid, exact)
        named_valid = by_blocks(numbers, np.empty(numbers.shape, bool), lambda rows: ~np.isin(rows, invalid))
        measured = named_valid if measured is None else measured & named_valid
    if measured is not None:
        depth[~measured] = np.nan
    below = depth < -1e-4 * reading.maximum
    if below.any():
        value = numbers[below][0]
        raise Misfit(
            f"holds {value:g}, which would be a depth of {depth[below][0]:.3g} cm; if it means not measured: "
            f"dataset.options: {{invalid: [{value:g}]}}",
            about="depth",
            choices=[{"invalid": [float(value)]}],
        )
    return depth


def depth_reading(
    files: Sequence[Path],
    maximum: float,
    unit: Unit = "auto",
    scale: float = 1.0,
    invalid: Sequence[float] = (),
    invert: bool = False,
    page: int | None = None,
) -> tuple[DepthReading, list[str]]:
    """The reading of a set's depth files, and what its user should know, a line each, that of the reading first.

    Args:
        files (Sequence[Path]): every depth file, at least one.
        maximum (float): maximum_cm, above 0.
        unit, scale, invalid, invert, page: options of the user, as fields of `DepthReading`. Default: those there.

    Raises:
        DataError: files differ in type, cannot be depth, or have an implausible range; the message names the option.
    """
    if not 0 < scale < float("inf"):
        raise DataError(f"scale={scale:g}: expected a number above 0, that times a file's numbers gives unit")
    if unit == "auto" and scale != 1:
        raise DataError(
            f"scale={scale:g}: needs a unit; set dataset.options: {{unit: mm, scale: {scale:g}}} (or cm, m)",
            about="depth",
        )
    reading = DepthReading("", maximum, unit, scale, tuple(map(float, invalid)), invert, page)
    found = readable([files[row] for row in evenly(len(files))], lambda path: _range(path, reading))
    where = files[0].parent
    kinds: dict[str, Path] = {}
    for path, one in found.items():
        kinds.setdefault(one.kind, path)
    if len(kinds) > 1:
        (first, path), (second, other) = list(kinds.items())[:2]
        raise DataError(
            f"{path}: holds {first}, and {other.name} {second}; save all depth files with one type of numbers"
        )
    kind, path = next(iter(kinds.items()))
    if unit == "auto" and kind not in FULL_RANGE:
        raise DataError(
            f"{path}: the depth is {kind}, whose full range stands for nothing; say what its numbers are: "
            "dataset.options: {unit: mm} (or cm, m), with scale: N if they are multiples of it",
            about="depth",
        )
    measured = [one for one in found.values() if one.measured]
    if not measured:
        raise DataError(f"{where}: no pixel of {len(found)} depth files is measured; correct dataset.options.invalid")
    pixels = sum(one.pixels for one in found.values())
    reading = replace(
        reading,
        kind=kind,
        nearest=min(one.nearest for one in measured),
        furthest=max(one.furthest for one in measured),
        missing=1 - sum(one.measured for one in measured) / pixels,
    )
    _check_range(reading, where)
    return reading, [reading.describe(), *_notes(reading, measured)]


class Range(NamedTuple):
    """What one depth file holds."""

    kind: str
    pixels: int
    measured: int = 0
    nearest: float = 0.0
    furthest: float = 0.0
    """cm"""
    beyond: int = 0
    """Pixels further than `maximum`."""
    zeros: int = 0
    """Pixels that hold 0 and count as depth."""
    step: float = 0.0
    """The next larger number, as a fraction of the largest."""


def _range(path: Path, reading: DepthReading) -> Range:
    with named(path):
        numbers = read_numbers(path, reading.page)
        kind = numbers.dtype.name
        if reading.unit == "auto" and kind not in FULL_RANGE:
            return Range(kind, numbers.size)
        depth = centimetres(numbers, reading)
    valid = np.isfinite(depth)
    if not valid.any():
        return Range(kind, numbers.size)
    known, stored = depth[valid], numbers[valid]
    zeros = int((stored == 0).sum())
    positive = stored[stored > 0] if zeros else stored[:0]
    step = float(positive.min()) / float(positive.max()) if positive.size else 0.0
    beyond = int((known > reading.maximum * (1 + 1e-6)).sum())
    return Range(kind, numbers.size, known.size, float(known.min()), float(known.max()), beyond, zeros, step)


def _check_range(reading: DepthReading, where: Path) -> None:
    low, high = min(SMALL, NEAREST * reading.maximum), FURTHEST * reading.maximum
    if low <= reading.furthest <= high:
        return
    side = f"below {low:g}" if reading.furthest < low else f"above {high:g}"
    raise DataError(
        f"{where}: depth reaches {reading.furthest:.3g} cm, {side} cm, with unit: {reading.unit}, scale: "
        f"{reading.scale:g} and maximum_cm: {reading.maximum:g}; say what the files' numbers are: dataset.options: "
        "{unit: mm} (or cm, m), scale: N if they are multiples of it, and invalid: [N] for numbers that are no depth",
        about="depth",
    )


def _notes(reading: DepthReading, found: Sequence[Range]) -> list[str]:
    """What is suspicious and not certain."""
    notes: list[str] = []
    measured, beyond, zeros = (sum(getattr(one, name) for one in found) for name in ("measured", "beyond", "zeros"))
    if beyond:
        notes.append(
            f"depth: {100 * beyond / measured:.2g} % of the pixels are further than maximum_cm={reading.maximum:g}, by "
            "which the learner scales; raise it to what occurs"
        )
    if reading.furthest < SUSPICIOUS * reading.maximum:
        notes.append(
            f"depth: nothing is further than {_cm(reading.furthest)} cm of maximum_cm={reading.maximum:g}; check unit "
            "and scale, or lower it"
        )
    steps = [one.step for one in found if one.zeros]
    if zeros > 0.01 * measured and min(steps) > GAP:
        text = (
            f"depth: {100 * zeros / measured:.0f} % of the pixels hold 0, and none a number near it; if 0 means not "
            "measured: dataset.options: {invalid: [0]}"
        )
        notes.append(Doubt(text, [{"invalid": [0]}]))
    return notes


def _cm(depth: float) -> str:
    return f"{depth:.1f}" if depth >= 1 or depth == 0 else f"{depth:.2g}"
