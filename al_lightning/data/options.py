"""Options that many datasets share: the learner's image size, the protocol, and where test metrics compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from al_lightning.core.arrays import Size
from al_lightning.data.errors import DataError

ProtocolName = Literal["clean", "paper"]
Evaluation = Literal["auto", "native", "resized"]


LARGEST = 16_384
"""Pixels a side that a learner sees."""


def height_width(size: int | Sequence[int]) -> Size:
    """The option `size` as (height, width) in pixels.

    Raises:
        DataError: it is neither one number nor two, or a number is below 1.

    Example:
        >>> height_width(256), height_width([360, 480])
        ((256, 256), (360, 480))
    """
    both = (size, size) if isinstance(size, int | np.integer) else tuple(size) if isinstance(size, Sequence) else ()
    if len(both) != 2 or not all(isinstance(n, int | np.integer) and n is not True and n >= 1 for n in both):
        raise DataError(f"dataset.options.size={size!r}: expected a number of pixels of at least 1, or [height, width]")
    if max(both) > LARGEST:
        raise DataError(f"dataset.options.size={size!r}: expected at most {LARGEST} pixels a side")
    return int(both[0]), int(both[1])


def evaluation(choice: Evaluation, protocol: str) -> Literal["native", "resized"]:
    """Where test metrics compare: auto is the target's own size, but under `paper` the learner's, as in the papers.

    Example:
        >>> evaluation("auto", "clean"), evaluation("auto", "paper"), evaluation("native", "paper")
        ('native', 'resized', 'native')
    """
    if choice == "auto":
        return "resized" if protocol == "paper" else "native"
    return choice
