"""The folder of a run: files are written so that a run that is killed at any moment leaves a readable state."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from al_lightning.core.digest import digest
from al_lightning.core.files import naming, write_atomic
from al_lightning.core.json_files import expect, read_json
from al_lightning.core.manifest import read_manifest
from al_lightning.core.stage_rows import StageRow, lines, read_rows, text_of
from al_lightning.core.state_files import read_state, seal, steps_of

_STATE = re.compile(r"stage-(\d{3,})\.json")


def fit_step(member: int) -> str:
    """Name of the step of a stage that trains one learner: "fit", and "fit-1", "fit-2", ... for a committee.

    Example:
        >>> fit_step(0), fit_step(2)
        ('fit', 'fit-2')
    """
    return "fit" if member == 0 else f"fit-{member}"


def inside(root: Path, name: object, source: Path) -> Path:
    """The file that `source` names relative to the run's folder.

    Raises:
        ValueError: it is not the name of a file inside that folder.
    """
    if not isinstance(name, str) or not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{source}: {name!r} is no file inside the run's folder; put it back from a copy of the run")
    return root / name


class RunFolder:
    """runs/<experiment>/<strategy>/seed-<k>: config.yaml, environment.json, splits.json, manifest.json, stages.jsonl,
    state/, checkpoints/.

    state/stage-<k>.json holds the finished steps of stage k: {"fit": ..., "test": ..., "row": ..., "pool": labels
    after the stage}; a stage is finished when "pool" is in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.splits = path / "splits.json"
        self.manifest = path / "manifest.json"
        self.stages = path / "stages.jsonl"
        self.report = path / "report.html"

    def recorded_splits(self) -> dict[str, str] | None:
        """id -> split as it was when the run began; None where the run has not begun, or an older version began it.

        Raises:
            ValueError: the file is damaged.
        """
        if not self.splits.exists():
            return None
        splits = read_json(self.splits)
        expect(splits, {"*": str}, str(self.splits))
        return dict(splits)

    def checkpoints(self, stage: int) -> Path:
        """Folder of the checkpoints of a stage."""
        return self.path / "checkpoints" / f"stage-{stage:03d}"

    def state(self, stage: int) -> Path:
        """The file of a stage's finished steps."""
        return self.path / "state" / f"stage-{stage:03d}.json"

    def begun_stages(self) -> list[int]:
        """Ascending numbers of the stages that have a state file.

        Raises:
            ValueError: state/ is not a folder.
        """
        place = self.path / "state"
        if not place.exists():
            return []
        if not place.is_dir():
            raise ValueError(f"{place}: expected a folder, found a file; put it back from a copy, or start a new run")
        return sorted(int(found[1]) for entry in place.iterdir() if (found := _STATE.fullmatch(entry.name)))

    def progress(self, stage: int) -> dict[str, Any]:
        """Finished steps of a stage; empty before the first.

        Raises:
            ValueError: the file is damaged, or of a newer format.
        """
        return steps_of(read_state(self.state(stage)))

    def finish(self, stage: int, **steps: Any) -> dict[str, Any]:
        """Save finished steps to disk, with digests of them and of the file before; returns all finished steps of the
        stage."""
        progress = self.progress(stage) | steps
        begun_with = self._begun_with
        before = read_state(self.state(stage - 1)) if stage else begun_with.get("manifest")
        content = seal(progress, digest(before) if before else None, begun_with.get("config"))
        write_atomic(self.state(stage), json.dumps(content, indent=1, allow_nan=False))
        return progress

    @cached_property
    def _begun_with(self) -> dict[str, Any]:
        """The content of the manifest, and the digest of the config in it."""
        manifest = read_manifest(self.manifest)
        return {} if manifest is None else {"manifest": manifest.content(), "config": digest(dict(manifest.config))}

    def rows(self) -> tuple[dict[str, Any], ...]:
        """The stage rows of stages.jsonl."""
        return read_rows(self.stages)

    def append_row(self, row: Mapping[str, Any]) -> None:
        """Append a stage row unless its stage is there; an incomplete last line is removed first, and one that only
        lacks its newline gets it."""
        known, damaged = lines(self.stages)
        if any(other["stage"] == row["stage"] for _, other in known):
            return
        if damaged:
            write_atomic(self.stages, text_of([other for _, other in known]))
        with naming(self.stages), self.stages.open("ab") as file:
            file.write(text_of([row]).encode())
            file.flush()
            os.fsync(file.fileno())


__all__ = ["RunFolder", "StageRow", "fit_step", "inside", "read_rows"]
