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


def one_target(
    decode: Decode, further: Mapping[Path, tuple[Path, ...]], several: Literal["refuse", "union"], classes: int
) -> tuple[Decode, list[str]]:
    """(decode of what may be several files, notes).

    Args:
        decode (Callable): file -> (H, W).
        further (Mapping): target -> more targets of the same image.
        several (str): refuse or union, the option several_masks.
        classes (int): number of classes; 0 for depth.

    Raises:
        DataError: an image has several targets, and they are refused or cannot be one.
    """
    if not further:
        return decode, []
    first, more = next(iter(further.items()))
    found = f"{first}: its image has {1 + len(more)} targets, also {more[0].name} (so {many(len(further), 'image')})"
    if classes != 2:
        raise DataError(f"{found}; keep one, or merge them into one file")
    if several == "refuse":
        raise DataError(f"{found}; keep one, or set dataset.options.several_masks=union to take what any of them marks")
    note = f"several masks, of which the union is taken: {many(len(further), 'image')}"
    return partial(union, decode=decode, further=further), [note]


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
