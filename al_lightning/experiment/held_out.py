"""Validation and test images that nobody has annotated yet: a random sample, which people label first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from al_lightning.config import ConfigError
from al_lightning.config.schema import BudgetSection
from al_lightning.data.dataset import SPLITS, DenseDataset
from al_lightning.data.splits import hold_out
from al_lightning.data.top_up import top_up


def held_out(budget: BudgetSection, dataset: DenseDataset, people: bool) -> DenseDataset:
    """The dataset, of which images for validation and test are held out where it has no target, or too few.

    Args:
        budget: says how many.
        dataset: as its loader gives it.
        people: whether the oracle asks people.

    Raises:
        ConfigError: nobody can be asked for targets, or the budget does not fit the dataset.
    """
    wanted = {name: getattr(budget, name) for name in ("validation", "test")}
    groups = dataset.groups or dataset.ids
    if dataset.has_targets:
        named = {name: count for name, count in wanted.items() if count is not None}
        if named and people and None in dataset.targets:
            splits = list(dataset.split_of().values())
            return _with(dataset, top_up(dataset.ids, groups, splits, named))
        for name, count in wanted.items():
            if count is not None:
                raise ConfigError(
                    f"budget.{name}={count}: {dataset.name} has images of its own for {name}; remove the key"
                )
        return dataset
    if not people:
        raise ConfigError(
            f"oracle.name: looks up targets, and {dataset.name} has none; set oracle.name=folder, which asks people"
        )
    for name, count in wanted.items():
        if count is None or count < 1:
            raise ConfigError(
                f"budget.{name}={count}: {dataset.name} has no targets, so that people label images for {name} first; "
                "set their number, such as 50"
            )
    if len(dataset.validation) and len(dataset.test):  # as recorded when the run began
        return dataset
    return _with(dataset, hold_out(dataset.ids, groups, wanted["validation"], wanted["test"]))


def _with(dataset: DenseDataset, splits: Sequence[str]) -> DenseDataset:
    pool, validation, test = (np.flatnonzero(np.array(splits) == split) for split in SPLITS)
    return replace(dataset, pool=pool, validation=validation, test=test)
