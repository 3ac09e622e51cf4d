"""A picture of the labels that disagree most with out-of-fold predictions, each with both."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_lightning.audit.layout import Cell, Part, laid_out
from al_lightning.audit.ranking import Judged, Seen, shown
from al_lightning.audit.subject import Subject
from al_lightning.audit.tiles import centred, coloured, fitted, plain_tile
from al_lightning.core.files import write_atomic
from al_lightning.core.task import Task
from al_lightning.data.errors import DataError
from al_lightning.data.outlines import LINE, outlined

GUESS = (255, 0, 255)
"""Colour of the outline of a prediction, where there are two classes."""
TINT = 0.2
"""Opacity of the inside of a mask."""
LEGENDS = {
    "two": "green: the mask, tinted inside; magenta: outline of the prediction; grey: border of what is labelled",
    "several": "left: the mask, right: the prediction, one colour a class",
    "depth": "image, depth map, prediction; bright is far, on the scale of the depth map",
}


def mask_sheet(data: Subject, judged: Sequence[Judged], seen: Mapping[str, Seen], title: str, path: Path) -> None:
    """Save a PNG with the image, the label and the prediction of some labels, in their order.

    Args:
        data (Subject): the dataset.
        judged (Sequence[Judged]): ranked, to be shown.
        seen (Mapping[str, Seen]): id -> what was compared.
        title (str): of the picture.
        path (Path): file to write; its folder is made.
    """
    row_of = {name: row for row, name in enumerate(data.ids)}
    cells = [
        Cell(_pictures(data, row_of[one.id], seen[one.id]), _caption(rank, one, data.task))
        for rank, one in enumerate(judged, 1)
    ]
    kind = "depth" if data.noun == "depth" else "two" if len(data.task.classes) == 2 else "several"
    held = io.BytesIO()
    laid_out(title, [Part(LEGENDS[kind], cells)]).save(held, "PNG")
    write_atomic(path, held.getvalue())


def _caption(rank: int, one: Judged, task: Task) -> tuple[str, str, str]:
    where = one.split if one.fold is None else f"{one.split}, fold {one.fold}"
    error = f"RMSE {shown(one.agreement)} cm" if task.kind == "depth" else f"IoU {shown(one.agreement)}"
    return f"{rank}. score {shown(one.score)}, {error}", where, one.id


def _pictures(data: Subject, row: int, seen: Seen) -> list[Image.Image]:
    try:
        image = fitted(data.read_image(row))
    except (DataError, OSError):
        image = None
    if data.noun == "depth":
        top = float(np.nanmax(seen.label)) if np.isfinite(seen.label).any() else None
        maps = [centred(fitted(coloured(values, top))) for values in (seen.label, seen.guess)]
        return [plain_tile(data, row), *maps]
    if image is None:
        return [plain_tile(data, row)]
    classes = len(data.task.classes)
    if classes == 2:
        # The mask comes last, so that it is seen where both agree.
        return [centred(outlined(outlined(_tinted(image, seen.label), seen.guess, 2, GUESS), seen.label, 2))]
    return [centred(outlined(image, labels, classes)) for labels in (seen.label, seen.guess)]


def _tinted(picture: Image.Image, mask: NDArray[Any]) -> Image.Image:
    """The picture with the foreground of a mask in a tint, as an inverted mask has the outline of a good one."""
    inside = Image.fromarray(np.where(mask == 1, np.uint8(round(255 * TINT)), np.uint8(0)))
    return Image.composite(
        Image.new("RGB", picture.size, LINE), picture, inside.resize(picture.size, Image.Resampling.NEAREST)
    )


__all__ = ["mask_sheet"]
