"""The rows of stages.jsonl: what a line holds, how the file is read, and how a damaged end of it is mended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, TypedDict

from al_lightning.core.json_files import MAYBE_NUMBER, NUMBER, expect, parse_json


class StageRow(TypedDict):
    """One line of stages.jsonl: the results of a stage."""

    stage: int
    labelled: int
    """Labelled images; regions count as the number of images with as many pixels, rounded down."""
    fraction: float
    """Revealed fraction of the pool's pixels, with equal weight for every image."""
    steps: int | None
    """Optimiser steps of the stage's training; the most of a committee's. None in rows of versions without it."""
    cost: dict[str, float | None]
    """"images" with a label, "pixels" at the images' own size, "clicks" (None for depth): of all labels so far."""
    val: dict[str, float | None]
    test: dict[str, float | None]
    seconds: dict[str, float]
    selected: list[dict[str, Any]]


PICK = {"id": str, "source?": (str, NoneType), "score?": MAYBE_NUMBER}
ROW = {
    "stage": int,
    "labelled": NUMBER,
    "test": {"*": MAYBE_NUMBER},
    "val?": {"*": MAYBE_NUMBER},
    "fraction?": MAYBE_NUMBER,
    "steps?": MAYBE_NUMBER,
    "cost?": {"*": MAYBE_NUMBER},
    "seconds?": {"*": MAYBE_NUMBER},
    "selected?": [PICK],
}
"""A stage row as readers need it; rows of other programs may leave out what has a question mark."""


def read_rows(path: Path) -> tuple[dict[str, Any], ...]:
    """The stage rows of a stages.jsonl by ascending stage; none where there is no file.

    An incomplete last line (the process was killed while it wrote) is left out.

    Raises:
        ValueError: another line cannot be read, a key is missing or of another type, or a stage occurs twice.
    """
    rows = {row["stage"]: row for _, row in lines(path)[0]}
    return tuple(rows[stage] for stage in sorted(rows))


def lines(path: Path) -> tuple[list[tuple[int, dict[str, Any]]], bool]:
    """The rows of a stages.jsonl with their line numbers from 1, and whether its end is damaged.

    Raises:
        ValueError: as of `read_rows`.
    """
    if not path.exists():
        return [], False
    if not path.is_file():
        raise ValueError(f"{path}: expected a file, found {'a folder' if path.is_dir() else 'something else'}")
    raw = path.read_bytes()
    filled = [(number, line) for number, line in enumerate(raw.split(b"\n"), 1) if line.strip()]
    torn = bool(filled) and not raw.endswith(b"\n")
    rows: list[tuple[int, dict[str, Any]]] = []
    known: set[int] = set()
    for number, line in filled:
        where = f"{path}, line {number}"
        try:
            row = parse_json(line, where)
        except ValueError as error:
            if number == filled[-1][0]:
                return rows, True
            raise ValueError(f"{error}; only the last line may be incomplete. Delete that line: {ANEW}") from None
        try:
            expect(row, ROW, where)
        except ValueError as error:
            raise ValueError(f"{error} in this stage row; delete the line: {ANEW}") from None
        if row["stage"] in known:
            raise ValueError(f"{where}: stage {row['stage']} occurs twice; delete one of the lines")
        known.add(row["stage"])
        rows.append((number, row))
    return rows, torn


ANEW = "`al-lightning resume` writes it anew from the run's state"


def text_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """The content of a stages.jsonl."""
    return "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)
