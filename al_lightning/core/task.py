"""Task: what a target holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

IGNORE = 255
"""Target value of pixels that no loss and no metric counts."""


@dataclass(frozen=True)
class Task:
    """What a target holds.

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
    """Depth in cm that a learner's output of 1 stands for; unused by segmentation."""
    objects: bool = False
    """Whether tests also score single objects (glands), beside pixels."""
    parts: tuple[str, ...] = ()
    """Parts of the test set whose objects are also scored apart ("A" and "B" of GlaS)."""

    @property
    def channels(self) -> int:
        """Output channels of a network: one for depth and for two classes (a sigmoid), else one for each class."""
        return 1 if self.kind == "depth" or len(self.classes) == 2 else len(self.classes)
