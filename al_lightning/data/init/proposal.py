"""The experiment that fits what was found: the learner's image size and the budget."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from al_lightning.core.arrays import Size
from al_lightning.data.errors import DataError
from al_lightning.data.init.finding import Finding
from al_lightning.data.pictures.stored import read_header
from al_lightning.data.sample import LOOKED_AT, evenly, readable
from al_lightning.data.top_up import top_up
from al_lightning.data.walk import many

MULTIPLE = 32
"""Sides that every built-in network takes."""
LARGEST, ON_GPU = 256, 512
"""Longer side of the learner's images without and with a GPU."""
ONE_SHAPE = 0.1
"""Relative difference of the aspects (width / height) of images that have one shape."""
SQUARE = (0.8, 1.25)
"""Aspects that become a square."""
LEAST = 10
"""Images of the first stage."""
FRACTION = 0.05
STAGES = 6
HEADERS = 2000
"""Images up to which every header is read."""
UNREAD = 0.6
"""Fraction of the images that is at least in the pool, with the default fractions of validation and test."""
FEW_VALIDATION, FEW_TEST = 5, 10
"""Images below which a split measures little."""
DRAWN = 50
"""Most masks of a stage where people go on from some that are there."""
MEMORY = 4e9
"""Bytes of decoded images above which they are kept in a file."""
SizeOption: TypeAlias = "int | list[int]"


@dataclass(frozen=True)
class Budget:
    """Numbers of images."""

    initial: int
    per_stage: int
    stages: int


def budget(pool: int) -> Budget:
    """A twentieth of the pool a stage, and at least 10 images, for up to 6 stages.

    Example:
        >>> budget(1000), budget(45)
        (Budget(initial=50, per_stage=50, stages=6), Budget(initial=10, per_stage=10, stages=5))
    """
    each = min(max(LEAST, round(FRACTION * pool)), max(1, pool // 3))
    return Budget(each, each, min(STAGES, 1 + -(-(pool - each) // each)))


def asked(images: int) -> tuple[int, int]:
    """(validation, test) images that people annotate for a set without masks: a fortieth and a twentieth of it, within
    limits.

    Example:
        >>> asked(10_000), asked(400), asked(60)
        ((40, 80), (10, 20), (5, 10))
    """
    return min(40, max(5, images // 40)), min(80, max(10, images // 20))


def held_out_of(finding: Finding) -> dict[str, int]:
    """Split, test or validation -> images that people are asked for, those that have a mask included; only of what has
    too few to measure with, and as many as are held out."""
    dataset = finding.dataset
    if not finding.people or dataset is None:
        return {}
    validation, test = asked(len(dataset.ids))
    if not dataset.has_targets:
        return {"test": test, "validation": validation}
    splits, groups = list(dataset.split_of().values()), dataset.groups or dataset.ids
    found: dict[str, int] = {}
    for name, least, wanted in (("test", FEW_TEST, test), ("validation", FEW_VALIDATION, validation)):
        here = splits.count(name)
        for count in range(wanted if here < least else here, here, -1):
            try:
                splits = top_up(dataset.ids, groups, splits, {name: count})
            except DataError:
                continue
            found[name] = count
            break
    return found


def sizes_of(images: Sequence[Path]) -> tuple[list[Size], int]:
    """((height, width) of images from their headers, how many were looked at)."""
    rows = evenly(len(images), HEADERS if len(images) <= HEADERS else LOOKED_AT)
    found = readable([images[row] for row in rows], lambda path: read_header(path).shown())
    return list(found.values()), len(rows)


def size_for(sizes: Sequence[Size], largest: int = LARGEST) -> SizeOption:
    """The option size: multiples of 32 near the images' own size, and no side above `largest`.

    Images of one shape keep it; others become squares.

    Example:
        >>> size_for([(576, 720)] * 3), size_for([(180, 240)]), size_for([(100, 90), (300, 400)])
        (256, [192, 256], 256)
    """
    heights, widths = sorted(h for h, _ in sizes), sorted(w for _, w in sizes)
    height, width = heights[len(sizes) // 2], widths[len(sizes) // 2]
    aspects = sorted(w / h for h, w in sizes)
    middle = aspects[len(sizes) // 2]
    one_shape = aspects[-1] - aspects[0] <= ONE_SHAPE * middle
    if one_shape and not SQUARE[0] <= middle <= SQUARE[1]:
        scale = min(1.0, largest / max(height, width))
        sides = [_nearest(height * scale), _nearest(width * scale)]
        return sides if sides[0] != sides[1] else sides[0]
    return _nearest(min(math.sqrt(height * width), largest))


def largest_here() -> int:
    """The longer side that this machine trains at in a reasonable time."""
    return ON_GPU if os.path.exists("/dev/nvidia0") else LARGEST


def _nearest(side: float) -> int:
    return max(MULTIPLE, MULTIPLE * math.floor(side / MULTIPLE + 0.5))


def pool_of(finding: Finding) -> int:
    """Images of the pool that can be labelled: those with a target, and all where people are asked; a low estimate
    where the set cannot be read yet."""
    dataset = finding.dataset
    if dataset is None:
        return max(1, int(UNREAD * len(finding.images)))
    if not dataset.has_targets:
        return max(1, len(dataset.pool) - sum(asked(len(dataset.pool))))
    return len(dataset.pool) if finding.people else existing_of(finding)


def existing_of(finding: Finding) -> int:
    """Images of the pool that have a target."""
    dataset = finding.dataset
    return 0 if dataset is None else sum(dataset.targets[row] is not None for row in dataset.pool.tolist())


def budget_of(finding: Finding) -> Budget:
    """`budget` of the pool; where people are asked and masks are there already, all of these at first, and then so many
    a stage as a person draws."""
    pool, existing = pool_of(finding), existing_of(finding)
    if not finding.people or not existing:
        return budget(pool)
    each = min(budget(pool).per_stage, DRAWN)
    initial = max(existing, each)
    return Budget(initial, each, min(STAGES, 1 + -(-(pool - initial) // each)))


def cache_for(images: int, size: SizeOption) -> str:
    """Where decoded images are kept."""
    height, width = (size, size) if isinstance(size, int) else size
    return "disk" if 3 * images * height * width > MEMORY else "memory"


def sizes_line(sizes: Sequence[Size], images: int, looked_at: int) -> str:
    """One line: how many images, of which sizes.

    Example:
        >>> sizes_line([(180, 240)] * 3, 3, 3)
        'images: 3 images, 240 x 180 pixels'
    """
    distinct = set(sizes)
    heights, widths = [height for height, _ in sizes], [width for _, width in sizes]
    what = f"{widths[0]} x {heights[0]} pixels"
    if len(distinct) > 1:
        ends = f"{min(widths)} x {min(heights)} to {max(widths)} x {max(heights)} pixels"
        what = f"{len(distinct)} sizes, {ends}"
    seen = f" ({looked_at} looked at)" if looked_at < images else ""
    return f"images: {many(images, 'image')}, {what}{seen}"
