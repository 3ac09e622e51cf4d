"""The folder oracle: a stage's images are written to a folder, and the masks that people save in another are read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.oracle import Delivery, Request
from al_lightning.data.dataset import DenseDataset
from al_lightning.data.depths import Unit, depth_reading
from al_lightning.data.errors import DataError, decoded
from al_lightning.data.files import nfc
from al_lightning.data.masks import MaskOptions, Masks, mask_reading
from al_lightning.data.own.layout import SUFFIXES
from al_lightning.data.walk import many, walk
from al_lightning.oracles.answers import Answer
from al_lightning.oracles.coco import read_coco
from al_lightning.oracles.cvat import read_cvat
from al_lightning.oracles.queries import folder_of, names_of, write_request
from al_lightning.oracles.settle import Answers, settle
from al_lightning.oracles.status import write_status
from al_lightning.oracles.store import file_name

WITHDRAWN = "withdrawn.txt"
EXPORTS = ("coco", "cvat")


@dataclass(frozen=True)
class Folder:
    """Masks that people draw with any program and save in a folder.

    Each stage writes `queries/stage-<k>/` in the run's folder: the images, `queries.csv`, the learner's predictions as
    a head start, a contact sheet and a README.txt. The run then waits (exit code 3) until each image has a mask of its
    name in `annotations/`, or in a COCO JSON or CVAT XML (1.1) there, and goes on when it is resumed. A mask that
    changes later is used from the next stage on. An image that cannot be annotated, or not further, is named in
    `annotations/withdrawn.txt`, with the reason after a tab if wanted, and never asked for again.

    Args:
        dataset (DenseDataset): of the run.
        annotations (str | None): where the masks are saved. Default None: `annotations/` in the run's folder.
        images (str): png: copies of the images as the learner sees them, upright and of 8 bits; link: links to the
            files; none. Default "png".
        masks (str): what the pixels of the masks mean, as of dataset `folder`. Default "auto".
        threshold (float | None): as of dataset `folder`. Default None.
        foreground (list[int] | None): as of dataset `folder`. Default None.
        colours (dict[str, list[int]] | None): as of dataset `folder`. Default None.
        void (list[int]): as of dataset `folder`. Default [].
        unit (str): of depth, as of dataset `folder`. Default "auto".
        scale (float): of depth, as of dataset `folder`. Default 1.
        invalid (list[float]): of depth, as of dataset `folder`. Default [].
        exports (list[str]): coco and cvat: write the predictions to `coco.json` and `cvat.xml` too, which annotation
            tools import. Default [].
        empty (str): an image that a COCO or CVAT file lists without an object: wait for its mask, or background.
            Default "wait".
    """

    dataset: DenseDataset
    annotations: str | None = None
    images: Literal["png", "link", "none"] = "png"
    masks: Masks = "auto"
    threshold: float | None = None
    foreground: list[int] | None = None
    colours: dict[str, list[int]] | None = None
    void: list[int] = ()  # type: ignore[assignment]
    unit: Unit = "auto"
    scale: float = 1.0
    invalid: list[float] = ()  # type: ignore[assignment]

    exports: list[str] = ()  # type: ignore[assignment]
    empty: Literal["wait", "background"] = "wait"

    asks_people: ClassVar[bool] = True

    def __post_init__(self) -> None:
        unknown = set(self.exports) - set(EXPORTS)
        if unknown:
            raise ValueError(f"exports={list(self.exports)}: expected some of {', '.join(EXPORTS)}")

    def reveal(self, request: Request) -> Delivery:
        if not len(request.query):
            return Delivery()
        place = self.place(request.folder)
        place.mkdir(parents=True, exist_ok=True)
        asked = folder_of(request.folder, request.stage)
        write_request(request, self.dataset, self.images, self._readme(place, request), self.exports)
        asked_for = {*request.answered, *request.query.rows.tolist()}
        copies = names_of(request.folder, self.dataset, range(len(self.dataset.ids)))
        names = {name: row for name, row in copies.items() if row in asked_for}
        noun = "masks" if self.dataset.task.kind == "segmentation" else "depth maps"
        todo = f"draw the {noun} of {asked / 'images'} and save them in {place} under the names of their images"
        delivery = settle(request, self.dataset, self._answers(place), names, todo, copies)
        write_status(asked / "status.csv", request, self.dataset, delivery)
        return delivery

    def place(self, run: Path) -> Path:
        """The folder in which people save their masks."""
        return Path(self.annotations).expanduser() if self.annotations else run / "annotations"

    def _answers(self, place: Path) -> Answers:
        """All masks in the folder, those of COCO and CVAT files too, and what is named in withdrawn.txt."""
        task = self.dataset.task
        exports = (".json", ".xml") if task.kind == "segmentation" else ()
        files = sorted(walk(place, (*SUFFIXES[task.kind], *exports)).files)
        pictures = [file for file in files if file.suffix.lower() not in exports]
        found: list[Answer] = []
        rejected: dict[str, str] = {}
        if pictures:
            try:
                read = self._reading(pictures)
                found += [_answer(file, place, read) for file in pictures]
            except DataError as error:
                rejected = {str(file): " ".join(str(error).split()) for file in pictures}
        for file in files:
            if file.suffix.lower() in exports:
                self._exported(file, found, rejected)
        return Answers(found, rejected, _withdrawn(place / WITHDRAWN))

    def _exported(self, file: Path, found: list[Answer], rejected: dict[str, str]) -> None:
        """Add what a COCO or CVAT file holds."""
        read = read_coco if file.suffix.lower() == ".json" else read_cvat
        try:
            answers, empty = read(file, self.dataset.task.classes)
        except (DataError, OSError) as error:
            rejected[str(file)] = " ".join(str(error).split())
            return
        found += answers
        for where, key in empty.items():
            if self.empty == "background":
                found.append(Answer(key, where, "empty", self._background(key)))
            else:
                rejected[where] = "listed without an object; if it shows none, set oracle.options.empty=background"

    def _background(self, key: str) -> Callable[[], NDArray[Any]]:
        """A mask without any object, of the size of the image of this name."""

        def read() -> NDArray[Any]:
            row = {file_name(name): row for row, name in enumerate(self.dataset.ids)}
            row |= {name: k for k, name in enumerate(self.dataset.ids)}
            return np.zeros(self.dataset.native_size(row[key]), np.uint8)

        return read

    def _reading(self, files: Sequence[Path]) -> Callable[[Path], NDArray[Any]]:
        task = self.dataset.task
        if task.kind == "depth":
            return depth_reading(files, task.maximum, self.unit, self.scale, self.invalid)[0].decode
        options = MaskOptions(
            self.masks, self.threshold, self.foreground, tuple(self.void), self.colours, allow_missing_classes=True
        )
        return mask_reading(files, task.classes, options)[0].decode

    def _readme(self, place: Path, request: Request) -> list[str]:
        classes = self.dataset.task.classes
        what = (
            f"black and white: white is {classes[1]}"
            if len(classes) == 2
            else f"class numbers: {', '.join(f'{number} {name}' for number, name in enumerate(classes))}"
        )
        if self.dataset.task.kind == "depth":
            what = "depth in grey levels of 16 bits"
        return [
            f"{many(len(request.query), 'image')} to annotate; queries.csv has their order, the most useful first.",
            f"Draw a mask of each image in images/, of the same size ({what}), and save it as PNG under the image's "
            f"name in {place.resolve()}",
            "guesses/, where it is there, holds what the learner thinks: copy a guess and correct the copy.",
            "Where queries.csv has a box (left top right bottom, pixels), only what is inside the box counts.",
            f"An image that cannot be annotated: write its name on a line of {WITHDRAWN} in the same folder.",
        ]


def _answer(file: Path, place: Path, read: Callable[[Path], NDArray[Any]]) -> Answer:
    key = nfc(file.relative_to(place).with_suffix("").as_posix())
    return Answer(key, str(file), _digest(file), lambda: decoded(file, read))


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""  # reading it says why it cannot be used


def _withdrawn(file: Path) -> dict[str, str]:
    """name -> reason of the lines of withdrawn.txt.

    Raises:
        DataError: the file is not in UTF-8.
    """
    if not file.is_file():
        return {}
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{file}: not in UTF-8; save it as a text file with one name a line") from None
    pairs = [line.partition("\t") for line in lines if line.strip()]
    return {name.strip(): reason.strip() or "withdrawn by the annotator" for name, _, reason in pairs}
