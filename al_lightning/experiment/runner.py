"""`run` and `resume` an experiment, stage by stage."""

from __future__ import annotations

import hashlib
import json
import logging
import shlex
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from rich.console import Console

from al_lightning.config import CompleteConfig, Config, ConfigError, difference, from_saved, plain, to_yaml
from al_lightning.core.oracle import asks_people
from al_lightning.core.pool import LabelPool
from al_lightning.core.run_folder import RunFolder, write_atomic
from al_lightning.core.waiting import Waiting
from al_lightning.data import PoolDataModule
from al_lightning.experiment import tracking
from al_lightning.experiment.environment import environment
from al_lightning.experiment.probe import probe
from al_lightning.experiment.setup import Setup, complete, prepare
from al_lightning.experiment.stages import Running, run_stage
from al_lightning.experiment.start import first_labels, first_picks
from al_lightning.experiment.steps import is_main
from al_lightning.loop import ActiveLearningLoop


def run_folder(config: Config) -> RunFolder:
    """The folder of a run: <runs_dir>/<name>/<strategy>/seed-<seed>."""
    # Not all systems allow a colon in the name of a folder.
    strategy = config.strategy.name.replace(":", ".")
    return RunFolder(Path(config.runs_dir) / config.name / strategy / f"seed-{config.seed}")


def resume(path: Path, console: Console | None = None, enough: bool = False) -> RunFolder:
    """Continue a run after its last finished step; a complete run is only reported as such.

    Args:
        path: folder of the run.
        console: as of `run`.
        enough: go on with the labels that people have given so far; what is missing stays in the pool.

    Raises:
        Waiting: labels are missing.
        FileNotFoundError: the folder holds no run.
    """
    saved = RunFolder(path).config
    if not saved.is_file():
        raise FileNotFoundError(f"{path}: holds no config.yaml; name a folder such as runs/demo/random/seed-0")
    return run(from_saved(saved), console, RunFolder(path), enough)


def run(
    config: Config, console: Console | None = None, folder: RunFolder | None = None, enough: bool = False
) -> RunFolder:
    """Run an experiment, or continue it where its folder holds an unfinished run of the same config.

    Args:
        config: the result of `load` or of `complete`.
        console: for one line of output per stage; the terminal by default.
        folder: of the run; `run_folder(config)` by default.
        enough: as of `resume`.

    Raises:
        Waiting: the oracle asks people, and labels are missing.
        ConfigError: the config is invalid, or differs from the one saved in the run's folder.
        DataError, FileNotFoundError: the data are invalid or missing.
    """
    console = console or Console()
    full = config if isinstance(config, CompleteConfig) else complete(config)
    folder = folder or run_folder(full)
    begun = folder.config.is_file()
    # Completed too, so that options that a later version has added do not count as differences.
    if begun and (lines := difference(plain(complete(from_saved(folder.config))), plain(full))):
        raise ConfigError(
            f"{folder.path} holds a run of another config ({'; '.join(lines)}); "
            "choose another name, seed or runs_dir, or remove the folder"
        )
    if finished := _finished(folder):
        for done in finished:
            folder.append_row(done["row"])
        console.print(f"{folder.path}: complete, {len(finished)} stages", soft_wrap=True, highlight=False, markup=False)
        return folder
    splits = folder.recorded_splits()
    if begun and splits is None and full.dataset.name == "folder":
        raise ConfigError(
            f"{folder.path}: was begun by a version that drew the splits of a folder otherwise, so that test images "
            "could have been trained on; start a new run under another name"
        )
    setup = prepare(full, splits, partial(_say, console))
    if not begun:
        probe(setup)
    try:
        run_id = _describe(setup, folder)
    except OSError as error:
        raise ConfigError(f"runs_dir={full.runs_dir!r}: {folder.path}: {error.strerror or error}") from error
    quiet = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = quiet.level
    quiet.setLevel(logging.WARNING)
    loggers = tracking.make_loggers(full, folder.path, run_id)
    try:
        _stages(setup, folder, loggers, console, enough)
    except Waiting as waiting:
        waiting.add(f"then: al-lightning resume {shlex.quote(str(folder.path))}")
        raise
    finally:
        tracking.close(loggers)
        quiet.setLevel(level)
    return folder


def _finished(folder: RunFolder) -> list[dict[str, Any]]:
    """The states of all stages of a complete run; empty for an incomplete one."""
    done: list[dict[str, Any]] = []
    while "pool" in (state := folder.progress(len(done))):
        done.append(state)
        if state.get("last"):
            return done
    return []


def _stages(setup: Setup, folder: RunFolder, loggers: list[Logger], console: Console, enough: bool) -> None:
    config, dataset = setup.config, setup.dataset
    pool = LabelPool(dataset.pool, dataset.ids, dataset.size)
    people = asks_people(setup.oracle)
    if people:
        setup = first_labels(setup, folder, pool, enough)
        dataset = setup.dataset
    loop = ActiveLearningLoop(
        pool, setup.strategy, setup.oracle, setup.plan.per_stage, config.seed, setup.cost, folder.path
    )
    if people:
        held_out = [*dataset.validation.tolist(), *dataset.test.tolist()]
        loop.held_out = {row: str(dataset.targets[row]) for row in held_out}
    loader = config.loader
    data = PoolDataModule(
        dataset, pool, loader.batch_size, loader.workers, setup.cache, config.seed, config.learner.augment
    )
    running = Running(setup, folder, loggers, loop, data, enough)
    _say(console, f"{folder.path}: {_sizes(setup)}")
    # Images that have joined since the run began can be picked, and are not among the initial ones.
    recorded = folder.recorded_splits() or dataset.split_of()
    first = pool.rows[[recorded.get(dataset.ids[row]) == "pool" for row in pool.rows.tolist()]]
    if not people and config.budget.first == "random":
        loop.start(min(setup.plan.initial, len(first)), first)
    elif not people:
        first_picks(setup, folder, loop)
    for stage in range(setup.plan.stages):
        done = folder.progress(stage)
        loop.stage = data.stage = stage
        if "pool" in done:
            pool.restore(done["pool"], folder.path)
        else:
            done = run_stage(running, stage, done)
        if is_main():
            folder.append_row(done["row"])
        _say(console, stage_line(done["row"], header=stage == 0))
        if done.get("last"):
            break


def stage_line(row: Mapping[str, Any], header: bool = False) -> str:
    """A stage row as a line for the terminal, after a line of titles where `header` is set.

    Example:
        >>> seconds = {"fit": 8.0, "test": 1.0, "score": 0.5, "select": 0.1}
        >>> row = {"stage": 0, "labelled": 20, "fraction": 0.1, "test": {"miou": 0.75}, "seconds": seconds}
        >>> stage_line(row).split()
        ['0', '20', '10.0', '%', '75.00', '8.0', '1.0', '0.5', '0.1']
    """
    names = [name for name in ("miou", "iou", "dice", "rmse_cm", "mae_cm") if name in row["test"]]
    metrics = "".join(f"{_figure(name, row['test'][name]):>9}" for name in names)
    times = "".join(f"{row['seconds'][step]:>9.1f}" for step in ("fit", "test", "score", "select"))
    line = f"{row['stage']:>5}{row['labelled']:>10}{100 * row['fraction']:>9.1f} %{metrics}{times}"
    if not header:
        return line
    titles = {"miou": "mIoU %", "iou": "IoU %", "dice": "Dice %", "rmse_cm": "RMSE cm", "mae_cm": "MAE cm"}
    head = "".join(f"{titles[name]:>9}" for name in names)
    steps = "".join(f"{step + ' s':>9}" for step in ("fit", "test", "score", "select"))
    return f"{'stage':>5}{'labelled':>10}{'of pool':>11}{head}{steps}\n{line}"


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if name.endswith("cm") else f"{100 * value:.2f}"


def _say(console: Console, text: str) -> None:
    if is_main():
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _sizes(setup: Setup) -> str:
    data = setup.dataset
    splits = f"pool {len(data.pool)}, validation {len(data.validation)}, test {len(data.test)}"
    return f"{data.name} ({data.protocol}), {splits}, {data.size[0]} x {data.size[1]} pixels"


def _describe(setup: Setup, folder: RunFolder) -> str:
    """Write environment.json, splits.json and config.yaml unless they exist; returns the id of the W&B run."""
    run_id = hashlib.sha256(str(folder.path.resolve()).encode()).hexdigest()[:12]
    if not is_main():
        return run_id
    if folder.config.is_file():  # the last one that is written
        return str(json.loads(folder.environment.read_text(encoding="utf-8"))["wandb_id"])
    run_id = hashlib.sha256(f"{folder.path.resolve()} {time.time_ns()}".encode()).hexdigest()[:12]
    write_atomic(folder.environment, json.dumps(environment(setup) | {"wandb_id": run_id}, indent=1))
    write_atomic(folder.splits, json.dumps(setup.dataset.split_of(), indent=0, ensure_ascii=False))
    write_atomic(folder.config, to_yaml(setup.config))
    return run_id
