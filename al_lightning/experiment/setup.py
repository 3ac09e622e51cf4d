"""Builds what a config names and checks that it fits together, before any training."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias, cast

import numpy as np
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from pytorch_lightning.loggers import Logger

from al_lightning.config import CompleteConfig, Config, ConfigError, validate
from al_lightning.config.options import build, options_of
from al_lightning.config.values import interpolations
from al_lightning.core.learner import learner_of, set_mc_passes
from al_lightning.core.oracle import Oracle, asks_people
from al_lightning.core.pool import LabelPool
from al_lightning.core.run_folder import RunFolder
from al_lightning.core.seeds import torch_seed
from al_lightning.core.strategy import Plan, RegionStrategy, Strategy, asks_for_regions, planned
from al_lightning.cost.annotation import AnnotationCost
from al_lightning.data import DATASETS, Cache, DenseDataset, PoolDataModule
from al_lightning.data.building import build_section
from al_lightning.data.files import natural
from al_lightning.experiment.checks import check_paths, check_trainer
from al_lightning.experiment.first import first_strategy
from al_lightning.experiment.held_out import held_out
from al_lightning.experiment.trainers import make_trainer, trainer_options
from al_lightning.learners import LEARNERS, Committee
from al_lightning.loop import check_measure, check_needs
from al_lightning.oracles import ORACLES
from al_lightning.strategies import STRATEGIES
from al_lightning.strategies.spread import Spread

NESTED: dict[type, Mapping[str, Callable[..., Any]]] = {Strategy: STRATEGIES}
Fit: TypeAlias = Callable[[CompleteConfig, int], CompleteConfig]
"""(config, images of the pool) -> the config with a budget that the pool has."""
FEW = 2
"""Stochastic passes where one image or batch is tried; more show nothing more."""
PROVIDED = ("target_file", "dataset")
"""Parameters that an oracle gets from the dataset; all others are its options."""
OF_LEARNER = ("task", "size")
"""Parameters that a learner gets from the dataset; all others are its options."""


@dataclass(frozen=True)
class Setup:
    """The objects that a config names, after the check that they fit together."""

    config: CompleteConfig
    dataset: DenseDataset
    strategy: Strategy | RegionStrategy
    oracle: Oracle
    plan: Plan
    spread: Spread | None = None

    @cached_property
    def cache(self) -> Cache:
        """The dataset's images, which are decoded when this is first used."""
        return Cache(self.dataset, self.config.loader.cache)

    @cached_property
    def cost(self) -> AnnotationCost:
        """The cost of labels."""
        return AnnotationCost(self.cache, self.config.budget.clicks)

    def with_dataset(self, dataset: DenseDataset) -> Setup:
        """The same with other targets or splits of the same images; those that were decoded are kept."""
        changed = replace(self, dataset=dataset, oracle=build_oracle(self.config, dataset))
        if "cache" in vars(self):
            vars(changed)["cache"] = self.cache.with_targets(dataset)
        return changed

    def data(self, dataset: DenseDataset, pool: LabelPool) -> PoolDataModule:
        """The loaders over a pool, as the config says."""
        return pool_data(self.config, dataset, pool, self.cache)

    def learner(self, stage: int, member: int = 0) -> pl.LightningModule:
        """A learner with initial weights, which are the same for all strategies with one seed, stage and member."""
        return build_learner(self.config, self.dataset, stage, member)

    def trainer(self, folder: RunFolder, loggers: list[Logger], stage: int, *callbacks: pl.Callback) -> pl.Trainer:
        """A new Trainer with the arguments of the config."""
        return make_trainer(self.config, folder.path, loggers, stage, *callbacks)


def complete(config: Config) -> CompleteConfig:
    """The config with the defaults of all options filled in; names, options and types are checked.

    Raises:
        ConfigError: one line that names the key, its value and what was expected.
    """
    validate(config)
    given = cast(Config, OmegaConf.to_object(config) if OmegaConf.is_config(config) else config)
    kept = interpolations(config)
    full = CompleteConfig(**(vars(given) | {"interpolated": kept}))
    full.dataset.options = options_of("dataset", DATASETS, given.dataset.name, given.dataset.options)
    full.learner.options = options_of("learner", LEARNERS, given.learner.name, given.learner.options, OF_LEARNER)
    section = full.learner
    if section.epoch == "longest" and section.name in LEARNERS.builtin() and not section.options.get("discrepancy"):
        section.epoch = "labelled"  # the same, and no difference between this config and one saved before the key
    full.strategy.options = options_of("strategy", STRATEGIES, given.strategy.name, given.strategy.options, (), NESTED)
    full.oracle.options = options_of("oracle", ORACLES, given.oracle.name, given.oracle.options, PROVIDED)
    check_trainer(trainer_options(full), trainer_types())
    check_paths(full)
    return full


def trainer_types() -> dict[str, Any]:
    """Parameter of Lightning's Trainer -> its type."""
    known = inspect.signature(pl.Trainer.__init__).parameters
    hints = typing.get_type_hints(inspect.unwrap(pl.Trainer.__init__))
    return {name: hints.get(name, Any) for name in known if name != "self"}


def prepare(
    config: CompleteConfig,
    splits: Mapping[str, str] | None = None,
    note: Callable[[str], None] | None = None,
    fit: Fit | None = None,
) -> Setup:
    """Build the objects that a config names, and check them against the data and each other.

    Args:
        splits: id -> split, as an earlier start of the run recorded them; images that are new since join the pool.
        note: takes each line that the loader has to say of the data, before anything can be refused.
        fit: gives the config another budget where the pool is smaller than its own.

    Raises:
        ConfigError, DataError, FileNotFoundError: they do not fit; the message is one line.
    """
    dataset = build_dataset(config, splits)
    if note is not None:
        for line in dataset.notes:
            note(line)
    strategy = build("strategy", STRATEGIES, config.strategy.name, config.strategy.options, {}, NESTED)
    if config.budget.first != "random":
        first_strategy(config.budget.first)
    dataset = held_out(config.budget, dataset, asks_people(build_oracle(config, dataset)))
    oracle = build_oracle(config, dataset)
    people = asks_people(oracle)
    try:
        plan = plan_of(config, strategy, dataset, people)
    except ConfigError:
        if fit is None:
            raise
        config = fit(config, len(dataset.pool))
        plan = plan_of(config, strategy, dataset, people)
        if note is not None:
            sizes = f"{plan.initial} + {plan.per_stage} x {plan.stages - 1}"
            note(f"budget {sizes} instead, as the pool has {len(dataset.pool)} images")
    if asks_for_regions(strategy) and dataset.task.kind == "depth":
        raise ConfigError(
            f"strategy.name={config.strategy.name}: asks for regions, which a depth task such as {dataset.name} cannot "
            "learn from; take a strategy of whole images"
        )
    try:
        learner = build_learner(config, dataset)
        set_mc_passes(learner, min(config.learner.mc_passes, FEW))
        if config.learner.committee.members > 1:
            learner = Committee([learner] * 2)
        check_needs(strategy, learner)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from None
    try:
        check_measure(strategy, learner, dataset.size)
    except ValueError as error:
        raise ConfigError(f"strategy.name={config.strategy.name}: {error}") from None
    return Setup(config, dataset, strategy, oracle, plan, spread_of(config, dataset, strategy))


def spread_of(config: CompleteConfig, dataset: DenseDataset, strategy: Strategy | RegionStrategy) -> Spread | None:
    """The limits of what a stage may pick of a group, where the config sets some.

    Raises:
        ConfigError: the dataset has no groups, or the strategy asks for regions.
    """
    per_group, apart = config.budget.per_group, config.budget.apart
    if per_group is None and apart == 1:
        return None
    key = f"budget.per_group={per_group}" if per_group is not None else f"budget.apart={apart}"
    if asks_for_regions(strategy):
        raise ConfigError(f"{key}: for strategies of whole images, and {config.strategy.name} asks for regions")
    if not dataset.groups or len(set(dataset.groups)) == len(dataset.groups):
        raise ConfigError(
            f"{key}: {dataset.name} has no groups (patients, videos); name them with dataset.options.groups, or a "
            "column group of a CSV"
        )
    frames = np.empty(len(dataset.ids), np.int64)
    seen: dict[str, int] = {}
    for row in sorted(range(len(dataset.ids)), key=lambda row: natural(dataset.ids[row])):
        frames[row] = seen.get(dataset.groups[row], 0)
        seen[dataset.groups[row]] = int(frames[row]) + 1
    return Spread.of(dataset.groups, frames.tolist(), per_group, apart)


def pool_data(config: CompleteConfig, dataset: DenseDataset, pool: LabelPool, cache: Cache) -> PoolDataModule:
    """The loaders over a pool, as the config says."""
    loader, learner = config.loader, config.learner
    training = (config.seed, learner.augment, learner.epoch)
    return PoolDataModule(dataset, pool, loader.batch_size, loader.workers, cache, *training)


def unlabelled_batch(config: CompleteConfig, learner: pl.LightningModule, stage: int) -> int | None:
    """Batch size of unlabelled images beside the labelled ones; None where the learner gets none at this stage."""
    wanted = learner_of(learner).wants_unlabelled and stage >= config.learner.unlabelled_from
    return config.loader.batch_size if wanted else None


def build_oracle(config: CompleteConfig, dataset: DenseDataset) -> Oracle:
    """The oracle that a config names."""
    provided = {"target_file": dataset.target_file, "dataset": dataset}
    oracle: Oracle = build("oracle", ORACLES, config.oracle.name, config.oracle.options, provided)
    return oracle


def build_dataset(config: Config, splits: Mapping[str, str] | None = None) -> DenseDataset:
    """The dataset that a config names.

    Args:
        splits: as of `prepare`.

    Raises:
        ConfigError, DataError, FileNotFoundError: an option or the data are invalid; the message is one line.
    """
    dataset = build_section(config.dataset)
    asked = config.budget.test is not None or config.budget.validation is not None
    return dataset if splits is None else dataset.with_splits(splits, asked)


def build_learner(
    config: CompleteConfig, dataset: DenseDataset, stage: int = 0, member: int = 0, mc_passes: int | None = None
) -> pl.LightningModule:
    """A learner with initial weights, which are the same for all strategies with one seed, stage and member.

    Args:
        config: names the learner.
        dataset: gives its task and size.
        stage, member: for the random stream of the weights.
        mc_passes: instead of that of the config.

    Raises:
        ConfigError: an option is out of range, or the object is no learner; the message names it.
    """
    torch.manual_seed(torch_seed(config.seed, stage, f"weights {member}"))
    section = config.learner
    provided = {"task": dataset.task, "size": dataset.size}
    learner: pl.LightningModule = build("learner", LEARNERS, section.name, section.options, provided)
    try:
        learner_of(learner)
        set_mc_passes(learner, section.mc_passes if mc_passes is None else mc_passes)
    except ValueError as error:
        raise ConfigError(f"learner {section.name}: {error}") from None
    return learner


def plan_of(
    config: CompleteConfig, strategy: Strategy | RegionStrategy, dataset: DenseDataset, people: bool = False
) -> Plan:
    """The budget of the config, or what the strategy's `plan` makes of it.

    Args:
        config: has the budget.
        strategy: may change it.
        dataset: its pool limits the budget.
        people: whether the oracle asks people, so that images with a target are labelled before the first training.

    Raises:
        ConfigError: the pool is smaller than the budget.
    """
    budget, size = config.budget, len(dataset.pool)
    existing = sum(dataset.targets[row] is not None for row in dataset.pool.tolist()) if people else 0
    plan = planned(strategy, Plan(max(budget.initial, existing), budget.per_stage, budget.stages), size)
    if plan.initial > size:
        raise ConfigError(f"budget.initial={plan.initial}: the pool of {dataset.name} has only {size} images")
    reachable = 1 + -(-(size - plan.initial) // plan.per_stage)
    if plan.stages > reachable:
        raise ConfigError(
            f"budget.stages={plan.stages}: {plan.initial} + {plan.stages - 1} x {plan.per_stage} images "
            f"are more than the pool of {dataset.name} has ({size}); at most {reachable} stages"
        )
    return plan
