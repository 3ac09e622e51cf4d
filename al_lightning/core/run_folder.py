"""The folder of a run: files are written so that a run that is killed at any moment leaves a readable state."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from al_lightning.core.files import naming, read_object, write_atomic


class StageRow(TypedDict):
    """One line of stages.jsonl: the results of a stage."""

    stage: int
    labelled: int
    """Labelled images; regions count as the number of images with as many pixels, rounded down."""
    fraction: float
    """Revealed fraction of the pool's pixels, with equal weight for every image."""
    cost: dict[str, float | None]
    """"images" with a label, "pixels" at the images' own size, "clicks" (None for depth): of all labels so far."""
    val: dict[str, float | None]
    test: dict[str, float | None]
    seconds: dict[str, float]
    selected: list[dict[str, Any]]


_REQUIRED = ("stage", "labelled", "test")


def read_rows(path: Path) -> tuple[dict[str, Any], ...]:
    """The stage rows of a stages.jsonl by ascending stage; none where there is no file.

    An incomplete last line (the process was killed while it wrote) is left out.

    Raises:
        ValueError: another line cannot be read, a key is missing, or a stage occurs twice.
    """
    if not path.exists():
        return ()
    lines = [(number, line) for number, line in enumerate(path.read_bytes().split(b"\n"), 1) if line.strip()]
    rows: dict[int, dict[str, Any]] = {}
    for number, line in lines:
        try:
            row = json.loads(line)
        except ValueError as error:
            if number == lines[-1][0]:
                break
            raise ValueError(
                f"{path}, line {number}: not JSON ({error}); only the last line may be incomplete. "
                "Delete that line, or resume from a copy of the run"
            ) from error
        missing = [key for key in _REQUIRED if not isinstance(row, dict) or key not in row]
        if missing:
            raise ValueError(f"{path}, line {number}: no {', '.join(map(repr, missing))} in this stage row")
        if row["stage"] in rows:
            raise ValueError(f"{path}, line {number}: stage {row['stage']} occurs twice; delete one of the lines")
        rows[row["stage"]] = row
    return tuple(rows[stage] for stage in sorted(rows))


def fit_step(member: int) -> str:
    """Name of the step of a stage that trains one learner: "fit", and "fit-1", "fit-2", ... for a committee.

    Example:
        >>> fit_step(0), fit_step(2)
        ('fit', 'fit-2')
    """
    return "fit" if member == 0 else f"fit-{member}"


class RunFolder:
    """runs/<experiment>/<strategy>/seed-<k>: config.yaml, environment.json, splits.json, stages.jsonl, state/,
    checkpoints/.

    state/stage-<k>.json holds the finished steps of stage k: {"fit": ..., "test": ..., "row": ..., "pool": labels
    after the stage}; a stage is finished when "pool" is in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.splits = path / "splits.json"
        self.stages = path / "stages.jsonl"
        self.report = path / "report.html"

    def recorded_splits(self) -> dict[str, str] | None:
        """id -> split as it was when the run began; None where the run has not begun, or an older version began it."""
        return read_object(self.splits) if self.splits.exists() else None

    def checkpoints(self, stage: int) -> Path:
        """Folder of the checkpoints of a stage."""
        return self.path / "checkpoints" / f"stage-{stage:03d}"

    def _state(self, stage: int) -> Path:
        return self.path / "state" / f"stage-{stage:03d}.json"

    def progress(self, stage: int) -> dict[str, Any]:
        """Finished steps of a stage; empty before the first."""
        path = self._state(stage)
        return read_object(path) if path.exists() else {}

    def finish(self, stage: int, **steps: Any) -> dict[str, Any]:
        """Save finished steps to disk; returns all finished steps of the stage."""
        progress = self.progress(stage) | steps
        write_atomic(self._state(stage), json.dumps(progress, indent=1, allow_nan=False))
        return progress

    def rows(self) -> tuple[dict[str, Any], ...]:
        """The stage rows of stages.jsonl."""
        return read_rows(self.stages)

    def append_row(self, row: Mapping[str, Any]) -> None:
        """Append a stage row unless its stage is there; an incomplete last line is removed first."""
        if any(known["stage"] == row["stage"] for known in self.rows()):
            return
        content = self.stages.read_bytes() if self.stages.exists() else b""
        with naming(self.stages), self.stages.open("ab") as file:
            file.truncate(content.rfind(b"\n") + 1)
            file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
