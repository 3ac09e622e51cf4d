"""The folder of a request: what an annotator needs to draw what a stage asks for."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from al_lightning.core.files import write_atomic
from al_lightning.core.oracle import Request
from al_lightning.core.region import Region
from al_lightning.data.dataset import DenseDataset
from al_lightning.data.outlines import outlined
from al_lightning.oracles.coco import write_coco
from al_lightning.oracles.cvat import write_cvat
from al_lightning.oracles.store import file_name

Copies = Literal["png", "link", "none"]
TABLE = "queries.csv"
COLUMNS = ("name", "id", "rank", "source", "score", "box")
WIDTH, HEIGHT, COLUMNS_OF_SHEET, MOST = 240, 200, 5, 200
"""Of a picture of the contact sheet, in pixels; pictures in a line; and on the sheet."""


FILES = {"coco": ("coco.json", write_coco), "cvat": ("cvat.xml", write_cvat)}
"""Export -> its file, and what writes it."""


def folder_of(run: Path, stage: int) -> Path:
    """The folder of a stage's request."""
    return run / "queries" / f"stage-{stage:03d}"


def names_of(run: Path, dataset: DenseDataset, rows: Sequence[int]) -> dict[str, int]:
    """Names under which people may answer -> row: ids, and the names of the copies, of these rows.

    Raises:
        ValueError: a table of queries cannot be read.
    """
    row_of = {dataset.ids[row]: row for row in rows}
    names = dict(row_of)
    for table in sorted((run / "queries").glob(f"stage-*/{TABLE}")):
        try:
            with table.open(newline="", encoding="utf-8") as file:
                for line in csv.DictReader(file):
                    if line["id"] in row_of:
                        names.setdefault(line["name"], row_of[line["id"]])
        except (KeyError, UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{table}: cannot be read ({error}); delete it, and it is written again") from None
    return names


def write_request(
    request: Request, dataset: DenseDataset, copies: Copies, how: Sequence[str], exports: Sequence[str] = ()
) -> Path:
    """Write `queries/stage-<k>/` of a run, unless it is there already; returns the folder.

    images/ holds a copy of each image as the learner sees it, guesses/ the learner's predictions of the same names, and
    `queries.csv` the images in the order of the picks. The table is written last: what lacks it was interrupted.

    Args:
        request: of the stage.
        dataset: of the run.
        copies: png: upright 8-bit copies without loss; link: links to the files; none.
        how: lines of the README.txt for the annotator.
        exports: coco, cvat: files with the images and the predictions.

    Raises:
        OSError: a file cannot be written.
    """
    folder = folder_of(request.folder, request.stage)
    if (folder / TABLE).is_file():
        return folder
    rows = list(dict.fromkeys(request.query.rows.tolist()))
    names = {row: file_name(dataset.ids[row]) for row in rows}
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for row, name in names.items() if copies != "none" else ():
        _copy(dataset, row, folder / "images" / name, copies)
    for row, guess in request.guesses.items():
        target = folder / "guesses" / f"{names[row]}.png"
        target.parent.mkdir(exist_ok=True)
        _show(guess, len(dataset.task.classes), target)
    for export in exports:
        name, write = FILES[export]
        listed = [(f"{names[row]}.png", _numbers(request.guesses.get(row)), dataset.native_size(row)) for row in rows]
        write_atomic(folder / name, write(listed, dataset.task.classes))
    regions = _boxes(request)
    sheet(request, dataset, names, regions).save(folder / "sheet.jpg", quality=88)
    write_atomic(folder / "README.txt", "".join(f"{line}\n" for line in how))
    write_atomic(folder / TABLE, _table(request, dataset, names, regions))
    return folder


def _copy(dataset: DenseDataset, row: int, stem: Path, copies: Copies) -> None:
    source = dataset.images[row]
    if copies == "link":
        link = stem.with_name(stem.name + source.suffix)
        link.unlink(missing_ok=True)
        os.symlink(source.resolve(), link)
        return
    temporary = stem.with_name(f".{stem.name}.tmp")
    Image.fromarray(dataset.read_image(row)).save(temporary, "PNG")
    temporary.replace(stem.with_name(stem.name + ".png"))


def _numbers(guess: Path | None) -> NDArray[np.uint8] | None:
    if guess is None:
        return None
    with Image.open(guess) as image:
        return np.array(image)


def _show(guess: Path, classes: int, target: Path) -> None:
    """A guess as a mask that people see: black and white of two classes, else class numbers with a palette."""
    numbers = _numbers(guess)
    assert numbers is not None
    if classes == 2:
        Image.fromarray(np.where(numbers == 1, np.uint8(255), np.uint8(0))).save(target, "PNG")
        return
    from al_lightning.data.plot import class_colours

    shown = Image.fromarray(numbers, "P")
    shown.putpalette(np.round(class_colours(classes) * 255).astype(np.uint8)[:, :3].tobytes())
    shown.save(target, "PNG")


def _boxes(request: Request) -> list[Region | None]:
    return [None] * len(request.query) if request.query.regions is None else list(request.query.regions)


def native_box(region: Region, grid: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) in pixels of an image (h, w) around a region of the learner's grid (H, W).

    Example:
        >>> from al_lightning.core.region import Box
        >>> native_box(Box(2, 4, 2, 4), (8, 8), (16, 32))
        (16, 4, 32, 8)
    """
    lines, columns = region.window
    down, across = size[0] / grid[0], size[1] / grid[1]
    return (
        math.floor(columns.start * across),
        math.floor(lines.start * down),
        math.ceil(columns.stop * across),
        math.ceil(lines.stop * down),
    )


def _table(request: Request, dataset: DenseDataset, names: Mapping[int, str], regions: Sequence[Region | None]) -> str:
    held = io.StringIO()
    table = csv.writer(held, lineterminator="\n")
    table.writerow(COLUMNS)
    query = request.query
    for rank, (row, source, score, region) in enumerate(
        zip(query.rows.tolist(), query.source, query.score.tolist(), regions, strict=True), 1
    ):
        box = "" if region is None else " ".join(map(str, native_box(region, dataset.size, dataset.native_size(row))))
        value = "" if math.isnan(score) else f"{score:.6g}"
        table.writerow([names[row], dataset.ids[row], rank, source, value, box])
    return held.getvalue()


def sheet(
    request: Request, dataset: DenseDataset, names: Mapping[int, str], regions: Sequence[Region | None]
) -> Image.Image:
    """A picture of the images in the order of the picks, with the outlines of the guesses and the boxes asked for."""
    rows = list(names)[:MOST]
    lines = -(-len(rows) // COLUMNS_OF_SHEET)
    page = Image.new("RGB", (COLUMNS_OF_SHEET * WIDTH, lines * (HEIGHT + 18)), "white")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(11)
    for place, row in enumerate(rows):
        left, top = place % COLUMNS_OF_SHEET * WIDTH, place // COLUMNS_OF_SHEET * (HEIGHT + 18)
        pixels = dataset.read_image(row)
        scale = min((WIDTH - 6) / pixels.shape[1], HEIGHT / pixels.shape[0])
        size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
        small = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
        if row in request.guesses:
            with Image.open(request.guesses[row]) as guess:
                small = outlined(small, np.asarray(guess), len(dataset.task.classes))
        pen = ImageDraw.Draw(small)
        for picked, region in zip(request.query.rows.tolist(), regions, strict=True):
            if picked == row and region is not None:
                box = native_box(region, dataset.size, (size[1], size[0]))
                pen.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), outline="#ffd400", width=2)
        page.paste(small, (left + (WIDTH - size[0]) // 2, top))
        text = f"{place + 1}  {names[row]}"
        while draw.textlength(text, font) > WIDTH - 6:
            text = text.removesuffix("…")[:-1] + "…"
        draw.text((left + 4, top + HEIGHT + 2), text, "black", font)
    return page
