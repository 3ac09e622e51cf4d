"""Several masks of one image as one: foreground is what any of them marks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.task import IGNORE
from al_lightning.data.errors import DataError
from al_lightning.data.walk import many

Decode = Callable[[Path], NDArray[Any]]


def check_several(
    further: Mapping[Path, tuple[Path, ...]], several: Literal["refuse", "union"], classes: int
) -> list[str]:
    """Notes on images with several targets.

    Args:
        further (Mapping): target -> more targets of the same image.
        several (str): refuse or union, the option several_masks.
        classes (int): number of classes; 0 for depth.

    Raises:
        DataError: an image has several targets, and they are refused or cannot be one.
    """
    if not further:
        return []
    first, more = next(iter(further.items()))
    others = f"also {more[0].name} (so {many(len(further), 'image')})"
    found = f"{first}: its image has {1 + len(more)} targets, {others}; keep one"
    if classes != 2:
        raise DataError(f"{found}, or merge them into one file")
    if several == "refuse":
        raise DataError(
            f"{found}, or set dataset.options.several_masks=union to take what any of them marks",
            about="several_masks",
            choices=[{"several_masks": "union"}],
        )
    return [f"several masks, of which the union is taken: {many(len(further), 'image')}"]


def one_target(decode: Decode, further: Mapping[Path, tuple[Path, ...]]) -> Decode:
    """A decode of what may be several files.

    Args:
        decode (Callable): file -> (H, W).
        further (Mapping): target -> more targets of the same image.
    """
    return partial(union, decode=decode, further=further) if further else decode


def union(path: Path, decode: Decode, further: Mapping[Path, tuple[Path, ...]]) -> NDArray[np.uint8]:
    """(H, W): 1 where any mask is 1, else void where any is void.

    Args:
        path (Path): a mask.
        decode (Callable): file -> (H, W) of 0, 1 and 255.
        further (Mapping): mask -> more masks of the same image.

    Raises:
        DataError: they differ in size.
    """
    masks = [decode(path)]
    for other in further.get(path, ()):
        masks.append(decode(other))
        if masks[-1].shape != masks[0].shape:
            raise DataError(f"{other}: differs in size from {path.name}, a mask of the same image; give both one size")
    stacked = np.stack(masks)
    void = (stacked == IGNORE).any(axis=0)
    return np.where((stacked == 1).any(axis=0), 1, np.where(void, IGNORE, 0)).astype(np.uint8)
