"""COCO JSON: what annotation tools export as instances, and what they import as a head start."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.task import IGNORE
from al_lightning.data.errors import DataError
from al_lightning.oracles.answers import Answer
from al_lightning.oracles.shapes import areas, of_runs, runs_of

VOID = "void"
"""Name of the category that counts in no loss and no metric."""


def class_numbers(classes: Sequence[str]) -> dict[str, int]:
    """Name of a class, or void, in any case -> its number.

    Example:
        >>> class_numbers(("background", "Polyp"))
        {'background': 0, 'polyp': 1, 'void': 255}
    """
    return {name.casefold(): number for number, name in enumerate(classes)} | {VOID: IGNORE}


def read_coco(path: Path, classes: Sequence[str]) -> tuple[list[Answer], dict[str, str]]:
    """(answers, images that are listed without an object -> remark) of a COCO file.

    The objects of an image are painted in the order of the file. An image without objects is no answer, because tools
    list images that nobody has looked at too; `empty` of the oracle says otherwise.

    Args:
        path: the file.
        classes: names by class number; categories are matched by name, whatever the case.

    Raises:
        DataError: it is no COCO file, or a category is no class.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8-sig"))
        images = {one["id"]: one for one in held["images"]}
        objects: dict[Any, list[Mapping[str, Any]]] = {}
        for one in held.get("annotations", []):
            objects.setdefault(one["image_id"], []).append(one)
        names = {one["id"]: str(one["name"]) for one in held.get("categories", [])}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: is no COCO file with images, annotations and categories ({error!r})") from None
    numbers = class_numbers(classes)
    used = {one["category_id"] for ones in objects.values() for one in ones if "category_id" in one}
    for key in used:
        if str(names.get(key, key)).casefold() not in numbers:
            raise DataError(
                f"{path}: category {names.get(key, key)!r} is no class; expected {', '.join(classes)}, or {VOID}"
            )
    answers, empty = [], {}
    for key, image in images.items():
        name = PurePosixPath(str(image.get("file_name", "")).replace("\\", "/"))
        where = f"{path}: {name}"
        ones = objects.get(key, [])
        if not ones:
            empty[where] = f"{name.with_suffix('').as_posix()}"
            continue
        digest = hashlib.sha256(json.dumps(ones, sort_keys=True).encode()).hexdigest()
        paint = _Paint(image, tuple(ones), {k: numbers[n.casefold()] for k, n in names.items() if k in used})
        answers.append(Answer(name.with_suffix("").as_posix(), where, digest, paint))
    return answers, empty


class _Paint:
    """The class map of one image of a COCO file."""

    def __init__(
        self, image: Mapping[str, Any], objects: Sequence[Mapping[str, Any]], number_of: Mapping[Any, int]
    ) -> None:
        self.image, self.objects, self.number_of = image, objects, number_of

    def __call__(self) -> NDArray[np.uint8]:
        try:
            size = int(self.image["height"]), int(self.image["width"])
            label = np.zeros(size, np.uint8)
            for one in self.objects:
                label[segmentation(one["segmentation"], size)] = self.number_of[one["category_id"]]
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"an object of this image cannot be read ({error!r})") from None
        return label


def segmentation(held: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) a COCO segmentation: polygons, run lengths, or compressed run lengths.

    Raises:
        ValueError: it is none of these, or of another size.
    """
    if isinstance(held, Mapping):
        if tuple(held["size"]) != size:
            raise ValueError(f"run lengths of {held['size']}; the image has [height, width] {list(size)}")
        if isinstance(held["counts"], list):
            return of_runs(held["counts"], size, column_major=True)
        coder = _coder()
        return np.asarray(coder.decode({"size": list(size), "counts": held["counts"]}), dtype=bool)
    if not isinstance(held, list) or not held:
        raise ValueError("an object without polygon and without run lengths")
    coder = _coder()
    return np.asarray(coder.decode(coder.merge(coder.frPyObjects(held, *size))), dtype=bool)


def _coder() -> Any:
    try:
        from pycocotools import mask
    except ModuleNotFoundError:
        raise ValueError("polygons of COCO need pycocotools: pip install 'al-lightning[annotate]'") from None
    return mask


def write_coco(images: Sequence[tuple[str, NDArray[np.uint8] | None, tuple[int, int]]], classes: Sequence[str]) -> str:
    """A COCO file: the images, and a mask of each class that occurs in what is known of them.

    Args:
        images: (name of the file, (H, W) class numbers or None, (H, W) its size) of each.
        classes: names by class number.
    """
    categories = [{"id": number, "name": name} for number, name in enumerate(classes) if number > 0]
    listed = [
        {"id": k, "file_name": name, "height": size[0], "width": size[1]} for k, (name, _, size) in enumerate(images, 1)
    ]
    objects: list[dict[str, Any]] = []
    for k, (_, label, size) in enumerate(images, 1):
        for number, mask, bounds in areas(label, len(classes)):
            objects.append(
                {
                    "id": len(objects) + 1,
                    "image_id": k,
                    "category_id": number,
                    "iscrowd": 1,
                    "area": int(mask.sum()),
                    "bbox": list(bounds),
                    "segmentation": {"size": list(size), "counts": runs_of(mask, column_major=True)},
                }
            )
    return json.dumps({"images": listed, "annotations": objects, "categories": categories}, indent=1)
