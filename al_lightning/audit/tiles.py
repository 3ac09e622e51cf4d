"""Small pictures of one image: with the outlines of its mask, or beside its depth."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from al_lightning.audit.subject import Subject
from al_lightning.data.dataset import DataError
from al_lightning.data.depth_files import read_numbers
from al_lightning.data.errors import decoded
from al_lightning.data.outlines import outlined
from al_lightning.data.pictures.pixels import colours_of
from al_lightning.data.pictures.stored import read_pixels

WIDTH, HEIGHT = 230, 190
"""Of one picture, in pixels; its aspect is kept."""
GROUND = "#333333"


def plain_tile(subject: Subject, row: int) -> Image.Image:
    """WIDTH x HEIGHT; a cross where the file cannot be read."""
    image = _image(subject, row)
    return _cross() if image is None else centred(fitted(image))


def tiles(subject: Subject, row: int) -> list[Image.Image]:
    """The image with the outlines of its mask, or the image and its depth; a cross for what cannot be read."""
    image = _image(subject, row)
    if subject.noun == "depth":
        depth = _target(subject, row)
        return [
            _cross() if image is None else centred(fitted(image)),
            _cross() if depth is None else centred(fitted(coloured(depth))),
        ]
    if image is None:
        return [_cross()]
    small = fitted(image)
    target = _target(subject, row)
    if target is None:
        return [centred(small)]
    return [centred(outlined(small, target, len(subject.task.classes) if subject.decode_target else 2))]


def coloured(depth: NDArray[Any], top: float | None = None) -> NDArray[np.uint8]:
    """(H, W) depth -> (H, W, 3): magma from 0 to `top`, by default the largest; grey where it is not measured."""
    known = np.isfinite(depth)
    if top is None:
        top = float(depth[known].max()) if known.any() else 1.0
    shades = matplotlib.colormaps["magma"](np.where(known, depth, 0) / (top or 1.0))
    return np.where(known[..., None], np.round(shades[..., :3] * 255), 150).astype(np.uint8)


def _image(subject: Subject, row: int) -> NDArray[np.uint8] | None:
    try:
        return subject.read_image(row)
    except (DataError, OSError):
        return None


def _target(subject: Subject, row: int) -> NDArray[Any] | None:
    """(H, W) classes or depth; numbers above half of the range where nobody knows what they mean."""
    path = subject.targets[row]
    if path is None:
        return None
    try:
        if subject.decode_target is not None:
            return decoded(path, subject.decode_target)
        if subject.noun == "depth":
            return decoded(path, lambda file: read_numbers(file, subject.image_reading.page))
        values = colours_of(decoded(path, lambda file: read_pixels(file, subject.image_reading.page))).max(axis=2)
        return np.asarray(2 * values.astype(int) > values.max(), dtype=np.uint8)
    except (ValueError, OSError):
        return None


def fitted(image: NDArray[np.uint8]) -> Image.Image:
    """Scaled to WIDTH x HEIGHT, larger too, with its aspect."""
    height, width = image.shape[:2]
    scale = min(WIDTH / width, HEIGHT / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)


def centred(picture: Image.Image) -> Image.Image:
    """The picture in the middle of WIDTH x HEIGHT."""
    tile = Image.new("RGB", (WIDTH, HEIGHT), GROUND)
    tile.paste(picture, ((WIDTH - picture.width) // 2, (HEIGHT - picture.height) // 2))
    return tile


def _cross() -> Image.Image:
    tile = Image.new("RGB", (WIDTH, HEIGHT), GROUND)
    draw = ImageDraw.Draw(tile)
    draw.line((0, 0, WIDTH, HEIGHT), "#888888", 2)
    draw.line((0, HEIGHT, WIDTH, 0), "#888888", 2)
    return tile
