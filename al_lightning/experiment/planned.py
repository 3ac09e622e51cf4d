"""How many optimiser steps the stages of a run train, before any of them is trained."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from al_lightning.config import Config
from al_lightning.core.strategy import asks_for_regions
from al_lightning.data.epochs import epoch_batches
from al_lightning.experiment.setup import Setup, unlabelled_batch
from al_lightning.experiment.trainers import trainer_options
from al_lightning.report.text import steps_text, tested_text


def planned_steps(setup: Setup, trainer: pl.Trainer) -> list[int]:
    """Steps of each stage, as many as can be told: those of the first alone where regions are asked for.

    Images that a strategy pseudo-labels are not known before, and early stopping (learner.patience, trainer.max_time)
    takes fewer. Empty where nothing but the time, or steps of several optimisers, end a stage.

    Args:
        setup: of the run.
        trainer: with the arguments of the config.
    """
    config, plan, pool = setup.config, setup.plan, len(setup.dataset.pool)
    learner = setup.learner(0)
    limits = {key: trainer_options(config).get(key) or -1 for key in ("max_epochs", "max_steps")}
    found = []
    for stage in range(1 if asks_for_regions(setup.strategy) else plan.stages):
        labelled = min(plan.initial + stage * plan.per_stage, pool)
        both, size = unlabelled_batch(config, learner, stage), config.loader.batch_size
        batches = epoch_batches(config.learner.epoch, labelled, labelled, pool, size, trainer.world_size, both)
        each = -(-_limited(batches, trainer.limit_train_batches) // trainer.accumulate_grad_batches)
        epochs = config.learner.initial_epochs if stage == 0 else None
        epochs = limits["max_epochs"] if epochs is None else epochs
        most = limits["max_steps"]
        if epochs < 0 and (most < 0 or not learner.automatic_optimization):
            return []
        steps = each * epochs if epochs >= 0 else most
        found.append(min(steps, most) if most >= 0 and learner.automatic_optimization else steps)
    return found


def _limited(batches: int, limit: Any) -> int:
    """Batches under trainer.limit_train_batches: a number of them, or a fraction."""
    if limit is None:
        return batches
    return int(batches * limit) if isinstance(limit, float) else min(batches, limit)


def training_line(setup: Setup, trainer: pl.Trainer) -> str:
    """`a stage trains 24, 48, 72 steps (12 epochs, each a pass over the labelled images)`; "" where it is not known."""
    steps, learner, options = planned_steps(setup, trainer), setup.config.learner, trainer_options(setup.config)
    if not steps:
        return ""
    sooner = "at most " if learner.patience is not None or options.get("max_time") is not None else ""
    who = "stage 0" if asks_for_regions(setup.strategy) else "a stage"
    if (members := learner.committee.members) > 1:
        who += f" trains each of {members} networks for"
    else:
        who += " trains"
    epochs = options.get("max_epochs")
    numbers = list(dict.fromkeys(str(one) for one in (learner.initial_epochs, epochs) if one not in (None, -1)))
    passes = {"longest": "the longer of the labelled and unlabelled images that it trains on"}
    over = passes.get(learner.epoch, f"the {learner.epoch} images")
    how = f" ({', then '.join(numbers)} epochs, each a pass over {over})" if numbers else ""
    return f"{who} {sooner}{steps_text(steps)}{how}"


def tested_line(config: Config) -> str:
    """`tested: one network of the committee of 4`; "" without a committee."""
    committee = config.learner.committee
    return f"tested: {tested_text(committee.members, committee.tested)}" if committee.members > 1 else ""
