"""Regions of an image that a query can ask for, in pixels of the learner's image.

A kind of region is a subclass of `Region`, which is added to `REGIONS` where it is defined. The pool, the cost and the
cache use only the window and the pixels of a region, so that a new kind needs no change there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Size

REGIONS: dict[str, type[Region]] = {}
"""kind -> the class that reads it; subclasses of `Region` add themselves."""


class Region(ABC):
    """Pixels of an image (H, W): a mask `pixels` over a rectangle `window`. Hashable; compared by value."""

    kind: ClassVar[str]
    """Key of the region in stages.jsonl and in state files."""

    def __init_subclass__(cls) -> None:
        known = REGIONS.get(cls.kind)
        # dataclass(slots=True) makes a second class of the same name.
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"kind={cls.kind!r}: {known.__qualname__} is of this kind already; give another")
        REGIONS[cls.kind] = cls

    @property
    @abstractmethod
    def window(self) -> tuple[slice, slice]:
        """Lines and columns of the smallest rectangle that contains the region."""

    @property
    @abstractmethod
    def pixels(self) -> NDArray[np.bool_]:
        """(h, w) mask over the window, or a scalar True where the region fills it."""

    @abstractmethod
    def check(self, image: Size) -> None:
        """Check that the region fits an image (H, W).

        Raises:
            ValueError: the region is empty or not inside the image.
        """

    @abstractmethod
    def to_json(self) -> list[int]:
        """The argument of the kind's `from_json`."""

    @classmethod
    @abstractmethod
    def from_json(cls, values: Sequence[int]) -> Region:
        """The region that `to_json` wrote."""


@final
@dataclass(frozen=True, slots=True)
class Box(Region):
    """A rectangle.

    Example:
        >>> cover([Box(0, 0, 1, 2)], (2, 3)).astype(int).tolist()
        [[1, 1, 0], [0, 0, 0]]
    """

    top: int
    left: int
    height: int
    width: int
    kind: ClassVar[str] = "box"

    @property
    def window(self) -> tuple[slice, slice]:
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    @property
    def pixels(self) -> NDArray[np.bool_]:
        return ALL

    def check(self, image: Size) -> None:
        if (
            min(self.top, self.left) < 0
            or min(self.height, self.width) < 1
            or self.top + self.height > image[0]
            or self.left + self.width > image[1]
        ):
            raise ValueError(
                f"region {self.to_json()} is not inside the image of {image[0]} x {image[1]} pixels; expected top, "
                "left, height, width"
            )

    def to_json(self) -> list[int]:
        return list(astuple(self))

    @classmethod
    def from_json(cls, values: Sequence[int]) -> Box:
        return cls(*map(int, values))


ALL = np.array(True)
"""`Region.pixels` of a region that fills its window."""


def region_of(entry: Mapping[str, Any]) -> Region | None:
    """The region in an entry of a state file or of "selected" in a stage row; None for a whole image.

    Example:
        >>> region_of({"id": "a", "box": [0, 0, 1, 2]})
        Box(top=0, left=0, height=1, width=2)
    """
    for kind, cls in REGIONS.items():
        if entry.get(kind):
            return cls.from_json(entry[kind])
    return None


def boxes(array: NDArray[np.integer[Any]]) -> tuple[Box, ...]:
    """(n, 4) top, left, height, width -> n boxes.

    Example:
        >>> boxes(np.array([[0, 0, 1, 2]]))
        (Box(top=0, left=0, height=1, width=2),)
    """
    return tuple(Box(*values) for values in np.asarray(array).reshape(-1, 4).tolist())


def array_of(regions: Iterable[Region]) -> NDArray[np.int64]:
    """(n, 4) top, left, height, width of each region's window.

    Example:
        >>> array_of([Box(0, 0, 1, 2), Box(3, 4, 5, 6)]).tolist()
        [[0, 0, 1, 2], [3, 4, 5, 6]]
    """
    windows = [region.window for region in regions]
    found = [(y.start, x.start, y.stop - y.start, x.stop - x.start) for y, x in windows]
    return np.array(found, dtype=np.int64).reshape(-1, 4)


def cover(regions: Iterable[Region], image: Size) -> NDArray[np.bool_]:
    """Mask (H, W), True on the pixels that at least one of the regions covers.

    Example:
        >>> cover([Box(0, 0, 2, 1), Box(0, 0, 1, 2)], (2, 2)).astype(int).tolist()
        [[1, 1], [1, 0]]
    """
    mask = np.zeros(image, dtype=bool)
    for region in regions:
        mask[region.window] |= region.pixels
    return mask


def area(regions: Sequence[Region], image: Size) -> int:
    """Pixels of an image (H, W) that at least one of the regions covers; exact where they overlap.

    Example:
        >>> area([Box(0, 0, 2, 2), Box(1, 1, 2, 2)], (4, 4))
        7
    """
    if all(isinstance(region, Box) for region in regions):
        return union_area(array_of(regions), image)
    return int(cover(regions, image).sum())


def union_area(boxes: NDArray[np.integer[Any]], image: Size) -> int:
    """Pixels of an image (H, W) that at least one of the boxes (n, 4) covers, without a mask; exact where they overlap.

    Coverage changes only at sides of boxes, so it is counted in the cells of the grid that all sides form: +1 at two
    corners of each box and −1 at the others, summed along both axes.

    Example:
        >>> union_area(np.array([[0, 0, 2, 2], [1, 1, 2, 2]]), (4, 4))
        7
    """
    edges = np.asarray(boxes, dtype=np.int64).reshape(-1, 4)
    y0, y1 = (edges[:, 0].clip(0, image[0]), (edges[:, 0] + edges[:, 2]).clip(0, image[0]))
    x0, x1 = (edges[:, 1].clip(0, image[1]), (edges[:, 1] + edges[:, 3]).clip(0, image[1]))
    some = (y1 > y0) & (x1 > x0)
    if not some.any():
        return 0
    y0, y1, x0, x1 = (side[some] for side in (y0, y1, x0, x1))
    ys, xs = np.unique([y0, y1]), np.unique([x0, x1])
    cells = np.zeros((len(ys), len(xs)), dtype=np.int64)
    for y, x, sign in ((y0, x0, 1), (y1, x1, 1), (y0, x1, -1), (y1, x0, -1)):
        np.add.at(cells, (np.searchsorted(ys, y), np.searchsorted(xs, x)), sign)
    covered = cells.cumsum(0).cumsum(1)[:-1, :-1] > 0
    return int(np.diff(ys) @ covered @ np.diff(xs))


def new_pixels(box: NDArray[np.integer[Any]], revealed: NDArray[np.integer[Any]], image: Size) -> int:
    """Pixels of one box (4,), clipped to the image (H, W), that none of the revealed boxes (n, 4) covers.

    Example:
        >>> new_pixels(np.array([1, 1, 2, 2]), np.array([[0, 0, 2, 2]]), (4, 4))
        3
    """
    one = np.asarray(box, dtype=np.int64).reshape(1, 4)
    others = np.asarray(revealed, dtype=np.int64).reshape(-1, 4)
    start = np.maximum(one[:, :2], others[:, :2])
    extent = np.minimum(one[:, :2] + one[:, 2:], others[:, :2] + others[:, 2:]) - start
    return union_area(one, image) - union_area(np.concatenate([start, extent], 1), image)
