"""Sets of which only a part has targets: people are asked for the others, or a CSV leaves these out."""

from __future__ import annotations

import csv
from pathlib import Path

from al_lightning.data.datasets.folder import folder
from al_lightning.data.init.finding import Finding
from al_lightning.data.splits import NONE
from al_lightning.data.walk import many

REPLACED = ("csv", "images", "targets", "groups")
"""Options that the CSV stands for."""


def is_partly(finding: Finding) -> bool:
    """Whether the pool has images without target."""
    return finding.dataset is not None and finding.unlabelled > 0


def can_ask(finding: Finding) -> bool:
    """Whether people can be asked for what is missing: they draw masks, and depth is measured."""
    return finding.dataset is not None and finding.dataset.task.kind == "segmentation"


def can_leave_out(finding: Finding) -> bool:
    """Whether a CSV can list those that have a target; not where an image has several, which a CSV cannot list."""
    return not finding.several


def ask_people(finding: Finding, simulate: str) -> None:
    """People are asked for the masks of the images that have none.

    Args:
        finding (Finding): what was found, partly with masks.
        simulate (str): how to leave these images out instead; "" where that cannot be.
    """
    dataset = finding.dataset
    assert dataset is not None
    labelled = sum(target is not None for target in dataset.targets)
    line = (
        f"targets: {labelled} of {many(len(dataset.ids), 'image')} have a mask, so people will be asked for masks of "
        f"others, which the strategy picks ({finding.unlabelled} can be)"
    )
    finding.lines.append(f"{line}; to use those {labelled} only, in a simulated run: {simulate}" if simulate else line)
    finding.people = True


def only_labelled(finding: Finding, path: Path) -> None:
    """Write a CSV of the images that have a target; the finding then reads it.

    A simulated oracle reveals targets that are there, and stops at an image that has none. Groups are listed, and with
    them the drawn splits stay as they are; splits that files or folders name are listed too.

    Args:
        finding (Finding): what was found, partly with targets.
        path (Path): of the CSV, absolute.
    """
    dataset = finding.dataset
    assert dataset is not None
    splits = dataset.split_of()
    lines = [["image", "target", "group", *["split"] * finding.named_splits]]
    for row, target in enumerate(dataset.targets):
        split = splits[dataset.ids[row]]
        if target is not None and split != NONE:
            cells = [_below(file, finding.root) for file in (dataset.images[row], target)]
            lines.append([*cells, dataset.groups[row], *[split] * finding.named_splits])
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    finding.lines.append(
        f"targets: {many(len(dataset.ids) - len(lines) + 1, 'image')} without, which a simulated run cannot use: "
        f"{path.name} lists the images that have one, and is what is read"
    )
    finding.options = {key: value for key, value in finding.options.items() if key not in REPLACED} | {"csv": str(path)}
    finding.dataset = folder(str(finding.root), **finding.options)
    finding.images, finding.alike = [*finding.dataset.images], None


def _below(file: Path, root: Path) -> str:
    return (file.relative_to(root) if file.is_relative_to(root) else file).as_posix()
