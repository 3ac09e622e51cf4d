"""Labels in the order in which somebody should look at them, as a table of a file and of the terminal."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from al_lightning.core.files import write_atomic
from al_lightning.core.task import Task


@dataclass(frozen=True)
class Judged:
    """One label and how well it agrees with a prediction of a learner that has not seen it."""

    id: str
    split: str
    """pool, validation or test."""
    score: float
    """Of `audit.quality`, in [0, 1]; NaN where no pixel counts."""
    agreement: float
    """IoU of the foreground, or RMSE in cm."""
    fold: int | None
    """From 1, of cross-validation; None where the weights of the run have predicted."""
    label: str
    """File that somebody would correct."""
    softmin: float | None = None
    """`softmin_quality` of a mask; nothing is ranked by it."""


@dataclass(frozen=True)
class Seen:
    """What was compared of one label."""

    label: NDArray[Any]
    """(H, W) as of `Batch.target`, at the learner's size."""
    guess: NDArray[Any]
    """(H, W) predicted class numbers, or depth in cm."""


def ranked(judged: Sequence[Judged]) -> list[Judged]:
    """The lowest score first; those without a pixel that counts are last."""
    return sorted(judged, key=lambda one: (math.isnan(one.score), one.score, one.id))


def write_ranking(judged: Sequence[Judged], task: Task, path: Path) -> None:
    """Write ranked labels as CSV: rank, id, split, score, iou and softmin or rmse_cm, fold, and the label's file."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    depth = task.kind == "depth"
    measures = ["rmse_cm"] if depth else ["iou", "softmin"]
    table.writerow(["rank", "id", "split", "score", *measures, "fold", "depth" if depth else "mask"])
    for rank, one in enumerate(judged, 1):
        fold = "" if one.fold is None else one.fold
        also = [] if one.softmin is None else [_cell(one.softmin)]
        table.writerow([rank, one.id, one.split, _cell(one.score), _cell(one.agreement), *also, fold, one.label])
    write_atomic(path, text.getvalue())


def print_ranking(judged: Sequence[Judged], task: Task, console: Console, most: int = 10) -> None:
    """A table of the first labels."""
    noun = "depth maps" if task.kind == "depth" else "masks"
    table = Table(title=f"the first {min(most, len(judged))} of {len(judged)} {noun}", title_justify="left")
    for column in ("rank", "id", "split", "fold", "score", "RMSE cm" if task.kind == "depth" else "IoU"):
        table.add_column(column, justify="left" if column in ("id", "split") else "right", overflow="fold")
    for rank, one in enumerate(judged[:most], 1):
        fold = "" if one.fold is None else str(one.fold)
        table.add_row(str(rank), escape(one.id), one.split, fold, shown(one.score), shown(one.agreement))
    console.print(table)


def shown(value: float) -> str:
    """A number for people; a dash where there is none.

    Example:
        >>> shown(0.12345), shown(float("nan"))
        ('0.123', '-')
    """
    return "-" if math.isnan(value) else f"{value:.3f}"


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


__all__ = ["Judged", "Seen", "print_ranking", "ranked", "write_ranking"]
