"""From answers of people to a delivery: each answer is matched, checked and kept; the same for every tool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_lightning.core.oracle import Delivery, Request
from al_lightning.core.region import Region, area, cover
from al_lightning.data.dataset import DenseDataset
from al_lightning.data.errors import decoded
from al_lightning.data.files import nfc
from al_lightning.data.walk import some
from al_lightning.oracles.answers import Answer, match
from al_lightning.oracles.store import LabelStore

LABELS = "labels"
"""Folder of the label files in a run's folder."""


@dataclass(frozen=True)
class Answers:
    """What was found where people leave their answers."""

    found: Sequence[Answer]
    rejected: Mapping[str, str]
    """What is no answer: name -> why not."""
    withdrawn: Mapping[str, str]
    """Key of an image that will never be labelled, asked for or not -> why."""


def settle(
    request: Request,
    dataset: DenseDataset,
    answers: Answers,
    names: Mapping[str, int],
    todo: str,
    copies: Mapping[str, int] | None = None,
) -> Delivery:
    """Check and keep what people answered.

    An answer for a pick is kept as a label file in the run's folder. So is one that has changed since, or that somebody
    gave for an image of an earlier request: it replaces the label from this stage on. Where a pick asks for a region of
    an image of which other regions are labelled, their labels stay as they were. Any image can be withdrawn, also one
    that was not asked for, or of which only regions are labelled; one that is labelled as a whole keeps its label.

    Args:
        request: of the stage.
        dataset: of the run.
        answers: of all requests so far.
        names: names of the images that were asked for so far -> row.
        todo: what to do next where answers are missing.
        copies: further names of images that were ever asked for -> row, by which they can be withdrawn.

    Raises:
        ValueError: the index of the labels cannot be read.
        OSError: a label cannot be written.
    """
    store = LabelStore(request.folder / LABELS)
    by_row, unknown = match(answers.found, names, dataset.task.kind)
    rejected = dict(answers.rejected)
    rejected |= {one.name: "for no image that was asked for; give it the name of its image" for one in unknown}
    every = {name: row for row, name in enumerate(dataset.ids)} | dict(copies or {})
    withdrawn, more = _withdrawn(answers.withdrawn, names, every, dataset.task.kind)
    rejected |= more
    picks = request.query.rows.tolist()
    kept_whole = [row for row in withdrawn if row not in picks and _is_whole(request, row, dataset)]
    rejected |= {dataset.ids[row]: "withdrawn after it was labelled: its label stays" for row in kept_whole}
    files: dict[int, str] = {}
    corrected: dict[int, str] = {}
    for row, ones in by_row.items():
        if row in withdrawn or (row not in picks and row not in request.answered):
            continue
        file, why = _keep(store, dataset, row, ones, request)
        if why:
            rejected |= {one.name: why for one in ones}
        if file is not None and row in picks:
            files[row] = file
        elif file is not None and file != request.answered[row]:
            corrected[row] = file
    for row in picks:
        kept = store.newest(dataset.ids[row])
        if row not in files and row not in withdrawn and kept is not None and row not in request.answered:
            files[row] = store.path(kept)  # accepted before, and out of reach or gone now
    store.save()
    own = {row for row in picks if dataset.targets[row] is not None and Path(str(dataset.targets[row])).is_file()}
    missing = [row for row in dict.fromkeys(picks) if row not in files and row not in withdrawn and row not in own]
    return Delivery(
        files,
        np.array(missing, dtype=np.int64),
        {row: why for row, why in withdrawn.items() if row not in kept_whole},
        corrected,
        rejected,
        todo,
    )


def _withdrawn(
    named: Mapping[str, str], names: Mapping[str, int], every: Mapping[str, int], task: str
) -> tuple[dict[int, str], dict[str, str]]:
    """({row: why}, {name: why it is no withdrawal}); an image that is not asked for now goes by its exact name only."""
    found, unknown = match([Answer(key, key, why, _nothing) for key, why in named.items()], names, task)
    rows = {row: ones[0].digest for row, ones in found.items()}
    exact = {nfc(name): row for name, row in every.items()}
    rejected = {}
    for one in unknown:
        if nfc(one.key) in exact:
            rows.setdefault(exact[nfc(one.key)], one.digest)
        else:
            rejected[one.name] = "withdrawn, but no image has this name"
    return rows, rejected


def _is_whole(request: Request, row: int, dataset: DenseDataset) -> bool:
    """Whether an image is labelled as a whole; validation and test images always are."""
    if row not in request.answered:
        return False
    regions = request.revealed(row)
    return not regions or area(regions, dataset.size) == dataset.size[0] * dataset.size[1]


def _nothing() -> NDArray[Any]:
    raise ValueError("withdrawn")


def _keep(
    store: LabelStore, dataset: DenseDataset, row: int, ones: Sequence[Answer], request: Request
) -> tuple[str | None, str]:
    """(label file, why an answer is not used): the newest version stays where the answers cannot be used."""
    name = dataset.ids[row]
    newest = store.newest(name)
    before = None if newest is None else store.path(newest)
    if len(ones) > 1:
        return before, f"{len(ones)} answers for one image ({some(one.name for one in ones)}); keep one of them"
    answer = ones[0]
    if newest is not None and newest.digest == answer.digest:
        return before, ""
    try:
        label = checked(answer.read(), dataset, row)
    except (ValueError, OSError) as error:
        return before, " ".join(str(error).split())
    earlier = request.revealed(row) if row in request.query.rows else ()
    if earlier and (old := before or request.answered.get(row)):
        label = merged(decoded(Path(old), lambda file: dataset.read_target(row, file)), label, earlier, dataset.size)
    return store.add(name, label, answer.digest, answer.name, request.stage), ""


def checked(label: NDArray[Any], dataset: DenseDataset, row: int) -> NDArray[Any]:
    """The label, of the size of its image and with its classes.

    Raises:
        ValueError: it is not.
    """
    height, width = dataset.native_size(row)
    if label.shape != (height, width):
        found = " x ".join(map(str, label.shape[1::-1]))
        raise ValueError(f"is {found} pixels but its image is {width} x {height}; draw it at the image's own size")
    if dataset.task.kind == "segmentation":
        known = [*range(len(dataset.task.classes)), 255]
        wrong = np.setdiff1d(np.unique(label), known)
        if len(wrong):
            raise ValueError(f"holds class {wrong[0]}; expected 0 to {len(dataset.task.classes) - 1}, or 255 for void")
        return label.astype(np.uint8)
    return label.astype(np.float32)


def merged(old: NDArray[Any], new: NDArray[Any], regions: Iterable[Region], size: tuple[int, int]) -> NDArray[Any]:
    """(h, w): the old label in regions of the learner's grid (H, W), the new one elsewhere."""
    grid = Image.fromarray(cover(tuple(regions), size).astype(np.uint8))
    inside = np.asarray(grid.resize((new.shape[1], new.shape[0]), Image.Resampling.NEAREST)) > 0
    return np.where(inside, old, new)


__all__ = ["LABELS", "Answers", "checked", "merged", "settle"]
