"""Class maps, outlines and the cost of a mask as plain loops, for the tests of clicks."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from al_lightning.core.task import IGNORE

EIGHT = np.ones((3, 3))


def scene(seed: int, shape: tuple[int, int] = (60, 80), classes: int = 4, smooth: float = 4) -> np.ndarray:
    """A class map of blobs, one class being void."""
    rng = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(rng.normal(size=shape), smooth) for _ in range(classes)]
    target = np.argmax(fields, 0).astype(np.uint8)
    return np.where(target == classes - 1, np.uint8(IGNORE), target)


def filled(component: np.ndarray) -> np.ndarray:
    """The component (4-connected) without its holes."""
    return ndimage.binary_fill_holes(component, EIGHT)


def painted(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The polygon and its border drawn by pillow."""
    image = Image.new("1", shape[::-1])
    ImageDraw.Draw(image).polygon([(x, y) for x, y in points.tolist()], fill=1, outline=1)
    return np.array(image)


def to_segments(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Distance of each point to the closed polygon."""
    nearest = np.full(len(points), np.inf)
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = np.dot(b - a, b - a)
        along = np.clip((points - a) @ (b - a) / length, 0, 1) if length else np.zeros(len(points))
        nearest = np.minimum(nearest, np.linalg.norm(points - a - along[:, None] * (b - a), axis=1))
    return nearest


def peucker(path: np.ndarray, tolerance: float) -> list[int]:
    """The textbook recursion over an open path: positions kept between its ends."""
    if len(path) < 3:
        return []
    distance = to_segments(path[1:-1], path[[0, -1]])
    if distance.max() <= tolerance:
        return []
    at = 1 + int(distance.argmax())
    return [*peucker(path[: at + 1], tolerance), at, *(at + i for i in peucker(path[at:], tolerance))]


def box_cost_by_loop(box, points, target) -> int:
    """The three terms for a rectangle, along its four sides."""
    height, width = target.shape
    top, left, h, w = box
    bottom, right = top + h, left + w
    vertices = 0
    for x, y in points:
        row, column = int(np.floor(y)), int(np.floor(x))
        down = top + (top > 0) <= row < bottom - (bottom < height)
        vertices += down and left + (left > 0) <= column < right - (right < width)
    cut = target[top:bottom, left:right]
    sides = [*cut[sorted({0, h - 1})], *cut.T[sorted({0, w - 1})]]
    crossings = sum(int((side[1:] != side[:-1]).sum()) for side in sides)
    return vertices + crossings + sum(ndimage.label(cut == v, EIGHT)[1] for v in np.unique(cut) if v != IGNORE)


def mask_cost_by_loop(mask, points, target, ignore: int = IGNORE) -> int:
    """The three terms pixel by pixel: what touches what, no outline."""
    inside = {(r, c) for r, c in np.argwhere(mask).tolist()}
    image = {(r, c) for r, c in np.ndindex(mask.shape)}

    def beyond(r: int, c: int) -> set[tuple[int, int]]:
        return {(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} - inside

    clicked = [(int(np.floor(y)), int(np.floor(x))) for x, y in points]
    vertices = sum(pixel in inside and not beyond(*pixel) & image for pixel in clicked)
    pairs = [((r, c), other) for r, c in inside for other in ((r + 1, c), (r, c + 1)) if other in inside]
    crossings = sum(bool(target[p] != target[q] and beyond(*p) & beyond(*q)) for p, q in pairs)
    return (
        vertices
        + crossings
        + sum(ndimage.label(mask & (target == v), EIGHT)[1] for v in np.unique(target) if v != ignore)
    )
