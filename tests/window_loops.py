"""Windows, their sums and their suppression as plain loops."""

from __future__ import annotations

import math

import numpy as np

SHAPES = [
    # image, window, step
    ((7, 9), (3, 4), 1),
    ((7, 9), (3, 4), 2),
    ((12, 12), (4, 4), 4),
    ((11, 13), (1, 1), 3),
    ((10, 17), (5, 7), 3),
    ((6, 5), (9, 3), 1),
    ((6, 5), (9, 9), 2),
    ((1, 1), (1, 1), 1),
    ((16, 150), (3, 70), 1),
]


def places(length: int, window: int, step: int) -> list[int]:
    """First pixels of windows along an axis, written out."""
    window = min(window, length)
    found = [i for i in range(length) if i % step == 0 and i + window <= length]
    return found if found[-1] == length - window else [*found, length - window]


def windows(image: tuple[int, int], size: tuple[int, int], step: int) -> list[list[tuple[int, int]]]:
    return [[(t, left) for left in places(image[1], size[1], step)] for t in places(image[0], size[0], step)]


def sums_by_loop(one: np.ndarray, size: tuple[int, int], step: int) -> np.ndarray:
    grid = windows(one.shape, size, step)
    return np.array([[math.fsum(one[t : t + size[0], x : x + size[1]].ravel()) for t, x in row] for row in grid])


def suppress_by_loop(values: np.ndarray, image: tuple[int, int], size: tuple[int, int], step: int) -> list[tuple]:
    """Sort all windows once; keep those that overlap none kept before."""
    h, w = min(size[0], image[0]), min(size[1], image[1])
    grid = [place for row in windows(image, size, step) for place in row]
    ranked = sorted(zip(values.ravel().tolist(), grid, strict=True), key=lambda item: (-item[0], item[1]))
    kept: list[tuple] = []
    for value, (t, x) in ranked:
        apart = all(abs(t - top) >= h or abs(x - left) >= w for top, left, _ in kept)
        if value > -math.inf and apart:
            kept.append((t, x, value))
    return kept


def raster(boxes, image: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(image, dtype=bool)
    for t, left, h, w in boxes:
        mask[max(t, 0) : max(t + h, 0), max(left, 0) : max(left + w, 0)] = True
    return mask
