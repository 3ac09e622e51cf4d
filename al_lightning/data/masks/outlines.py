"""Masks that are drawn as closed lines around objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def is_outline(foreground: NDArray[np.bool_]) -> bool:
    """Whether a mask (H, W) is a thin closed line: opening (5 x 5) leaves nothing, and filling at least doubles it."""
    from scipy import ndimage

    area = int(foreground.sum())
    if area < 8 or ndimage.binary_opening(foreground, np.ones((5, 5))).sum() > 0.05 * area:
        return False
    return bool(ndimage.binary_fill_holes(foreground).sum() >= 2 * area)


def filled(line: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Closed outlines (H, W) with what they enclose.

    Raises:
        ValueError: a thin line of more than 8 pixels encloses nothing.
    """
    from scipy import ndimage

    solid: NDArray[np.bool_] = ndimage.binary_fill_holes(line)
    pieces, number = ndimage.label(line, np.ones((3, 3)))
    for piece, window in enumerate(ndimage.find_objects(pieces), start=1):
        own = pieces[window] == piece
        if own.sum() <= 8 or ndimage.binary_fill_holes(own).sum() > own.sum():
            continue
        if not ndimage.binary_opening(np.pad(own, 1), np.ones((3, 3))).any():
            where = f"row {window[0].start}, column {window[1].start}"
            raise ValueError(f"the outline at {where} is not closed ({number} lines in the file); close it")
    return solid
