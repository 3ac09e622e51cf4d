"""CVAT for images 1.1: the XML that CVAT exports and imports."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from al_lightning.data.errors import DataError
from al_lightning.oracles.answers import Answer
from al_lightning.oracles.coco import class_numbers
from al_lightning.oracles.shapes import areas, box, ellipse, of_runs, polygon, runs_of

SHAPES = ("polygon", "mask", "box", "ellipse")
"""Elements that cover an area."""
IGNORED = ("points", "polyline", "cuboid", "skeleton", "tag")
"""Elements that do not."""


def read_cvat(path: Path, classes: Sequence[str]) -> tuple[list[Answer], dict[str, str]]:
    """(answers, images that are listed without a shape -> remark) of a CVAT file, as of `read_coco`.

    Shapes are painted in the order of z_order, then of the file.

    Raises:
        DataError: it is no CVAT file of images, or a label is no class.
    """
    try:
        text = path.read_bytes()
        if b"<!ENTITY" in text:
            raise DataError(f"{path}: defines entities, which no export of CVAT does; export it again")
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise DataError(f"{path}: is no XML file ({error}); export it from CVAT as 'CVAT for images 1.1'") from None
    if root.tag != "annotations" or root.find("track") is not None:
        what = "tracks of a video" if root.find("track") is not None else f"<{root.tag}>"
        raise DataError(f"{path}: holds {what}; export it from CVAT as 'CVAT for images 1.1'")
    numbers = class_numbers(classes)
    answers, empty = [], {}
    for image in root.iter("image"):
        name = PurePosixPath(image.get("name", "").replace("\\", "/"))
        where = f"{path}: {name}"
        shapes = [shape for shape in image if shape.tag in SHAPES]
        for shape in shapes:
            if shape.get("label", "").casefold() not in numbers:
                raise DataError(
                    f"{path}: label {shape.get('label')!r} is no class; expected {', '.join(classes)}, or void"
                )
        if not shapes:
            empty[where] = name.with_suffix("").as_posix()
            continue
        digest = hashlib.sha256(b"".join(ElementTree.tostring(shape) for shape in shapes)).hexdigest()
        answers.append(Answer(name.with_suffix("").as_posix(), where, digest, _Paint(image, shapes, numbers)))
    return answers, empty


class _Paint:
    """The class map of one image of a CVAT file."""

    def __init__(
        self, image: ElementTree.Element, shapes: Sequence[ElementTree.Element], numbers: Mapping[str, int]
    ) -> None:
        self.image, self.shapes, self.numbers = image, shapes, numbers

    def __call__(self) -> NDArray[np.uint8]:
        try:
            size = int(self.image.get("height", "")), int(self.image.get("width", ""))
            label = np.zeros(size, np.uint8)
            for shape in sorted(self.shapes, key=lambda one: int(one.get("z_order", "0"))):
                label[area(shape, size)] = self.numbers[shape.get("label", "").casefold()]
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"a shape of this image cannot be read ({error!r})") from None
        return label


def area(shape: ElementTree.Element, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) the pixels of a shape.

    Raises:
        ValueError: its coordinates are no numbers, or a mask is not inside the image.
    """
    number = {name: float(value) for name, value in shape.attrib.items() if name in _NUMBERS}
    if shape.tag == "polygon":
        pairs = [pair.split(",") for pair in shape.get("points", "").split(";")]
        return polygon([(float(x), float(y)) for x, y in pairs], size)
    if shape.tag == "box":
        return box(number["xtl"], number["ytl"], number["xbr"], number["ybr"], size)
    if shape.tag == "ellipse":
        return ellipse((number["cx"], number["cy"]), (number["rx"], number["ry"]), size, number.get("rotation", 0.0))
    left, top, width, height = (int(number[name]) for name in ("left", "top", "width", "height"))
    if min(left, top) < 0 or left + width > size[1] or top + height > size[0]:
        raise ValueError(f"a mask of {width} x {height} pixels at {left}, {top}, outside of the image")
    label = np.zeros(size, dtype=bool)
    runs = [int(run) for run in shape.get("rle", "").split(",")]
    label[top : top + height, left : left + width] = of_runs(runs, (height, width))
    return label


_NUMBERS = ("xtl", "ytl", "xbr", "ybr", "cx", "cy", "rx", "ry", "rotation", "left", "top", "width", "height")


def write_cvat(images: Sequence[tuple[str, NDArray[np.uint8] | None, tuple[int, int]]], classes: Sequence[str]) -> str:
    """A CVAT file with a mask of each class that occurs in what is known of the images.

    Args:
        images: as of `write_coco`.
        classes: names by class number.
    """
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    for k, (name, label, (height, width)) in enumerate(images):
        image = ElementTree.SubElement(root, "image", id=str(k), name=name, width=str(width), height=str(height))
        for number, mask, (left, top, across, down) in areas(label, len(classes)):
            ElementTree.SubElement(
                image,
                "mask",
                label=classes[number],
                source="auto",
                occluded="0",
                rle=", ".join(map(str, runs_of(mask[top : top + down, left : left + across]))),
                left=str(left),
                top=str(top),
                width=str(across),
                height=str(down),
                z_order="0",
            )
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
