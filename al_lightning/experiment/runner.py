"""`run` and `resume` an experiment, stage by stage."""

from __future__ import annotations

import hashlib
import logging
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from rich.console import Console

from al_lightning.config import CompleteConfig, Config, ConfigError, changes, from_saved, to_yaml
from al_lightning.core import stopping
from al_lightning.core.files import resumable, storage_error
from al_lightning.core.json_files import read_json
from al_lightning.core.oracle import asks_people
from al_lightning.core.pool import LabelPool
from al_lightning.core.run_folder import RunFolder
from al_lightning.core.run_lock import owned
from al_lightning.core.stopping import held, interruptible
from al_lightning.core.waiting import Waiting
from al_lightning.experiment import tracking
from al_lightning.experiment.environment import environment
from al_lightning.experiment.garbage import only_new, release
from al_lightning.experiment.integrity import check_run
from al_lightning.experiment.leftovers import clear_leftovers
from al_lightning.experiment.lines import sizes, stage_line, step_size
from al_lightning.experiment.orphans import follow_launcher
from al_lightning.experiment.planned import tested_line, training_line
from al_lightning.experiment.probe import probe
from al_lightning.experiment.ranks import is_main
from al_lightning.experiment.records import begin, check_seen, seen
from al_lightning.experiment.setup import Fit, Setup, complete, prepare
from al_lightning.experiment.stages import Running, run_stage
from al_lightning.experiment.start import first_labels, first_picks
from al_lightning.loop import ActiveLearningLoop
from al_lightning.report.outlook import said


def run_folder(config: Config) -> RunFolder:
    """The folder of a run: <runs_dir>/<name>/<strategy>/seed-<seed>."""
    # Not all systems allow a colon in the name of a folder.
    strategy = config.strategy.name.replace(":", ".")
    return RunFolder(Path(config.runs_dir) / config.name / strategy / f"seed-{config.seed}")


def resume(path: Path, console: Console | None = None, take_over: bool = False, enough: bool = False) -> RunFolder:
    """Continue a run after its last finished step; a complete run is only reported as such.

    Args:
        path: folder of the run.
        console, take_over: as of `run`.
        enough: go on with the labels that people have given so far; what is missing stays in the pool.

    Raises:
        Waiting: labels are missing.
        FileNotFoundError: the folder holds no run.
        ValueError: as of `run`.
    """
    folder = RunFolder(path)
    if not folder.config.is_file() and not folder.manifest.is_file():
        raise FileNotFoundError(f"{path}: holds no config.yaml; name a folder such as runs/demo/random/seed-0")
    with interruptible(), _owned(folder, take_over, console := console or Console()):
        _check(folder, console)
        return _go_on(complete(from_saved(folder.config)), console, folder, begun=True, enough=enough)


def run(
    config: Config,
    console: Console | None = None,
    folder: RunFolder | None = None,
    take_over: bool = False,
    fit: Fit | None = None,
    enough: bool = False,
) -> RunFolder:
    """Run an experiment, or continue it where its folder holds an unfinished run of the same config.

    Args:
        config: the result of `load` or of `complete`.
        console: for one line of output per stage; the terminal by default.
        folder: of the run; `run_folder(config)` by default.
        take_over: go on although a process may work on the run that cannot be looked at from here.
        fit: of a run that begins, gives the config another budget where the pool is smaller than its own.
        enough: as of `resume`.

    Raises:
        Waiting: the oracle asks people, and labels are missing.
        ConfigError: the config is invalid, or differs from the one saved in the run's folder.
        DataError, FileNotFoundError: the data are invalid or missing.
        RunInUse: another process works on the run.
        ValueError: a file of the run was touched; the message names it.
        KeyboardInterrupt: after SIGINT.
        SystemExit: after SIGTERM, SIGUSR1 or SIGHUP, with the code 128 + the signal's number.
    """
    with interruptible():
        return _run(config, console or Console(), folder, take_over, fit, enough)


def _run(
    config: Config, console: Console, folder: RunFolder | None, take_over: bool, fit: Fit | None, enough: bool
) -> RunFolder:
    full = config if isinstance(config, CompleteConfig) else complete(config)
    folder = folder or run_folder(full)
    with _owned(folder, take_over, console):
        begun = folder.config.exists() or bool(folder.begun_stages())
        if begun:
            _check(folder, console)
        return _go_on(full, console, folder, begun, fit, enough)


@contextmanager
def _owned(folder: RunFolder, take_over: bool, console: Console) -> Iterator[None]:
    """Hold the lock of the run; the first rank holds it for all. A signal says from now on how the run goes on."""
    follow_launcher()
    stopping.advise(folder.path, folder.config.is_file, is_main())
    with ExitStack() as stack:
        try:
            stack.enter_context(owned(folder.path, take_over, partial(_say, console), wanted=is_main()))
        except OSError as error:
            raise ConfigError(
                f"runs_dir={str(folder.path.parents[2])!r}: {folder.path}: {error.strerror or error}"
            ) from error
        yield


def _check(folder: RunFolder, console: Console) -> None:
    for note in check_run(folder, write=is_main()):
        _say(console, note)


def _go_on(
    full: CompleteConfig,
    console: Console,
    folder: RunFolder,
    begun: bool,
    fit: Fit | None = None,
    enough: bool = False,
) -> RunFolder:
    # Completed too, so that options that a later version has added do not count as differences.
    if begun and (lines := changes(complete(from_saved(folder.config)), full)):
        raise ConfigError(
            f"{folder.path} holds a run of another config ({'; '.join(lines)}); "
            f"choose another name, seed or runs_dir, remove the folder, or go on as it began: al-lightning resume "
            f"{shlex.quote(str(folder.path))}"
        )
    finished = _finished(folder)
    if finished and finished[-1].get("last"):
        _log_late(full, folder, finished)
        console.print(f"{folder.path}: complete, {len(finished)} stages", soft_wrap=True, highlight=False, markup=False)
        return folder
    splits = folder.recorded_splits()
    if begun and splits is None and full.dataset.name == "folder":
        raise ConfigError(
            f"{folder.path}: was begun by a version that drew the splits of a folder otherwise, so that test images "
            "could have been trained on; start a new run under another name"
        )
    setup = prepare(full, splits, partial(_say, console), None if begun else fit)
    full = setup.config
    if begun:
        check_seen(folder, setup.dataset)
    else:
        probe(setup)
    try:
        run_id = _describe(setup, folder)
    except OSError as error:
        if storage_error(error):
            raise
        raise ConfigError(f"runs_dir={full.runs_dir!r}: {folder.path}: {error.strerror or error}") from error
    quiet = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = quiet.level
    quiet.setLevel(logging.WARNING)
    with resumable(folder.path):
        loggers = tracking.make_loggers(full, folder.path, run_id)
        try:
            tracking.log_finished(loggers, finished)
            with only_new():
                _stages(setup, folder, loggers, console, finished, enough)
        except Waiting as waiting:
            waiting.add(f"then: al-lightning resume {shlex.quote(str(folder.path))}")
            raise
        finally:
            tracking.close(loggers, folder.path, len(finished))
            quiet.setLevel(level)
    return folder


def _finished(folder: RunFolder) -> list[dict[str, Any]]:
    """The states of the stages that are finished."""
    done: list[dict[str, Any]] = []
    while "pool" in (state := folder.progress(len(done))):
        done.append(state)
        if state.get("last"):
            break
    return done


def _log_late(config: Config, folder: RunFolder, finished: list[dict[str, Any]]) -> None:
    """Log what the loggers of a complete run lack, because its process was killed before they had written it."""
    if not is_main() or "steps" not in finished[0]["fit"] or tracking.taken(folder.path) >= len(finished):
        return
    run_id = str(read_json(folder.environment)["wandb_id"])
    loggers = tracking.make_loggers(config, folder.path, run_id)
    try:
        tracking.log_finished(loggers, finished)
    finally:
        tracking.close(loggers, folder.path, len(finished))


def _opening(running: Running) -> list[str]:
    """What a run says before its first stage; the Trainer that is asked for it does not outlive this."""
    setup, trainer = running.setup, running.trainer(0)
    first = f"{running.folder.path}: {sizes(setup)}{step_size(trainer, setup.config.loader.batch_size)}"
    return [line for line in (first, training_line(setup, trainer), tested_line(setup.config)) if line]


def _stages(
    setup: Setup,
    folder: RunFolder,
    loggers: list[Logger],
    console: Console,
    finished: list[dict[str, Any]],
    enough: bool,
) -> None:
    """Run the stages that are not in `finished`, which grows."""
    config, dataset = setup.config, setup.dataset
    pool = LabelPool(dataset.pool, dataset.ids, dataset.size)
    people = asks_people(setup.oracle)
    if people:
        setup = first_labels(setup, folder, pool, enough)
        dataset = setup.dataset
    loop = ActiveLearningLoop(
        pool, setup.strategy, setup.oracle, setup.plan.per_stage, config.seed, setup.cost, folder.path
    )
    loop.spread = setup.spread
    if people:
        held_out = [*dataset.validation.tolist(), *dataset.test.tolist()]
        loop.held_out = {row: str(dataset.targets[row]) for row in held_out}
    data = setup.data(dataset, pool)
    recorded = folder.recorded_splits()
    running = Running(setup, folder, loggers, loop, data, seen(dataset, recorded), finished, enough)
    if is_main():
        clear_leftovers(folder)
    for line in _opening(running):
        _say(console, line)
    # Images that have joined since the run began can be picked, and are not among the initial ones.
    recorded = recorded or dataset.split_of()
    first = pool.rows[[recorded.get(dataset.ids[row]) == "pool" for row in pool.rows.tolist()]]
    if not people and config.budget.first == "random":
        loop.start(min(setup.plan.initial, len(first)), first)
    elif not people:
        first_picks(setup, folder, loop)
    for stage in range(setup.plan.stages):
        loop.stage = data.stage = stage
        if stage < len(finished):
            done = finished[stage]
            pool.restore(done["pool"], folder.path)
        else:
            done = run_stage(running, stage, folder.progress(stage))
            finished.append(done)
            release()
        if is_main():
            with held():
                folder.append_row(done["row"])
        _say(console, stage_line(done["row"], header=stage == 0))
        rows = [state["row"] for state in finished[: stage + 1]]
        early = stage + 1 < setup.plan.stages
        for line in said(rows, bool(done.get("last")), config.budget.stop if early else None):
            _say(console, f"      {line}")
        if done.get("last"):
            break


def _say(console: Console, text: str) -> None:
    if is_main():
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _describe(setup: Setup, folder: RunFolder) -> str:
    """Write what the run begins with unless it is there; returns the id of the W&B run."""
    run_id = hashlib.sha256(str(folder.path.resolve()).encode()).hexdigest()[:12]
    if not is_main():
        return run_id
    if folder.config.is_file():  # the last one that is written
        return str(read_json(folder.environment)["wandb_id"])
    run_id = hashlib.sha256(f"{folder.path.resolve()} {time.time_ns()}".encode()).hexdigest()[:12]
    described = environment(setup) | {"wandb_id": run_id}  # reads all images: a signal ends it
    with held():
        begin(folder, to_yaml(setup.config), described, setup.dataset.split_of())
    return run_id
