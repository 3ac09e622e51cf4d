"""Pictures for a page: thumbnails and outlines of boxes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

from PIL import Image, ImageDraw

HEIGHT = 96
"""Pixels of a thumbnail."""


def data_uri(content: bytes, mime: str) -> str:
    """Content that a page holds itself, as the address of a picture.

    Example:
        >>> data_uri(b"abc", "image/png")
        'data:image/png;base64,YWJj'
    """
    return f"data:{mime};base64," + base64.b64encode(content).decode("ascii")


def thumbnail(image: Image.Image, height: int = HEIGHT) -> str:
    """A data URI of a JPEG, `height` pixels high and at most twice as wide (the middle of a wider picture).

    Example:
        >>> thumbnail(Image.new("RGB", (200, 160)))[:23]
        'data:image/jpeg;base64,'
    """
    rgb = image.convert("RGB")
    width = min(2 * height, max(1, round(rgb.width * height / rgb.height)))
    crop = max(0.0, rgb.width - width * rgb.height / height) / 2
    box = (crop, 0.0, rgb.width - crop, float(rgb.height))
    buffer = io.BytesIO()
    rgb.resize((width, height), Image.Resampling.LANCZOS, box, reducing_gap=2).save(
        buffer, "JPEG", quality=80, optimize=True
    )
    return data_uri(buffer.getvalue(), "image/jpeg")


def outlined(image: Image.Image, boxes: Sequence[Sequence[int]], size: Sequence[int]) -> Image.Image:
    """A copy of the picture, with boxes outlined.

    Args:
        image: of any size.
        boxes: top, left, height, width in pixels of an image of `size`.
        size: height and width to which the boxes belong.

    Example:
        >>> drawn = outlined(Image.new("RGB", (80, 64)), [(0, 0, 16, 20)], (32, 40))
        >>> drawn.size, drawn.getpixel((0, 0))
        ((80, 64), (255, 225, 60))
    """
    copy = image.convert("RGB")
    canvas = ImageDraw.Draw(copy)
    y, x = copy.height / size[0], copy.width / size[1]
    width = max(1, round(copy.height / 64))
    for top, left, height, breadth in boxes:
        corners = (left * x, top * y, (left + breadth) * x - 1, (top + height) * y - 1)
        canvas.rectangle(corners, outline=(20, 20, 20), width=2 * width)
        canvas.rectangle(corners, outline=(255, 225, 60), width=width)
    return copy
