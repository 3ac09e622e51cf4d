"""From a config to parts that fit each other: everything that can be wrong is said here, before any training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import Logger

from al_lightning.config import Config, ConfigError, nearest, plain, validate
from al_lightning.data import DATASETS, Cache, DenseDataset
from al_lightning.data.effort import Effort
from al_lightning.learners import LEARNERS, Committee, Learner
from al_lightning.loop import check_needs
from al_lightning.options import build, options_of
from al_lightning.oracles import ORACLES, Oracle
from al_lightning.pool import torch_seed
from al_lightning.storage import RunFolder
from al_lightning.strategies import STRATEGIES, Full, asks_for_regions
from al_lightning.types import Strategy

NESTED: dict[type, Mapping[str, Callable[..., Any]]] = {Strategy: STRATEGIES}
OURS = ("callbacks", "logger", "default_root_dir", "fast_dev_run")
"""Arguments of the Trainer that the experiment itself sets."""


@dataclass(frozen=True)
class Setup:
    """Everything that a config names, built and checked against each other before any training."""

    config: Config
    dataset: DenseDataset
    cache: Cache
    strategy: Strategy
    oracle: Oracle
    effort: Effort

    @property
    def initial(self) -> int:
        """Images labelled before the first training."""
        return len(self.dataset.pool) if isinstance(self.strategy, Full) else self.config.budget.initial

    @property
    def pool_pixels(self) -> int:
        """Pixels of all images of the pool at their own size: what budget.pixels is a share of."""
        return sum(self.cache.pixels(row) for row in self.dataset.pool.tolist())

    def learner(self, stage: int, member: int = 0) -> Learner:
        """A learner with fresh weights, the same for every strategy under one seed, stage and member."""
        torch.manual_seed(torch_seed(self.config.seed, stage, f"weights {member}"))
        section = self.config.learner
        provided = {"task": self.dataset.task, "size": self.dataset.size, "mc_passes": section.mc_passes}
        return build("learner", LEARNERS, section.name, section.options, provided)

    def trainer(self, folder: RunFolder, loggers: list[Logger], stage: int, *callbacks: pl.Callback) -> pl.Trainer:
        """A fresh Trainer with the config's arguments."""
        options: dict[str, Any] = {"enable_model_summary": False} | dict(plain(self.config)["trainer"])
        if stage == 0 and self.config.learner.initial_epochs is not None:
            options["max_epochs"] = self.config.learner.initial_epochs
        if not any(isinstance(callback, ModelCheckpoint) for callback in callbacks):
            options["enable_checkpointing"] = False
        try:
            return pl.Trainer(
                **options, logger=loggers or False, callbacks=list(callbacks), default_root_dir=folder.path
            )
        except Exception as error:
            raise ConfigError(f"trainer: {error}") from error


def complete(config: Config) -> Config:
    """The config with the defaults of every chosen part spelled out; checks names, options and types."""
    validate(config)
    full = cast(Config, OmegaConf.structured(OmegaConf.to_object(cast(Any, config))))
    full.dataset.options = options_of("dataset", DATASETS, config.dataset.name, config.dataset.options)
    full.learner.options = options_of(
        "learner", LEARNERS, config.learner.name, config.learner.options, ("task", "size", "mc_passes")
    )
    full.strategy.options = options_of(
        "strategy", STRATEGIES, config.strategy.name, config.strategy.options, (), NESTED
    )
    full.oracle.options = options_of("oracle", ORACLES, config.oracle.name, config.oracle.options, ("target_file",))
    known = [key for key in pl.Trainer.__init__.__annotations__ if key not in (*OURS, "return")]
    for key in config.trainer:
        if key not in known:
            raise ConfigError(f"trainer.{key}: not an argument to set here{nearest(key, known)}")
    if not any(config.trainer.get(key) is not None for key in ("max_epochs", "max_steps", "max_time")):
        raise ConfigError("trainer.max_epochs: no value given; set the number of epochs of a stage")
    return full


def prepare(config: Config) -> Setup:
    """Build all parts and check what only the data can tell.

    Raises:
        ConfigError, DataError, FileNotFoundError: with one clear message.
    """
    config = complete(config)
    dataset = build("dataset", DATASETS, config.dataset.name, config.dataset.options)
    budget, size = config.budget, len(dataset.pool)
    if stages_of(config) > 1 and budget.initial > size:
        raise ConfigError(f"budget.initial={budget.initial}: the pool of {dataset.name} has only {size} images")
    reachable = 1 + -(-(size - budget.initial) // budget.per_stage)
    if stages_of(config) > reachable:
        raise ConfigError(
            f"budget.stages={budget.stages}: {budget.initial} + {budget.stages - 1} x {budget.per_stage} images "
            f"are more than the pool of {dataset.name} has ({size}); at most {reachable} stages"
        )
    strategy = build("strategy", STRATEGIES, config.strategy.name, config.strategy.options, {}, NESTED)
    provided = {"target_file": dataset.target_file}
    oracle = build("oracle", ORACLES, config.oracle.name, config.oracle.options, provided)
    if asks_for_regions(strategy) and dataset.task.kind == "depth":
        raise ConfigError(
            f"strategy.name={config.strategy.name}: asks for regions, which a depth task such as {dataset.name} cannot "
            "learn from; take a strategy of whole images"
        )
    setup = Setup(config, dataset, cast(Any, None), strategy, oracle, cast(Any, None))
    try:
        learner: pl.LightningModule = setup.learner(0)
        if config.learner.committee.members > 1:
            learner = Committee([setup.learner(0)] * 2)
        check_needs(strategy, learner)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from None
    cache = Cache(dataset, config.loader.cache)
    return Setup(config, dataset, cache, strategy, oracle, Effort(cache, budget.clicks))


def stages_of(config: Config) -> int:
    """Rows of the curve: with full supervision there is one."""
    return 1 if STRATEGIES[config.strategy.name] is Full else config.budget.stages
