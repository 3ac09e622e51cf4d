"""run(config): one experiment, stage by stage, each step durable before the next."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console

from al_lightning import tracking
from al_lightning.assemble import Setup, complete, prepare, stages_of
from al_lightning.config import Config, ConfigError, difference, from_saved, plain, to_yaml
from al_lightning.data import DenseDataset, PoolDataModule
from al_lightning.environment import environment
from al_lightning.learners import Committee
from al_lightning.loop import ActiveLearningLoop, load_weights
from al_lightning.pool import PSEUDO, LabelPool, random_stream
from al_lightning.storage import RunFolder, fit_step, write_atomic
from al_lightning.types import Query, StageRow


@dataclass(frozen=True)
class Running:
    """What the stages of a run share."""

    setup: Setup
    folder: RunFolder
    loggers: list[Logger]
    loop: ActiveLearningLoop
    data: PoolDataModule

    def finish(self, stage: int, done: dict[str, Any], **steps: Any) -> dict[str, Any]:
        """Make steps durable; returns `done` with them."""
        if is_main():
            self.folder.finish(stage, **steps)
        return done | steps

    def trainer(self, stage: int, *callbacks: pl.Callback) -> pl.Trainer:
        """A fresh Trainer that the loop watches."""
        return self.setup.trainer(self.folder, self.loggers, stage, self.loop, *callbacks)


class Patience(EarlyStopping):
    """Early stopping that a resumed training remembers: one that was over before the kill is not taken up again."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True


def is_main() -> bool:
    """Whether this process is the first of its ranks, the one that writes."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


def run_folder(config: Config) -> RunFolder:
    """runs/<experiment>/<strategy>/seed-<k>."""
    return RunFolder(Path(config.runs_dir) / config.name / config.strategy.name / f"seed-{config.seed}")


def resume(path: Path, console: Console | None = None) -> RunFolder:
    """Go on with a run from its last finished step, or say that it is complete.

    Raises:
        FileNotFoundError: the folder holds no run.
    """
    saved = RunFolder(path).config
    if not saved.is_file():
        raise FileNotFoundError(f"{path}: holds no config.yaml; name a folder such as runs/demo/random/seed-0")
    return run(from_saved(saved), console, RunFolder(path))


def run(config: Config, console: Console | None = None, folder: RunFolder | None = None) -> RunFolder:
    """Run an experiment, or go on with it where its folder holds an earlier start of the same config.

    Raises:
        ConfigError: the config is wrong, or differs from the one saved in the run's folder.
        DataError, FileNotFoundError: the data are.
    """
    console = console or Console()
    full = complete(config)
    folder = folder or run_folder(full)
    if folder.config.is_file() and (lines := difference(plain(from_saved(folder.config)), plain(full))):
        raise ConfigError(
            f"{folder.path} holds a run of another config ({'; '.join(lines)}); "
            "choose another name, seed or runs_dir, or remove the folder"
        )
    if finished := _finished(folder, stages_of(full)):
        for done in finished:
            folder.append_row(done["row"])
        console.print(f"{folder.path}: complete, {len(finished)} stages", soft_wrap=True, highlight=False)
        return folder
    setup = prepare(config)
    run_id = _describe(setup, folder)
    quiet = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = quiet.level
    quiet.setLevel(logging.WARNING)
    loggers = tracking.make_loggers(setup.config, folder.path, run_id)
    try:
        _stages(setup, folder, loggers, console)
    finally:
        tracking.close(loggers)
        quiet.setLevel(level)
    return folder


def _finished(folder: RunFolder, stages: int) -> list[dict[str, Any]]:
    """The states of all stages of a complete run; none where stages are still to come."""
    done: list[dict[str, Any]] = []
    while len(done) < stages and "pool" in (state := folder.progress(len(done))):
        done.append(state)
        if state.get("last"):
            return done
    return done if len(done) == stages else []


def _stages(setup: Setup, folder: RunFolder, loggers: list[Logger], console: Console) -> None:
    config, dataset = setup.config, setup.dataset
    pool = LabelPool(dataset.pool, dataset.ids, dataset.size)
    loop = ActiveLearningLoop(pool, setup.strategy, setup.oracle, config.budget.per_stage, config.seed)
    data = PoolDataModule(
        dataset,
        pool,
        config.loader.batch_size,
        config.loader.workers,
        setup.cache,
        config.seed,
        config.learner.augment,
        setup.effort,
    )
    running = Running(setup, folder, loggers, loop, data)
    _say(console, f"{folder.path}: {_sizes(setup)}")
    loop.start(setup.initial)
    for stage in range(stages_of(config)):
        done = folder.progress(stage)
        loop.stage = data.stage = stage
        if "pool" not in done:
            done = _stage(running, stage, done)
        if is_main():
            folder.append_row(done["row"])
        pool.restore(done["pool"], folder.path)
        _say(console, stage_line(done["row"], header=stage == 0))
        if done.get("last"):
            break


def _stage(running: Running, stage: int, done: dict[str, Any]) -> dict[str, Any]:
    """fit, test, score, select, commit; what `done` holds is not done again."""
    setup, data, pool = running.setup, running.data, running.loop.pool
    config = setup.config
    labelled, fraction = pool.worth, pool.fraction
    members = []
    for member in range(config.learner.committee.members):
        step = fit_step(member)
        if step not in done:
            done = running.finish(stage, done, **{step: _fit(running, stage, member)})
        learner = setup.learner(stage, member)
        load_weights(learner, running.folder.path / done[step]["checkpoint"])
        members.append(learner)
    trained: pl.LightningModule = members[0] if len(members) == 1 else Committee(members)
    trainer = running.trainer(stage)
    if "test" not in done:
        begin = time.perf_counter()
        val = _strip(trainer.validate(trained, data, verbose=False)[0])
        metrics = _strip(trainer.test(trained, data, verbose=False)[0])
        done = running.finish(stage, done, test={"seconds": time.perf_counter() - begin, "val": val, "test": metrics})
    cost = data.effort.cost(pool)
    spent = config.budget.pixels is not None and (cost["pixels"] or 0) / setup.pool_pixels >= config.budget.pixels
    last = spent or stage + 1 == stages_of(config)
    selected: list[dict[str, Any]] = []
    seconds = {"score": 0.0, "select": 0.0}
    if not last:
        query = running.loop.acquire(trainer, trained, data, ckpt_path=None)
        seconds = dict(running.loop.seconds)
        selected = _picks(query, setup.dataset)
        selected += [{"id": pool.ids[row], "source": PSEUDO, "score": None} for row in pool.pseudo]
    fits = [done[step]["seconds"] for step in done if step.startswith("fit")]
    row: StageRow = {
        "stage": stage,
        "labelled": labelled,
        "fraction": fraction,
        "cost": cost,
        "val": done["test"]["val"],
        "test": done["test"]["test"],
        "seconds": {"fit": sum(fits), "test": done["test"]["seconds"], **seconds},
        "selected": selected,
    }
    done = running.finish(stage, done, row=row, pool=pool.state(running.folder.path), last=last)
    tracking.log_stage(running.loggers, cast(Mapping[str, Any], row))
    if is_main():
        for file in running.folder.checkpoints(stage).rglob("last.ckpt"):
            file.unlink()
    return done


def _picks(query: Query, dataset: DenseDataset) -> list[dict[str, Any]]:
    """What a row says of its picks: id, source and score, and the box where regions were asked for."""
    scores = [None if math.isnan(score) else score for score in query.score.tolist()]
    picks: list[dict[str, Any]] = [
        {"id": dataset.ids[row], "source": source, "score": score}
        for row, source, score in zip(query.rows.tolist(), query.source, scores, strict=True)
    ]
    if query.boxes is not None:
        for pick, box in zip(picks, query.boxes.tolist(), strict=True):
            pick["box"] = box if any(box) else [0, 0, *dataset.size]
    return picks


def _fit(running: Running, stage: int, member: int) -> dict[str, Any]:
    """Train one learner from its last finished epoch on; where its best weights are, and how long it took."""
    setup, folder, loop, data = running.setup, running.folder, running.loop, running.data
    config = setup.config
    learner = setup.learner(stage, member)
    if config.learner.restart == "finetune" and stage > 0:
        before = folder.progress(stage - 1)[fit_step(member)]
        load_weights(learner, folder.path / before["checkpoint"])
    loop.member = data.member = member
    data.train_rows = None
    if config.learner.committee.members > 1 and config.learner.committee.bootstrap:
        rng = random_stream(config.seed, stage, f"bootstrap {member}")
        data.train_rows = rng.choice(loop.pool.trainable, len(loop.pool.trainable), replace=True)
    data.unlabelled_batch = config.loader.batch_size if learner.wants_unlabelled else None
    monitor, mode = learner.monitor
    place = folder.checkpoints(stage) / (f"member-{member}" if config.learner.committee.members > 1 else "")
    best = ModelCheckpoint(place, "best", monitor, mode=mode, save_weights_only=True, enable_version_counter=False)
    last = ModelCheckpoint(place, "last", enable_version_counter=False)
    callbacks: list[pl.Callback] = [best, last]
    if config.learner.patience is not None:
        callbacks.append(Patience(monitor, patience=config.learner.patience, mode=mode, check_finite=False))
    trainer = running.trainer(stage, *callbacks)
    unfinished = place / "last.ckpt"
    begin = time.perf_counter()
    trainer.fit(learner, data, ckpt_path=str(unfinished) if unfinished.is_file() else None, weights_only=False)
    if trainer.interrupted:
        raise KeyboardInterrupt
    checkpoint = Path(best.best_model_path).resolve().relative_to(folder.path.resolve()).as_posix()
    return {"seconds": time.perf_counter() - begin, "checkpoint": checkpoint}


def stage_line(row: Mapping[str, Any], header: bool = False) -> str:
    """One line a stage for the terminal."""
    names = [name for name in ("miou", "iou", "dice", "rmse_cm", "mae_cm") if name in row["test"]]
    metrics = "".join(
        f"{row['test'][name]:>9.3f}" if name.endswith("cm") else f"{100 * row['test'][name]:>9.2f}" for name in names
    )
    times = "".join(f"{row['seconds'][part]:>9.1f}" for part in ("fit", "test", "score", "select"))
    line = f"{row['stage']:>5}{row['labelled']:>10}{100 * row['fraction']:>9.1f} %{metrics}{times}"
    if not header:
        return line
    titles = {"miou": "mIoU %", "iou": "IoU %", "dice": "Dice %", "rmse_cm": "RMSE cm", "mae_cm": "MAE cm"}
    head = "".join(f"{titles[name]:>9}" for name in names)
    parts = "".join(f"{part + ' s':>9}" for part in ("fit", "test", "score", "select"))
    return f"{'stage':>5}{'labelled':>10}{'of pool':>11}{head}{parts}\n{line}"


def _strip(values: Mapping[str, float]) -> dict[str, float]:
    return {name.split("/", 1)[1]: float(value) for name, value in values.items()}


def _say(console: Console, text: str) -> None:
    if is_main():
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _sizes(setup: Setup) -> str:
    data = setup.dataset
    parts = f"pool {len(data.pool)}, validation {len(data.validation)}, test {len(data.test)}"
    return f"{data.name} ({data.protocol}), {parts}, {data.size[0]} x {data.size[1]} pixels"


def _describe(setup: Setup, folder: RunFolder) -> str:
    """Write config.yaml and environment.json unless they are there; returns the id of the W&B run."""
    run_id = hashlib.sha256(str(folder.path.resolve()).encode()).hexdigest()[:12]
    if not is_main():
        return run_id
    if folder.environment.is_file():
        return str(json.loads(folder.environment.read_text(encoding="utf-8"))["wandb_id"])
    run_id = hashlib.sha256(f"{folder.path.resolve()} {time.time_ns()}".encode()).hexdigest()[:12]
    write_atomic(folder.environment, json.dumps(environment(setup) | {"wandb_id": run_id}, indent=1))
    write_atomic(folder.config, to_yaml(setup.config))
    return run_id


__all__ = ["Setup", "complete", "prepare", "resume", "run", "run_folder", "stage_line"]
