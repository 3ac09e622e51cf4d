"""What to say of a set that can be read: notes of its loader, classes, splits, and images that look alike."""

from __future__ import annotations

import numpy as np

from al_lightning.core.task import IGNORE
from al_lightning.data.dataset import SPLITS, DenseDataset
from al_lightning.data.depths import depth_reading
from al_lightning.data.errors import DataError
from al_lightning.data.init.doubles import near_duplicates
from al_lightning.data.init.finding import Finding
from al_lightning.data.pictures.stored import read_header
from al_lightning.data.sample import evenly, look, readable
from al_lightning.data.walk import many, some

LOOKED_AT = 24
"""Targets of a published set that are looked at."""


def lines_of(finding: Finding) -> list[str]:
    """A line for each thing that is known."""
    dataset = finding.dataset
    if dataset is None:
        return []
    asked = {question.why for question in finding.open}
    lines = [note for note in dataset.notes if note not in asked]
    if finding.loader != "folder":
        lines += _as_published(dataset)
    if dataset.task.kind == "segmentation":
        lines.append(f"classes: {', '.join(dataset.task.classes)}")
    counts = ", ".join(f"{split} {len(getattr(dataset, split))}" for split in SPLITS)
    out = len(dataset.ids) - sum(len(getattr(dataset, split)) for split in SPLITS)
    lines.append(f"splits: {counts}{f', in none {out}' if out else ''}")
    return [*lines, *_refused(dataset), *_sizes_apart(dataset), _alike(finding, dataset)]


def _refused(dataset: DenseDataset) -> list[str]:
    """A line where images cannot be read, by a look at a few."""

    def tried(row: int) -> str:
        try:
            dataset.read_image(row)
        except DataError as error:
            return str(error)
        return ""

    chosen = evenly(len(dataset.images), LOOKED_AT)
    errors = [error for error in look(chosen, tried) if error]
    return [f"not read: {len(errors)} of {many(len(chosen), 'image')} looked at: {errors[0]}"] if errors else []


def _sizes_apart(dataset: DenseDataset) -> list[str]:
    """A line where targets differ in size from their images, which a run refuses; by the headers of a few."""
    rows = [row for row, target in enumerate(dataset.targets) if target is not None]
    chosen = [rows[position] for position in evenly(len(rows), LOOKED_AT)]
    apart = [both for row in chosen if (both := _two_sizes(dataset, row))]
    if not apart:
        return []
    return [
        f"sizes: {len(apart)} of {len(chosen)} targets looked at differ in size from their image, such as {apart[0]}; "
        "a run refuses them: give both the same size"
    ]


def _two_sizes(dataset: DenseDataset, row: int) -> str:
    """Both sizes where they differ; "" where they do not, or one cannot be read from a header."""
    target = dataset.targets[row]
    try:
        shown, size = dataset.native_size(row), read_header(target).shown() if target is not None else (0, 0)
    except (DataError, OSError, ValueError):
        return ""
    if shown == size:
        return ""
    return f"{dataset.ids[row]} ({size[1]} x {size[0]}, the image {shown[1]} x {shown[0]})"


def _as_published(dataset: DenseDataset) -> list[str]:
    """What a few targets of a published set hold."""
    files = [target for target in dataset.targets if target is not None]
    sample = [files[row] for row in evenly(len(files), LOOKED_AT)]
    try:
        if dataset.task.kind == "depth":
            reading, _ = depth_reading(sample, dataset.task.maximum)
            return [f"{reading.describe()} of {dataset.task.maximum:g} cm, as published ({len(sample)} looked at)"]
        found = readable(sample, lambda path: np.bincount(dataset.decode_target(path).reshape(-1), minlength=256))
    except DataError as error:
        return [f"targets: {error}"]
    total = np.sum([*found.values()], axis=0)
    valid = max(1, int(total.sum() - total[IGNORE]))
    names = dataset.task.classes
    what = f"{int((total[: len(names)] > 0).sum())} of {len(names)} classes found"
    if len(names) == 2:
        what = f"{names[1]} {100 * total[1] / valid:.1f} % of pixels"
    void = f", void {100 * total[IGNORE] / total.sum():.1f} %" if total[IGNORE] else ""
    return [f"masks: as published, {what}{void} ({len(found)} looked at)"]


def _alike(finding: Finding, dataset: DenseDataset) -> str:
    """Near-duplicates, within splits and across; those of one group are meant to be alike."""
    split_of = dataset.split_of()
    pairs, compared = (
        near_duplicates(dataset.images, dataset.image_reading.decode) if finding.alike is None else finding.alike
    )
    used = [(a, b) for a, b in pairs if {split_of[dataset.ids[a]], split_of[dataset.ids[b]]} <= set(SPLITS)]
    groups = dataset.groups or dataset.ids
    apart = [(a, b) for a, b in used if groups[a] != groups[b]]
    total = len(dataset.ids)
    seen = f"{compared} of {total}" if compared < total else f"{total}"
    if not apart:
        inside = f" but in one group ({many(len(used), 'pair')})" if used else ""
        return f"alike: no near-duplicates among {seen} images{inside}"
    across = sum(split_of[dataset.ids[a]] != split_of[dataset.ids[b]] for a, b in apart)
    apart.sort(key=lambda pair: split_of[dataset.ids[pair[0]]] == split_of[dataset.ids[pair[1]]])
    which = some(f"{dataset.ids[a]} = {dataset.ids[b]}" for a, b in apart)
    remedy = "remove one of each such pair, or give both one group in a CSV; " if across else ""
    return (
        f"alike: {many(len(apart), 'pair')} of near-duplicates among {seen} images, {across or 'none'} "
        f"in two splits ({which}); {remedy}al-lightning check compares with more care"
    )
