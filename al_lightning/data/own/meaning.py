"""What the pixels of a user's files mean: images, and masks or depth, each decided once for the whole set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.task import IGNORE
from al_lightning.data.dataset import DenseDataset
from al_lightning.data.depths import Unit, depth_reading
from al_lightning.data.errors import DataError, Unreadable, decoded
from al_lightning.data.images import ImageReading, image_reading
from al_lightning.data.masks import MaskOptions, mask_reading


@dataclass(frozen=True)
class DepthOptions:
    """What a user says of the depth files; the loader `folder` documents each."""

    maximum: float = 20.0
    unit: Unit = "auto"
    scale: float = 1.0
    invalid: Sequence[float] = ()
    invert: bool = False


@dataclass(frozen=True)
class Meaning:
    """How the files of a set are read."""

    images: ImageReading
    decode: Callable[[Path], NDArray[Any]]
    """Target file -> (H, W) class numbers, or cm with NaN where not measured."""
    facts: Mapping[str, Any]
    """What environment.json records."""
    notes: tuple[str, ...]
    """What was found, a line each."""


def meaning(
    images: Sequence[Path],
    targets: Sequence[Path | None],
    further: Mapping[Path, tuple[Path, ...]],
    what: tuple[str, ...] | DepthOptions,
    masks: MaskOptions,
    page: int | None,
    window: str | Sequence[float],
) -> Meaning:
    """Decide what a set's files mean.

    Args:
        images (Sequence[Path]): (n,) the images.
        targets (Sequence[Path | None]): (n,) the target of each.
        further (Mapping): target -> more targets of the same image.
        what (tuple[str, ...] | DepthOptions): the classes of masks, or the options of depth.
        masks (MaskOptions): the options of masks.
        page, window: options of images; see `image_reading`.

    Raises:
        DataError: the files are not clear, or contradict the options.
    """
    reading, notes = image_reading(images, targets, page, window)
    files = [file for target in targets if target is not None for file in (target, *further.get(target, ()))]
    facts: dict[str, Any] = {"images": reading.facts()} if reading.facts() else {}
    if not files:
        return Meaning(reading, _nothing_to_decode, facts, tuple(notes))
    if isinstance(what, DepthOptions):
        depth, lines = depth_reading(files, what.maximum, what.unit, what.scale, what.invalid, what.invert, page)
        return Meaning(reading, depth.decode, {"depth": depth.facts()} | facts, (*lines, *notes))
    found, lines = mask_reading(files, what, masks)
    return Meaning(reading, found.decode, {"masks": found.facts()} | facts, (*lines, *notes))


def _nothing_to_decode(path: Path) -> NDArray[Any]:
    raise DataError(f"{path}: a target of a set that had none when it was read; remove dataset.options.targets=none")


def check_unused(task: str, given: Mapping[str, tuple[Any, Any]]) -> None:
    """Refuse options of the other task.

    Args:
        task (str): segmentation or depth.
        given (Mapping): option -> (its value, its default).

    Raises:
        DataError: one is set.

    Example:
        >>> check_unused("depth", {"masks": ("auto", "auto")})
    """
    for name, (value, default) in given.items():
        if value != default:
            other = "segmentation" if task == "depth" else "depth"
            raise DataError(f"{name}={value}: is of task={other}, and the task is {task}; remove one of the two")


def check_held_out(dataset: DenseDataset) -> None:
    """Refuse validation and test targets without a single pixel that counts; reads targets until one has some.

    Raises:
        DataError: all pixels of a split's targets are void or not measured.
    """
    for split in ("validation", "test"):
        rows = getattr(dataset, split).tolist()
        if not any(_counts(dataset, row) for row in rows):
            void = "not measured" if dataset.task.kind == "depth" else "void"
            raise DataError(
                f"{dataset.targets[rows[0]]}: every pixel of this and of all other targets of {split} ({len(rows)}) is "
                f"{void}, so there is nothing to compare with; take other images for {split}, or correct how targets "
                "are read"
            )


def _counts(dataset: DenseDataset, row: int) -> bool:
    """Whether a target has a pixel that counts; true for one that cannot be read, which is said when it is needed."""
    try:
        target = decoded(dataset.target_file(row), dataset.decode_target)
    except Unreadable:
        return True
    return bool((np.isfinite(target) if target.dtype == np.float32 else target != IGNORE).any())
