"""Annotations of Label Studio -> class numbers, and class numbers -> predictions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_lightning.oracles.coco import class_numbers
from al_lightning.oracles.label_studio import rle
from al_lightning.oracles.shapes import areas, ellipse, polygon

BRUSH, POLYGON, IMAGE = "brush", "polygon", "image"
"""Names of the tools in the labelling interface."""
LABELS = ("brushlabels", "polygonlabels", "rectanglelabels", "ellipselabels", "bitmasklabels")
COLOURS = ("#00b050", "#2f75ff", "#ff8c00", "#c000c0", "#e00000", "#009999", "#777700")


def interface(classes: Sequence[str]) -> str:
    """The labelling interface: a brush and polygons for each class but the background."""
    labels = "".join(
        f'<Label value="{_escaped(name)}" background="{COLOURS[k % len(COLOURS)]}"/>'
        for k, name in enumerate(classes[1:])
    )
    return (
        f'<View><Image name="{IMAGE}" value="$image" zoom="true" zoomControl="true"/>'
        f'<BrushLabels name="{BRUSH}" toName="{IMAGE}">{labels}</BrushLabels>'
        f'<PolygonLabels name="{POLYGON}" toName="{IMAGE}">{labels}</PolygonLabels></View>'
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def prediction(label: NDArray[np.uint8], classes: Sequence[str]) -> list[dict[str, Any]]:
    """The results of a prediction: a brush for each class that occurs in (H, W) class numbers."""
    height, width = label.shape
    return [
        {
            "id": f"guess-{number}",
            "type": "brushlabels",
            "from_name": BRUSH,
            "to_name": IMAGE,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {"format": "rle", "rle": rle.encode(mask), "brushlabels": [classes[number]]},
        }
        for number, mask, _ in areas(label, len(classes))
    ]


def label_of(results: Sequence[Mapping[str, Any]], size: tuple[int, int], classes: Sequence[str]) -> NDArray[np.uint8]:
    """(H, W) class numbers of an annotation; later regions lie over earlier ones, and no region is background.

    Raises:
        ValueError: a region cannot be read, is of another size, or of no class.
    """
    numbers = class_numbers(classes)
    label = np.zeros(size, np.uint8)
    for one in results:
        kind = one.get("type")
        if kind not in LABELS:
            continue
        value = one.get("value")
        if not isinstance(value, Mapping):
            raise ValueError(f"a {kind} without value")
        names = value.get(kind) or [""]
        if str(names[0]).casefold() not in numbers:
            raise ValueError(f"label {names[0]!r} is no class; expected {', '.join(classes[1:])}")
        stored = one.get("original_height"), one.get("original_width")
        if stored != size:
            raise ValueError(f"drawn on an image of {stored[1]} x {stored[0]} pixels; it has {size[1]} x {size[0]}")
        if one.get("image_rotation"):
            raise ValueError(f"drawn on the image turned by {one['image_rotation']} degrees; turn it back and redraw")
        try:
            label[area(str(kind), value, size)] = numbers[str(names[0]).casefold()]
        except (KeyError, TypeError, IndexError, binascii.Error) as error:
            raise ValueError(f"a {kind} that cannot be read ({error!r})") from None
    return label


def area(kind: str, value: Mapping[str, Any], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) the pixels of a region; its coordinates are percents of the image."""
    height, width = size
    if kind == "brushlabels":
        return rle.decode(value["rle"], size)
    if kind == "polygonlabels":
        return polygon([(x * width / 100, y * height / 100) for x, y in value["points"]], size)
    if kind == "bitmasklabels":
        return _bitmask(str(value["imageDataURL"]), size)
    if kind == "ellipselabels":
        centre = value["x"] * width / 100, value["y"] * height / 100
        radii = value["radiusX"] * width / 100, value["radiusY"] * height / 100
        return ellipse(centre, radii, size, value.get("rotation", 0.0))
    left, top = value["x"] * width / 100, value["y"] * height / 100
    across, down = value["width"] * width / 100, value["height"] * height / 100
    angle = np.deg2rad(value.get("rotation", 0.0))  # clockwise around the upper left corner
    corners = np.array([(0, 0), (across, 0), (across, down), (0, down)])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return polygon([(x, y) for x, y in (corners @ turn + (left, top)).tolist()], size)


def _bitmask(url: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    head, _, data = url.partition(",")
    if not head.startswith("data:image/png"):
        raise ValueError("a bitmask that is no PNG")
    with Image.open(BytesIO(base64.b64decode(data, validate=True))) as image:
        if image.size != (size[1], size[0]):
            raise ValueError(f"a bitmask of {image.width} x {image.height} pixels; the image has {size[1]} x {size[0]}")
        pixels = np.asarray(image.convert("RGBA"))
    return np.asarray((pixels[..., 3] > 127) & (pixels[..., :3].max(2) > 127))


def majority(labels: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """(H, W) the class that most annotators give a pixel; of equally many the lowest.

    Example:
        >>> majority([np.array([[0, 1]], np.uint8), np.array([[2, 1]], np.uint8)]).tolist()
        [[0, 1]]
    """
    stacked = np.stack(labels)
    numbers = np.unique(stacked)
    votes = np.stack([(stacked == number).sum(0) for number in numbers])
    return np.asarray(numbers[votes.argmax(0)], dtype=np.uint8)
