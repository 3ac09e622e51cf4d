"""The task of a dataset: what its targets hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

IGNORE = 255
"""Target value of pixels that losses and metrics leave out."""


@dataclass(frozen=True)
class Task:
    """What the targets of a dataset hold.

    Example:
        >>> Task("segmentation", ("background", "polyp")).channels
        1
        >>> Task("segmentation", ("road", "car", "sky")).channels
        3
    """

    kind: Literal["segmentation", "depth"] = "segmentation"
    classes: tuple[str, ...] = ("background", "polyp")
    """Names of the classes, index = target value; unused by depth."""
    maximum: float = 20.0
    """Depth in cm for which a learner's output is 1; unused by segmentation."""
    objects: bool = False
    """Whether test metrics also score single objects (glands)."""
    parts: tuple[str, ...] = ()
    """Test parts whose objects are also scored separately ("A" and "B" of GlaS)."""

    @property
    def channels(self) -> int:
        """Output channels of a network: one for depth and for two classes (a sigmoid), else one for each class."""
        return 1 if self.kind == "depth" or len(self.classes) == 2 else len(self.classes)
