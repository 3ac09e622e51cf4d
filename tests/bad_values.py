"""Every key of a configuration with values that it should refuse, through the program's entry in this process."""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
import resource
import shutil
import signal
import tempfile
import time
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from dataset_trees import TREES
from omegaconf import OmegaConf

from al_lightning.cli.main import main
from al_lightning.config.schema import Config
from al_lightning.data.table import DATASETS
from al_lightning.experiment import setup
from al_lightning.learners.table import LEARNERS
from al_lightning.oracles.table import ORACLES
from al_lightning.strategies.table import STRATEGIES

VALUES: dict[str, Any] = {
    "word": "xyzzy",
    "long": "x" * 5000,
    "empty": "",
    "null": None,
    "true": True,
    "negative": -1,
    "zero": 0,
    "half": 0.5,
    "more than one": 1.5,
    "huge": 10**9,
    "beyond 64 bits": 10**30,
    "large": 1e30,
    "infinite": float("inf"),
    "minus infinite": float("-inf"),
    "nan": float("nan"),
    "no list": [],
    "list": ["a", [1]],
    "numbers": [0, -1],
    "no mapping": {},
    "mapping": {"a": 1},
}
"""Values by name; of each key most are wrong."""
SECONDS = 120
"""A case that takes longer is a failure."""
MEMORY = 6 << 30
"""Bytes that a case may reserve beyond what the process has."""
NEEDED: dict[str, dict[str, Any]] = {
    "vote-entropy": {"learner.committee.members": 2},
    "soft-vote-entropy": {"learner.committee.members": 2},
    "suggestive": {"learner.committee.members": 2},
    "asa": {"learner.committee.members": 2},
    "vaal": {"strategy.options.iterations": 1},
    "mixture": {"strategy.options.uncertain": {"name": "entropy"}, "strategy.options.diverse": {"name": "ta-coreset"}},
}
"""What a strategy cannot do without, beside dropout and several passes."""


@dataclass(frozen=True)
class Base:
    """A config that is accepted as it is."""

    title: str
    config: dict[str, Any]
    keys: tuple[str, ...]
    """The keys to be given bad values."""


@dataclass(frozen=True)
class Outcome:
    """What the program made of one value."""

    code: int | None
    """Of its exit; None where the run was accepted and would begin."""
    told: str
    """Its standard error."""
    seconds: float

    def fault(self, key: str) -> str | None:
        """What is wrong with it; None for a run that begins, and for one line that names the key."""
        if self.seconds > SECONDS:
            return f"took {self.seconds:.0f} s"
        if self.code is None:
            return None
        lines = [line for line in self.told.splitlines() if line.startswith("al-lightning: ")]
        if self.code != 2 or "Traceback" in self.told:
            return f"exit {self.code}: {self.told[-300:]}"
        if len(lines) != 1:
            return f"not one line: {self.told[-300:]}"
        last = key.rpartition(".")[2]
        if not re.search(rf"\b{re.escape(last)}\b", lines[0]):
            return f"does not name {last}: {lines[0][:300]}"
        return None


class Accepted(BaseException):
    """Raised in place of the first stage."""


class Late(BaseException):
    """Raised in a case that takes too long; no exception that anybody handles."""


def schema_keys(section: Any = Config, prefix: str = "") -> Iterator[str]:
    """Every key of the schema, sections included."""
    hints = typing.get_type_hints(section)
    for one in fields(section):
        yield f"{prefix}{one.name}"
        if is_dataclass(hints[one.name]):
            yield from schema_keys(hints[one.name], f"{prefix}{one.name}.")


def option_keys(section: str, table: Mapping[str, Any], name: str, provided: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The options of an entry, as keys."""
    return tuple(f"{section}.options.{key}" for key in inspect.signature(table[name]).parameters if key not in provided)


def bases(folder: Path) -> list[Base]:
    """Every key once: of the schema, of the Trainer, and the options of every entry of the tables."""

    def config(dataset: str = "kvasir", **changes: Any) -> dict[str, Any]:
        tree, root = TREES[dataset], folder / dataset / "set"
        if not root.exists():
            tree.write(root)
            for bare in ("3.JPG",) if dataset == "folder" else ():  # its target is missing, whatever split it is in
                (root / "images" / bare).unlink()
        merged = OmegaConf.create(
            {
                "name": "bad",
                "runs_dir": str(folder / "runs"),
                "dataset": {"name": dataset, "options": {"root": str(root), "size": 32, **tree.options}},
                "learner": {"name": "unet", "options": {"widths": [4, 8], "dropout": 0.1}},
                "strategy": {"name": "random"},
                "budget": {"initial": 2, "per_stage": 1, "stages": 2},
                "trainer": {"max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False},
                "loader": {"batch_size": 2},
                "logging": {"wandb": {"mode": "disabled"}},
            }
        )
        for key, value in changes.items():
            OmegaConf.update(merged, key, value, merge=False)
        plain: Any = OmegaConf.to_container(merged)
        return plain

    found = [
        Base("schema", config(), tuple(schema_keys())),
        Base("trainer", config(), tuple(f"trainer.{key}" for key in setup.trainer_types())),
    ]
    for name in DATASETS:
        found.append(Base(f"dataset {name}", config(name), option_keys("dataset", DATASETS, name)))
    folder_keys = option_keys("dataset", DATASETS, "folder")
    depth = config("colonoscopy-depth")
    frames = folder / "colonoscopy-depth" / "set" / "T1"
    files = {"images": "FrameBuffer_*", "targets": "Depth_*"}
    depth["dataset"] = {"name": "folder", "options": {"root": str(frames), "task": "depth", "size": 32, **files}}
    found.append(Base("dataset folder of depth", depth, folder_keys))
    for name in LEARNERS:
        keys = option_keys("learner", LEARNERS, name, ("task", "size"))
        size = 16 if name == "unet" else 64
        options = {"widths": [4, 8]} if name == "unet" else {}
        found.append(
            Base(
                f"learner {name}",
                config(**{"dataset.options.size": size, "learner.name": name, "learner.options": options}),
                keys,
            )
        )
    for name in STRATEGIES:
        keys = option_keys("strategy", STRATEGIES, name)
        if keys:
            needed = {"strategy.name": name, "learner.mc_passes": 2, **NEEDED.get(name, {})}
            if name == "mc-deviation":
                found.append(Base(f"strategy {name}", config("colonoscopy-depth", **needed), keys))
            else:
                found.append(Base(f"strategy {name}", config(**needed), keys))
    for name in ORACLES:
        keys = option_keys("oracle", ORACLES, name, ("target_file",))
        if keys:
            found.append(Base(f"oracle {name}", config(**{"oracle.name": name}), keys))
    return found


def attempt(config: dict[str, Any], key: str, value: Any, trained: bool = True) -> Outcome:
    """Run with one value, up to the first stage, or only up to the first pass over one batch."""
    until = "_stages" if trained else "probe"
    changed = OmegaConf.create(config)
    layer = OmegaConf.from_dotlist([])
    OmegaConf.update(layer, key, value, merge=False, force_add=True)
    told = io.StringIO()
    begin = time.perf_counter()
    code: int | None = None
    with tempfile.TemporaryDirectory() as place:
        file, other = Path(place) / "config.yaml", Path(place) / "value.yaml"
        file.write_text(OmegaConf.to_yaml(changed))
        other.write_text(OmegaConf.to_yaml(layer))
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()), bounded(), here(place):
            try:
                with mock.patch(f"al_lightning.experiment.runner.{until}", side_effect=Accepted):
                    code = main(["run", str(file), str(other)])
            except Accepted:
                code = None
            except SystemExit as error:
                code = int(error.code or 0)
            except Late as error:
                code, _ = 99, told.write(str(error))
    shutil.rmtree(str(config["runs_dir"]), ignore_errors=True)
    return Outcome(code, told.getvalue(), time.perf_counter() - begin)


@contextlib.contextmanager
def here(folder: str) -> Iterator[None]:
    """In a folder, so that relative paths of bad values leave nothing behind."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """With a limit of memory and of time, where the system has them."""

    def late(number: int, frame: Any) -> None:
        raise Late(f"more than {SECONDS} s")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, 1)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
