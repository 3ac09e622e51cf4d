"""What depth files may mean that is not clear from them: their unit, and whether near or far is bright."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from al_lightning.data.dataset import DenseDataset
from al_lightning.data.depth_files import read_numbers
from al_lightning.data.depths import CENTIMETRES, depth_reading
from al_lightning.data.errors import DataError, Unreadable
from al_lightning.data.init.choices import Choice, Options, Question
from al_lightning.data.sample import evenly, look, readable

TRIED = 40
"""Depth files that a unit is tried on."""
PLAUSIBLE = (0.5, 40.0)
"""cm; the furthest that an endoscope sees lies between."""
DEFAULT = 20.0
"""maximum_cm of the loader."""
PAIRS = 24
"""Images that are compared with their depth."""
SIDE = 32
CORRELATED = 0.15
"""Median correlation of brightness with depth above which near seems to be bright in the depth files."""


def choices(files: Sequence[Path], given: Options, proposed: Sequence[Options]) -> tuple[list[Choice], Choice | None]:
    """(units that fit a sample, the one that puts depth in an endoscope's range where no other does, or None).

    Args:
        files (Sequence[Path]): every depth file.
        given (Options): options of the loader so far.
        proposed (Sequence[Options]): what an error proposes; those that name no unit are tried too.
    """
    sample = [files[row] for row in evenly(len(files), TRIED)]
    page = given.get("page")
    largest = max(readable(sample, lambda path: _largest(read_numbers(path, page), given)).values())
    scale = float(given.get("scale", 1.0))
    units: list[Options] = [{"unit": unit, **_maximum(largest * scale * CENTIMETRES[unit])} for unit in CENTIMETRES]
    others = [one for one in proposed if not set(one) & {"unit", "scale"}]
    found: list[Choice] = []
    plausible: list[Choice] = []
    for options in (*others, *units):
        choice = _attempt(sample, given, options)
        if choice is None:
            continue
        found.append(choice)
        if "unit" in options and PLAUSIBLE[0] <= largest * scale * CENTIMETRES[options["unit"]] <= PLAUSIBLE[1]:
            plausible.append(choice)
    if len(plausible) != 1 or others:
        return found, None
    ends = " and ".join(f"{end:g}" for end in PLAUSIBLE)
    return found, replace(plausible[0], because=f"with no other unit does the furthest lie between {ends} cm")


def _largest(numbers: Any, given: Options) -> float:
    valid = np.isfinite(numbers) & ~np.isin(numbers, given.get("invalid", []))
    return float(numbers[valid].max()) if valid.any() else 0.0


def _maximum(furthest: float) -> Options:
    """maximum_cm where the default is too small: the next round number above what occurs."""
    if furthest <= DEFAULT:
        return {}
    step = 10 ** math.floor(math.log10(furthest))
    return {"maximum_cm": float(math.ceil(furthest / step) * step)}


def _attempt(files: Sequence[Path], given: Options, options: Options) -> Choice | None:
    names = {"maximum_cm": "maximum", **{name: name for name in ("unit", "scale", "invalid", "invert", "page")}}
    every = {names[key]: value for key, value in {**given, **options}.items() if key in names}
    try:
        _, notes = depth_reading(files, every.pop("maximum", DEFAULT), **every)
    except DataError:
        return None
    return Choice(options, notes[0].removeprefix("depth: "))


def direction(dataset: DenseDataset) -> Question | None:
    """Whether near or far is bright, where the light speaks against how the files are read.

    An endoscope carries its light, so that what is near is bright in the image. Where bright pixels have a large
    depth in nearly all of a few images, near may be what is bright in the depth files.
    """
    rows = [row for row, target in enumerate(dataset.targets) if target is not None]
    chosen = [rows[position] for position in evenly(len(rows), PAIRS)]
    found = look([dataset.images[row] for row in chosen], lambda path: _correlation(dataset, path))
    known = [value for value in found if value is not None]
    if len(known) < 3 or float(np.median(known)) < CORRELATED or sum(v > 0 for v in known) < 0.8 * len(known):
        return None
    return Question(
        "invert",
        f"bright pixels of the images are far away in {sum(v > 0 for v in known)} of {len(known)} images looked at; "
        "with the light at the camera they are near",
        (Choice({}, "far is bright in the depth files"), Choice({"invert": True}, "near is bright in the depth files")),
        needed=False,
    )


def _correlation(dataset: DenseDataset, image: Path) -> float | None:
    """Correlation of brightness and depth of one image over its measured pixels; None where it says nothing."""
    row = dataset.images.index(image)
    try:
        light = Image.fromarray(dataset.read_image(row)).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
        depth = Image.fromarray(dataset.read_target(row).astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BOX)
    except Unreadable:
        return None
    x, y = (np.asarray(part, dtype=np.float64).ravel() for part in (light, depth))
    valid = np.isfinite(y) & (x > 8)
    if valid.sum() < 16 or x[valid].std() < 1 or y[valid].std() == 0:
        return None
    return float(np.corrcoef(x[valid], y[valid])[0, 1])
