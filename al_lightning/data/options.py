"""Options that many datasets share: the learner's image size, the protocol, and where test metrics compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from al_lightning.core.arrays import Size

ProtocolName = Literal["clean", "paper"]
Evaluation = Literal["auto", "native", "resized"]


def height_width(size: int | Sequence[int]) -> Size:
    """The option `size` as (height, width) in pixels.

    Example:
        >>> height_width(256), height_width([360, 480])
        ((256, 256), (360, 480))
    """
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def evaluation(choice: Evaluation, protocol: str) -> Literal["native", "resized"]:
    """Where test metrics compare: auto is the target's own size, but under `paper` the learner's, as in the papers.

    Example:
        >>> evaluation("auto", "clean"), evaluation("auto", "paper"), evaluation("native", "paper")
        ('native', 'resized', 'native')
    """
    if choice == "auto":
        return "resized" if protocol == "paper" else "native"
    return choice
