"""Outlines of a mask over its image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_lightning.core.task import IGNORE
from al_lightning.data.plot import class_colours

LINE = (0, 255, 90)
"""Colour of outlines where there are two classes: none of tissue or of its stains."""
VOID = (150, 150, 150)


def outlined(
    picture: Image.Image, target: NDArray[Any], classes: int, line: tuple[int, int, int] = LINE
) -> Image.Image:
    """The picture with a line, two pixels wide, along the inner border of each class of a mask.

    The mask is stretched to the picture, so that one of another size is seen where it does not fit. The first class is
    drawn where there are more than two. `line` is the colour where there are two.
    """
    labels = Image.fromarray(target.astype(np.uint8)).resize(picture.size, Image.Resampling.NEAREST)
    found = np.asarray(labels)
    border = np.zeros(found.shape, bool)
    for step in (1, 2):
        for axis in (0, 1):
            n = found.shape[axis]
            ahead, behind = np.arange(step, n), np.arange(n - step)
            differs = np.take(found, ahead, axis) != np.take(found, behind, axis)
            index: list[Any] = [slice(None), slice(None)]
            for part in (ahead, behind):
                index[axis] = part
                border[tuple(index)] |= differs
    border &= (found > 0) | (classes > 2)
    colours = np.round(class_colours(max(classes, 3)) * 255).astype(np.uint8)
    painted = np.array([line, line], np.uint8) if classes == 2 else colours[:-1]
    pixels = np.array(picture)
    known = border & (found < len(painted))
    pixels[known] = painted[found[known]]
    pixels[border & (found == IGNORE)] = VOID
    return Image.fromarray(pixels)
