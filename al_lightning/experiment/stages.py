"""One stage of an experiment: fit, test, score, select, commit; each step is saved before the next."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers import Logger

from al_lightning.core.learner import learner_of
from al_lightning.core.oracle import asks_people
from al_lightning.core.pool import PSEUDO
from al_lightning.core.run_folder import RunFolder, StageRow, fit_step
from al_lightning.core.seeds import random_stream
from al_lightning.core.stopping import held
from al_lightning.data import PoolDataModule
from al_lightning.experiment import tracking
from al_lightning.experiment.best_weights import load_recorded
from al_lightning.experiment.checkpoints import (
    BEST,
    Restored,
    RunCheckpoints,
    savers,
    unfinished,
)
from al_lightning.experiment.finite import Finite, check_finite, check_results
from al_lightning.experiment.garbage import release
from al_lightning.experiment.guesses import write_guesses
from al_lightning.experiment.leftovers import discard
from al_lightning.experiment.picks import delivery_json, delivery_of, picks_of, query_of, relative, remarks
from al_lightning.experiment.ranks import is_main
from al_lightning.experiment.records import with_digests
from al_lightning.experiment.setup import Setup, unlabelled_batch
from al_lightning.experiment.steps import common_step, step
from al_lightning.learners import Committee
from al_lightning.loop import ActiveLearningLoop, Scorer
from al_lightning.report.plateau import plateau

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """What the stages of a run have in common."""

    setup: Setup
    folder: RunFolder
    loggers: list[Logger]
    loop: ActiveLearningLoop
    data: PoolDataModule
    seen: dict[str, Any]
    """What the stages see of the dataset, to be recorded; see `records.seen`."""
    finished: list[dict[str, Any]]
    """The states of the stages before."""
    enough: bool = False
    """Go on with the labels that people have given so far."""

    def finish(self, stage: int, done: dict[str, Any], **steps: Any) -> dict[str, Any]:
        """Save finished steps; returns `done` with them."""
        if is_main():
            with held():
                self.folder.finish(stage, **with_digests(self.folder, steps), dataset=self.seen)
        return done | steps

    def trainer(self, stage: int, *callbacks: pl.Callback) -> pl.Trainer:
        """A new Trainer with the loop among its callbacks."""
        return self.setup.trainer(self.folder, self.loggers, stage, self.loop, *callbacks)


class Patience(EarlyStopping):
    """Early stopping for resumed trainings: one that had stopped before the interruption is not continued."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True


def run_stage(running: Running, stage: int, done: dict[str, Any]) -> dict[str, Any]:
    """Run the steps of a stage, fit, test, score, select, commit, except those in `done`.

    Afterwards the pool holds the labels of the next stage. Returns all finished steps.
    """
    setup, data, pool = running.setup, running.data, running.loop.pool
    config = setup.config
    labelled, fraction = pool.labelled_equivalent, pool.fraction
    members = []
    for member in range(config.learner.committee.members):
        name = fit_step(member)
        if name not in done:
            done = running.finish(stage, done, **{name: _fit(running, stage, member, done)})
            if is_main():
                discard(_place(running, stage, member))
            release()
        learner = setup.learner(stage, member)
        load_recorded(learner, running.folder, stage, member, done)
        members.append(learner)
    trained: pl.LightningModule = members[0] if len(members) == 1 else Committee(members)
    tested = members[0] if config.learner.committee.tested == "member" else trained
    trainer = running.trainer(stage)
    steps = tracking.steps_before(running.finished, stage) + tracking.trained(done)
    tracking.count_from(running.loggers, steps, int("test" in done))
    if "test" not in done:
        begin = time.perf_counter()
        val = _strip(next(iter(trainer.validate(tested, data, verbose=False)), {}))
        metrics = _strip(trainer.test(tested, data, verbose=False)[0])
        check_results(val, metrics, learner_of(tested).monitor[0], stage)
        done = running.finish(stage, done, test={"seconds": time.perf_counter() - begin, "val": val, "test": metrics})
    cost = setup.cost.cost(pool)
    reached = (
        config.budget.pixels is not None and (cost["pixels"] or 0) / setup.cost.pool_pixels() >= config.budget.pixels
    )
    stop, before = config.budget.stop, [state["row"] for state in running.finished[:stage]]
    flat = plateau([*before, {"test": done["test"]["test"]}], stop.gain, stop.stages)
    # People may have withdrawn what the budget counted on.
    last = reached or flat or stage + 1 == setup.plan.stages or not len(pool.unlabelled)
    selected: list[dict[str, Any]] = []
    seconds = {"score": 0.0, "select": 0.0}
    if not last:
        asked = common_step(running.folder, stage, "asked", lambda: _propose(running, trainer, trained, tested))
        selected, seconds = _acquire(running, stage, asked), asked["seconds"]
    fits = [done[name] for name in done if name.startswith("fit")]
    row: StageRow = {
        "stage": stage,
        "labelled": labelled,
        "fraction": fraction,
        "steps": max((fit["steps"] for fit in fits if "steps" in fit), default=None),
        "cost": cost,
        "val": done["test"]["val"],
        "test": done["test"]["test"],
        "seconds": {"fit": sum(fit["seconds"] for fit in fits), "test": done["test"]["seconds"], **seconds},
        "selected": selected,
    }
    done = running.finish(stage, done, row=row, pool=pool.state(running.folder.path), last=last)
    tracking.log_stage(running.loggers, cast(Mapping[str, Any], row), steps)
    return done


def _propose(
    running: Running, trainer: pl.Trainer, trained: pl.LightningModule, tested: pl.LightningModule
) -> dict[str, Any]:
    """The step "asked", before any label is asked for: picks and pseudo-labels by what the stage has trained, and
    guesses by what it has tested."""
    loop, dataset, root = running.loop, running.setup.dataset, running.folder.path
    query, pseudo = loop.propose(trainer, trained, running.data, ckpt_path=None)
    people = asks_people(running.setup.oracle)
    guesses = write_guesses(loop, query, Scorer(trainer, tested, running.data, None), dataset, root) if people else {}
    return {
        "picks": picks_of(query, dataset),
        "pseudo": {dataset.ids[row]: relative(file, root) for row, file in pseudo.items()},
        "guesses": {dataset.ids[row]: relative(str(file), root) for row, file in guesses.items()},
        "seconds": dict(loop.seconds),
    }


def _acquire(running: Running, stage: int, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The step "given", and its labels in the pool; returns the picks of the stage row."""
    loop, dataset, root = running.loop, running.setup.dataset, running.folder.path
    query = query_of(asked["picks"], dataset)
    row_of = {name: row for row, name in enumerate(dataset.ids)}
    pseudo, guesses = (
        {row_of[name]: root.resolve() / file for name, file in asked[key].items()} for key in ("pseudo", "guesses")
    )

    def reveal() -> dict[str, Any]:
        delivery = loop.reveal(query, stage + 1, guesses, running.enough)
        for line in remarks(delivery, loop.held_out):
            log.warning("stage %d: %s", stage + 1, line)
        return delivery_json(delivery, dataset, root)

    delivery = delivery_of(step(running.folder, stage, "given", reveal), dataset, root)
    got = loop.take(query, stage + 1, delivery, {row: str(file) for row, file in pseudo.items()})
    loop.stage += 1
    selected = picks_of(got, dataset)
    return selected + [{"id": loop.pool.ids[row], "source": PSEUDO, "score": None} for row in loop.pool.pseudo]


def _fit(running: Running, stage: int, member: int, done: Mapping[str, Any]) -> dict[str, Any]:
    """Train one learner, after its last finished epoch; returns the file of its best weights, the time and the steps.

    Args:
        done: finished steps of the stage.
    """
    setup, folder, loop, data = running.setup, running.folder, running.loop, running.data
    config = setup.config
    learner = setup.learner(stage, member)
    if config.learner.restart == "finetune" and stage > 0:
        load_recorded(learner, folder, stage - 1, member, folder.progress(stage - 1))
    loop.member = data.member = member
    data.train_rows = None
    committee = config.learner.committee
    # A member that is tested alone trains on all labels, as the networks it is compared with.
    alone = committee.tested == "member" and member == 0
    if committee.members > 1 and committee.bootstrap and not alone:
        rng = random_stream(config.seed, stage, f"bootstrap {member}")
        data.train_rows = rng.choice(loop.pool.trainable, len(loop.pool.trainable), replace=True)
    contract = learner_of(learner)
    data.unlabelled_batch = unlabelled_batch(config, learner, stage)
    monitor, mode = contract.monitor
    place = _place(running, stage, member)
    best, last = savers(place, monitor, mode)
    steps = tracking.Steps(running.loggers, tracking.steps_before(running.finished, stage) + tracking.trained(done))
    callbacks: list[pl.Callback] = [Restored(), Finite(stage, member), best, last, steps]
    if config.learner.patience is not None:
        callbacks.append(Patience(monitor, patience=config.learner.patience, mode=mode, check_finite=False))
    trainer = running.trainer(stage, *callbacks)
    checkpoints = cast(RunCheckpoints, trainer.strategy.checkpoint_io)
    before = unfinished(folder.path, place, repair=is_main())
    begin = time.perf_counter()
    try:
        trainer.fit(learner, data, ckpt_path=before and str(before), weights_only=True)
    except Exception as error:
        if (refused := checkpoints.refused(error, learner)) is None:
            raise
        raise refused from error
    check_finite(trainer, learner, stage, member)
    file = Path(best.best_model_path)
    if not best.best_model_path:
        # No validation ran: trainer.limit_val_batches=0, check_val_every_n_epoch above the epochs, or a stage that
        # ended within its first epoch (max_steps, max_time).
        file = place / BEST
        trainer.save_checkpoint(file, weights_only=True)
        log.warning("stage %d: no validation ran, so that the weights at the end of the training are tested", stage)
    checkpoint = file.resolve().relative_to(folder.path.resolve()).as_posix()
    return {
        "seconds": time.perf_counter() - begin,
        "checkpoint": checkpoint,
        # Other ranks know only that of the checkpoint which they resumed from.
        "digest": checkpoints.digest(file) if is_main() else None,
        "steps": steps.count,
    }


def _place(running: Running, stage: int, member: int) -> Path:
    """Folder of the checkpoints of one learner."""
    members = running.setup.config.learner.committee.members
    return running.folder.checkpoints(stage) / (f"member-{member}" if members > 1 else "")


def _strip(values: Mapping[str, float]) -> dict[str, float | None]:
    """{"test/miou": 0.7, ...} -> {"miou": 0.7, ...}; None for values that are not finite, which JSON does not have."""
    found = {name.split("/", 1)[1]: float(value) for name, value in values.items()}
    return {name: value if math.isfinite(value) else None for name, value in found.items()}
