"""Edits of the files of a run: what one is, the runs that it is tried on, and the touches that edits are made of."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

Touch = Callable[[Path], None]
UNDER = Path("tiny") / "ceal" / "seed-0"
CODES = {"mended": 0, "kept": 0, "refused": 2, "busy": 75}


@dataclass(frozen=True)
class Edit:
    """One edit of a run's folder."""

    name: str
    touch: Touch
    outcome: str
    says: str
    """Pattern of the line on stderr, or of a line on stdout where the run goes on; "" for nothing in particular."""
    of: str = "unfinished"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Tried:
    """What `resume` made of an edited run."""

    code: int
    out: str
    err: str
    rows: list[dict[str, Any]] | None
    """Of stages.jsonl, without times; None where it cannot be read."""
    unchanged: bool
    """Whether every file is as the edit left it."""

    def faults(self, edit: Edit, whole: list[dict[str, Any]]) -> list[str]:
        """What is not as the edit expects; nothing where all is well."""
        found = []
        if self.code != CODES[edit.outcome]:
            found.append(f"exit code {self.code}")
        if "Traceback" in self.out + self.err:
            found.append("a traceback")
        goes_on = self.code == 0
        if goes_on and self.rows != whole:
            found.append("other rows")
        if not goes_on and self.err.count("\n") != 1:
            found.append(f"{self.err.count(chr(10))} lines on stderr")
        if not goes_on and not self.unchanged:
            found.append("files have changed")
        if not re.search(edit.says, " ".join((self.out if goes_on else self.err).split())):
            found.append(f"no {edit.says!r} in {(self.out if goes_on else self.err)[-300:]!r}")
        return found


def config(place: Path) -> dict[str, Any]:
    """The config of the runs that are edited."""
    return {
        "name": "tiny",
        "runs_dir": str(place / "runs"),
        "dataset": {"name": "folder", "options": {"root": str(place / "images"), "size": 16}},
        "learner": {"name": "unet", "options": {"widths": [4, 8], "lr": 0.01}},
        "strategy": {"name": "ceal", "options": {"threshold": "quantile", "delta": 0.3, "decay": 0.0}},
        "budget": {"initial": 4, "per_stage": 3, "stages": 3},
        "trainer": {"max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False},
        "loader": {"batch_size": 4},
        "logging": {"wandb": {"mode": "disabled"}},
    }


def build(place: Path) -> dict[str, Path]:
    """Make the finished run, the unfinished one, and one of another seed; returns their folders by name."""
    from omegaconf import OmegaConf
    from polyp_pairs import write_pairs
    from rich.console import Console

    from al_lightning import experiment
    from al_lightning.config import load
    from al_lightning.core.run_folder import RunFolder

    write_pairs(place / "images", [f"f{i:02d}" for i in range(30)], np.random.default_rng(0))
    path = place / "config.yaml"
    path.write_text(OmegaConf.to_yaml(OmegaConf.create(config(place))))
    original = RunFolder.finish

    def stop(self: RunFolder, stage: int, **steps: Any) -> dict[str, Any]:
        if stage == 2 and "row" in steps:
            raise KeyboardInterrupt
        return original(self, stage, **steps)

    found: dict[str, Path] = {}
    for name, seed in (("unfinished", 0), ("other", 1), ("finished", 0)):
        finish = stop if name == "unfinished" else original
        with mock.patch.object(RunFolder, "finish", finish), contextlib.suppress(KeyboardInterrupt):
            experiment.run(load([path], [f"seed={seed}", "budget.stages=3"]), Console(quiet=True))
        if name == "unfinished":
            shutil.copytree(place / "runs" / UNDER, place / name / UNDER)
            experiment.resume(place / "runs" / UNDER, Console(quiet=True))
            found[name] = place / name / UNDER
        elif name == "other":
            found[name] = place / "runs" / UNDER.with_name("seed-1")
        else:
            found[name] = place / "runs" / UNDER
    return found


def without_times(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run but their "seconds"."""
    from al_lightning.core.run_folder import RunFolder

    return [{key: value for key, value in row.items() if key != "seconds"} for row in RunFolder(folder).rows()]


def attempt(edit: Edit, runs: dict[str, Path], place: Path) -> Tried:
    """Copy a run below `place`, edit it, and resume it."""
    from al_lightning.cli import main, resume

    folder = place / UNDER
    shutil.copytree(runs[edit.of], folder)
    edit.touch(folder)
    before = _files(folder)
    out, err = io.StringIO(), io.StringIO()
    # The report, which is no concern of a resume, would take most of the time.
    with mock.patch.object(resume, "write"), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["resume", str(folder)])
    try:
        rows = without_times(folder)
    except ValueError:
        rows = None
    return Tried(code, out.getvalue(), err.getvalue(), rows, before == _files(folder))


def _files(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
    }


def text(file: str, old: str, new: str) -> Touch:
    """Replace a text, which has to be there."""

    def touch(folder: Path) -> None:
        content = (folder / file).read_text()
        assert old in content, f"{file} holds no {old!r}"
        (folder / file).write_text(content.replace(old, new, 1))

    return touch


def raw(file: str, content: bytes) -> Touch:
    """Put bytes in the place of a file."""
    return lambda folder: no_return((folder / file).write_bytes(content))


def tail(file: str, content: bytes) -> Touch:
    """Put bytes behind a file."""
    return lambda folder: no_return((folder / file).write_bytes((folder / file).read_bytes() + content))


def gone(*files: str) -> Touch:
    """Delete files or folders."""

    def touch(folder: Path) -> None:
        for file in files:
            (shutil.rmtree if (folder / file).is_dir() else Path.unlink)(folder / file)  # type: ignore[operator]

    return touch


def as_folder(file: str) -> Touch:
    """A folder in the place of a file."""
    return both(lambda folder: (folder / file).unlink(missing_ok=True), lambda folder: (folder / file).mkdir())


def half(file: str) -> Touch:
    """Cut a file in the middle."""

    def touch(folder: Path) -> None:
        content = (folder / file).read_bytes()
        (folder / file).write_bytes(content[: len(content) // 2])

    return touch


def values(file: str, change: Callable[[Any], object]) -> Touch:
    """Change the values of a JSON file in place, or take what `change` returns."""

    def touch(folder: Path) -> None:
        content = json.loads((folder / file).read_text())
        changed = change(content)
        (folder / file).write_text(json.dumps(content if changed is None else changed, indent=1))

    return touch


def line(number: int, change: Callable[[bytes], bytes]) -> Touch:
    """Change one line of stages.jsonl, which are counted from 1."""

    def touch(folder: Path) -> None:
        lines = (folder / "stages.jsonl").read_bytes().splitlines(keepends=True)
        lines[number - 1] = change(lines[number - 1])
        (folder / "stages.jsonl").write_bytes(b"".join(lines))

    return touch


def row(number: int, change: Callable[[dict[str, Any]], object]) -> Touch:
    """Change the values of one line of stages.jsonl."""

    def apply(old: bytes) -> bytes:
        content = json.loads(old)
        change(content)
        return json.dumps(content).encode() + b"\n"

    return line(number, apply)


def both(*touches: Touch) -> Touch:
    """One edit after the other."""

    def touch(folder: Path) -> None:
        for one in touches:
            one(folder)

    return touch


def copied(source: str, target: str) -> Touch:
    """Copy a file over another."""
    return lambda folder: no_return(shutil.copy(folder / source, folder / target))


def from_other_run(file: str) -> Touch:
    """Put the file of the run of another seed in the place of this one's."""

    def touch(folder: Path) -> None:
        place = next(parent for parent in OTHER if (parent / file).is_file())
        shutil.copy(place / file, folder / file)

    return touch


OTHER: list[Path] = []
"""Folder of the run of another seed, once it is there."""


def older(folder: Path) -> None:
    """As a version before there were digests would have left the run."""
    from older_runs import without_digests

    without_digests(folder)


def no_return(_: object) -> None:
    return None


def swap(entries: list[dict[str, Any]], first: int = 0, second: int = 1) -> None:
    """Exchange the ids of two entries."""
    entries[first]["id"], entries[second]["id"] = entries[second]["id"], entries[first]["id"]


def to_pool(splits: dict[str, str]) -> None:
    """Let a test image be one of the pool."""
    splits[next(name for name, split in splits.items() if split == "test")] = "pool"


def flipped(file: str) -> Touch:
    """Flip one bit in the middle of a file."""

    def touch(folder: Path) -> None:
        (path,) = folder.glob(file)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))

    return touch


def one_pseudo(apply: Callable[[Path], object]) -> Touch:
    """Do something to the first pseudo-label of the unfinished stage."""
    return lambda folder: no_return(apply(sorted((folder / "pseudo" / "stage-002").iterdir())[0]))
