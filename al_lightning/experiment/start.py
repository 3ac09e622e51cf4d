"""The labels before the first training, where people give them: those that exist, a test set, and a first selection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.config import CompleteConfig, ConfigError
from al_lightning.core.oracle import Delivery, Request
from al_lightning.core.pool import LabelPool
from al_lightning.core.query import Query
from al_lightning.core.run_folder import RunFolder
from al_lightning.core.seeds import random_stream
from al_lightning.data import DenseDataset
from al_lightning.experiment.first import OnPixels, first_strategy
from al_lightning.experiment.picks import delivery_json, delivery_of, picks_of, query_of
from al_lightning.experiment.setup import Setup, build_dataset
from al_lightning.experiment.steps import common_step, step
from al_lightning.loop import ActiveLearningLoop

EXISTING = "existing"
"""Source of labels that were there before the run."""


def first_labels(setup: Setup, folder: RunFolder, pool: LabelPool, enough: bool) -> Setup:
    """Label the pool as it is before the first training; returns the setup with people's validation and test targets.

    The request, and then what was delivered, are steps "first_asked" and "first_given" of stage 0.

    Args:
        setup: with an oracle that asks people.
        folder: of the run.
        pool: without labels; gets them.
        enough: go on with the labels that are there.

    Raises:
        Waiting: labels are missing.
        ConfigError: nothing is left to train or test with.
    """
    data, root = setup.dataset, folder.path
    existing = [row for row in pool.rows.tolist() if data.targets[row] is not None]
    asked = common_step(folder, 0, "first_asked", lambda: picks_of(first_query(setup, folder, existing), data))
    query = query_of(asked, data)
    given = step(
        folder, 0, "first_given", lambda: delivery_json(_reveal(setup, query, root, existing, enough), data, root)
    )
    delivery = delivery_of(given, data, root)
    take_first(pool, existing, query, delivery)
    changed = with_held_out(data, delivery)
    return setup if changed is data else setup.with_dataset(changed)


def take_first(pool: LabelPool, existing: list[int], query: Query, delivery: Delivery) -> None:
    """Label the pool with what was there and what people were first asked for and gave."""
    pool.commit(Query.of(np.array(existing, dtype=np.int64), EXISTING), 0)
    pool.withdraw(pool.pickable(delivery.withdrawn))
    got = delivery.labelled(query)
    pool.commit(got.subset(~is_held_out(got)), 0, delivery.files)


def first_picks(setup: Setup, folder: RunFolder, loop: ActiveLearningLoop) -> None:
    """Label the initial images that a strategy picks (budget.first), of which the oracle knows the labels."""

    def pick() -> list[dict[str, Any]]:
        return picks_of(cold_start(setup, folder, [], setup.plan.initial), setup.dataset)

    query = query_of(common_step(folder, 0, "first_asked", pick), setup.dataset)
    loop.take(query, 0, loop.reveal(query, 0))


def first_query(setup: Setup, folder: RunFolder, existing: list[int]) -> Query:
    """What people are asked for at the beginning: test and validation images, then as many of the pool as are missing
    to budget.initial."""
    data = setup.dataset
    query = Query.of(np.empty(0, np.int64), "")
    for name in ("test", "validation"):
        rows = np.array([row for row in getattr(data, name) if data.targets[row] is None], dtype=np.int64)
        query += Query.of(rows, name)
    missing = setup.plan.initial - len(existing)
    return query + cold_start(setup, folder, existing, missing) if missing > 0 else query


def cold_start(setup: Setup, folder: RunFolder, existing: list[int], number: int) -> Query:
    """The first images of the pool, picked without a trained learner, as budget.first says."""
    name, config = setup.config.budget.first, setup.config
    pool = LabelPool(setup.dataset.pool, setup.dataset.ids, setup.dataset.size)
    pool.commit(Query.of(np.array(existing, dtype=np.int64), EXISTING), 0)
    if name == "random":
        rows = random_stream(config.seed, 0, "initial").choice(pool.unlabelled, number, replace=False)
        return Query.of(np.sort(rows), "initial")
    strategy = first_strategy(name)
    pretrained = config.learner.options.get("encoder_weights") is not None
    on_pixels = "latent" in strategy.needs and not pretrained
    loop = ActiveLearningLoop(
        pool, OnPixels(strategy) if on_pixels else strategy, per_stage=number, seed=config.seed, cost=setup.cost
    )
    data = setup.data(setup.dataset, pool)
    trainer = setup.trainer(folder, [], 0, loop)
    query, _ = loop.propose(trainer, setup.learner(0), data, ckpt_path=None)
    where = "PCA of the pixels" if on_pixels else "the pretrained encoder" if "latent" in strategy.needs else "images"
    return replace(query, source=tuple(f"initial: {source} on {where}" for source in query.source), pseudo=None)


def _reveal(setup: Setup, query: Query, root: Path, existing: list[int], enough: bool) -> Delivery:
    if not len(query):
        return Delivery()
    delivery = setup.oracle.reveal(Request(query, 0, root))
    got = delivery.labelled(query)
    if len(delivery.waiting):
        lacking = {"test", "validation"} & set(query.source) - set(got.source)
        if not enough or lacking or not (existing or not is_held_out(got).all()):
            raise delivery.wait(query, 0)
    return delivery


def is_held_out(query: Query) -> NDArray[np.bool_]:
    """(B,) whether a pick is for validation or test."""
    return np.isin(np.array(query.source, dtype=object), ("test", "validation"))


def with_held_out(dataset: DenseDataset, delivery: Delivery) -> DenseDataset:
    """The dataset with people's targets for validation and test; images that nobody labelled are in neither.

    Raises:
        ConfigError: nothing is left of one of them.
    """
    parts = {name: getattr(dataset, name).tolist() for name in ("validation", "test")}
    files = {row: Path(delivery.files[row]) for rows in parts.values() for row in rows if row in delivery.files}
    if not files and not any(dataset.targets[row] is None for rows in parts.values() for row in rows):
        return dataset
    data = dataset.with_targets(files)
    kept = {name: np.array([row for row in rows if data.targets[row] is not None]) for name, rows in parts.items()}
    for name, left in kept.items():
        if not len(left):
            raise ConfigError(f"budget.{name}: every image for {name} was withdrawn; start a new run")
    return replace(data, validation=kept["validation"], test=kept["test"])


def dataset_of(folder: RunFolder, config: CompleteConfig) -> DenseDataset:
    """The dataset of a run, with the splits that it recorded when it began and the targets that people gave since."""
    dataset = build_dataset(config, folder.recorded_splits())
    given = folder.progress(0).get("first_given")
    return dataset if given is None else with_held_out(dataset, delivery_of(given, dataset, folder.path))
