"""Small runs of every kind of strategy and learner, and what makes two runs the same."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import processes

UNET: dict[str, Any] = {"name": "unet", "options": {"widths": [4, 8], "lr": 0.01, "dropout": 0.3}, "augment": "flips"}
"""With every draw that a training can make: dropout and flips."""
BASE: dict[str, Any] = {
    "name": "torture",
    "learner": UNET,
    "strategy": {"name": "random"},
    "budget": {"initial": 6, "per_stage": 3, "stages": 3},
    "trainer": {"max_epochs": 3, "accelerator": "cpu", "devices": 1, "enable_progress_bar": False},
    "loader": {"batch_size": 4},
    "logging": {"wandb": {"mode": "disabled"}},
}
KINDS: dict[str, dict[str, Any]] = {
    "random": {},
    "ta-coreset": {"strategy": {"name": "ta-coreset"}},
    "mixture": {"strategy": {"name": "unc-ta-coreset"}},
    "mc-dropout": {"strategy": {"name": "bald"}, "learner": UNET | {"mc_passes": 3}},
    "patience": {"learner": UNET | {"patience": 1}, "trainer": {"max_epochs": 6}},
    "finetune": {"strategy": {"name": "entropy"}, "learner": UNET | {"restart": "finetune", "initial_epochs": 4}},
    "committee": {
        "strategy": {"name": "suggestive"},
        "learner": UNET | {"committee": {"members": 2}},
        "trainer": {"max_epochs": 2},
    },
    "vaal": {"strategy": {"name": "vaal", "options": {"iterations": 3, "multiplier": 0.125, "batch_size": 4}}},
    "ceal": {"strategy": {"name": "ceal", "options": {"delta": 0.6}}},
    "ceal-melanoma": {"strategy": {"name": "ceal-melanoma"}, "learner": UNET | {"mc_passes": 2}},
    "cereals": {
        "strategy": {
            "name": "cereals",
            "options": {"size": 12, "step": 4, "cost_iterations": 4, "cost_multiplier": 0.0625},
        }
    },
    "feature-discrepancy": {
        "strategy": {"name": "uncertainty-clustering"},
        "learner": {**UNET, "options": {**UNET["options"], "discrepancy": 0.1}},
    },
    "pix2pix": {
        "learner": {"name": "pix2pix", "options": {"multiplier": 0.03125, "n_gen": 2, "lr": 0.001}},
        "trainer": {"max_epochs": 2},
    },
    "depth": {"strategy": {"name": "mc-deviation"}, "learner": UNET | {"mc_passes": 2}, "dataset": {"task": "depth"}},
}
"""name -> what differs from BASE; a section replaces that of BASE, except that `trainer` is merged with it."""
WORKERS = (0, 1, 2)
LOGS = ("csv/", "tensorboard/", "wandb/")
"""Folders in a run's folder whose files have other names every time."""
IMAGES = {"size": 32, "render_size": 32, "pool": 24, "validation": 4, "test": 4}


@dataclass(frozen=True)
class Workload:
    """A run that is tortured."""

    kind: str
    workers: int = 0
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Sections over those of the kind, merged."""

    @property
    def name(self) -> str:
        """For folders and tables."""
        return f"{self.kind}, workers {self.workers}"

    def config(self, runs: Path) -> dict[str, Any]:
        """The configuration, with its runs in this folder."""
        kind = KINDS[self.kind]
        config = json.loads(json.dumps(BASE | {k: v for k, v in kind.items() if k not in ("trainer", "dataset")}))
        config["trainer"] |= kind.get("trainer", {})
        options = {"root": str(data_folder()), **IMAGES, **kind.get("dataset", {})}
        config |= {"runs_dir": str(runs), "dataset": {"name": "synthetic", "options": options}}
        config["loader"]["workers"] = self.workers
        for section, values in self.changes.items():
            config[section] = {**config[section], **values} if isinstance(values, Mapping) else values
        return config

    def run_folder(self, runs: Path) -> Path:
        """Where its files are."""
        config = self.config(runs)
        return runs / config["name"] / config["strategy"]["name"] / "seed-0"

    def write(self, folder: Path) -> list[str]:
        """Write the configuration into a folder; returns the arguments of the program that run it."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "config.yaml"
        file.write_text(json.dumps(self.config(folder / "runs")))  # JSON is YAML
        return ["run", str(file)]


def data_folder() -> Path:
    """Where the rendered images are; the driver sets it once for all of its processes."""
    return Path(os.environ["AL_LIGHTNING_TORTURE_DATA"])


def reference(workload: Workload) -> dict[str, Any]:
    """An uninterrupted run, made once for all processes.

    "seconds" is its wall time, "points" every change of the file system below its folder in order, "record" what
    `record` says of it, "bytes" all that was written, "largest" its largest file, and "pages" what its files take in
    pages of 4096 bytes.

    Raises:
        RuntimeError: it did not end with 0.
    """
    place = Path(os.environ["AL_LIGHTNING_TORTURE"]) / "references" / workload.name.replace(", ", "-").replace(" ", "-")
    if workload.changes:
        place = place.with_name(place.name + "-" + _digest(json.dumps(workload.changes, sort_keys=True).encode())[:8])
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = place / "reference.json"
        if not answer.exists():
            folder = workload.run_folder(place / "runs")
            begin = time.monotonic()
            points = place / "points.txt"
            fault = processes.Fault(folder, count=points, bytes=2**62)
            ended = processes.start(workload.write(place), place, fault).wait()
            if ended.code != 0:
                raise RuntimeError(f"{workload.name}: the uninterrupted run ended with {ended.code}: {ended.said}")
            written, *lines = points.read_text().splitlines()
            sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
            found = {
                "seconds": time.monotonic() - begin,
                "points": lines,
                "record": record(folder),
                "bytes": int(written),
                "largest": max(sizes),
                "pages": sum(-(-size // 4096) for size in sizes) + len(list(folder.rglob("*"))),
            }
            answer.write_text(json.dumps(found))
        return dict(json.loads(answer.read_text()))


def record(folder: Path) -> dict[str, Any]:
    """All that two runs of one configuration have in common: rows, labels, weights, pseudo-labels."""
    import torch

    from al_lightning.core.run_folder import RunFolder

    run = RunFolder(folder)
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in run.rows()]
    states = sorted((folder / "state").glob("stage-*.json"))
    weights = {}
    for file in sorted(folder.rglob("best.ckpt")):
        tensors = torch.load(file, weights_only=True, map_location="cpu")["state_dict"]
        parts = [name.encode() + value.numpy().tobytes() for name, value in sorted(tensors.items())]
        weights[file.relative_to(folder).as_posix()] = _digest(*parts)
    return {
        "files": files_in(folder),
        "rows": rows,
        "pools": {file.name: json.loads(file.read_text()).get("pool") for file in states},
        "weights": weights,
        "pseudo": {
            file.relative_to(folder).as_posix(): _digest(file.read_bytes())
            for file in sorted(folder.glob("pseudo/**/*.npy"))
        },
    }


def files_in(folder: Path) -> list[str]:
    """The files below a folder, as paths relative to it."""
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir())


def ended_well(ended: processes.Ended, folder: Path, wanted: Mapping[str, Any], temporary: Path) -> list[str]:
    """Faults of a run that should have ended as the reference did, and left nothing in TMPDIR and no process."""
    if ended.code != 0:
        return [f"exit code {ended.code} instead of 0: {ended.said.strip()[-300:]}"]
    faults = differences(record(folder), wanted["record"])
    if ended.left:
        faults.append(f"processes left: {ended.left[0]}")
    if temporary.is_dir() and (left := files_in(temporary)):
        faults.append(f"files left in TMPDIR: {', '.join(left[:3])}")
    return faults


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Faults "cause: detail", one for each part of two records that differs."""
    faults = []
    for part, cause in (
        ("rows", "other rows"),
        ("pools", "other labels"),
        ("weights", "other weights"),
        ("pseudo", "other pseudo-labels"),
    ):
        ours, theirs = found[part], wanted[part]
        if json.loads(json.dumps(ours)) == json.loads(json.dumps(theirs)):
            continue
        if part == "rows":
            where = [str(k) for k in range(max(len(ours), len(theirs))) if ours[k : k + 1] != theirs[k : k + 1]]
        else:
            where = [k for k in sorted({*ours, *theirs}) if ours.get(k) != theirs.get(k)]
        faults.append(f"{cause}: {len(ours)} of {len(theirs)}, different: {', '.join(where[:4])}")
    files, expected = (
        {name for name in names if not name.startswith(LOGS)} for names in (found["files"], wanted["files"])
    )
    if more := files - expected:
        faults.append(f"files left in the run's folder: {', '.join(sorted(more)[:3])}")
    if less := expected - files:
        faults.append(f"files missing: {', '.join(sorted(less)[:3])}")
    return faults


def _digest(*parts: bytes) -> str:
    joined = hashlib.sha256()
    for part in parts:
        joined.update(part)
    return joined.hexdigest()
