"""A first pass over one batch before anything is written, which shows errors of Lightning, the learner or the machine.

It runs in a temporary folder. Faults that it does not show, because they come later or without an error, are found by
`checks`.
"""

from __future__ import annotations

import inspect
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.accelerators import CPUAccelerator
from pytorch_lightning.plugins import CheckpointIO

from al_lightning.config import ConfigError
from al_lightning.core.checkpoint_file import pack
from al_lightning.core.files import storage_error
from al_lightning.core.learner import learner_of, set_mc_passes
from al_lightning.core.oracle import asks_people
from al_lightning.core.pool import LabelPool
from al_lightning.core.query import Query
from al_lightning.core.seeds import random_stream
from al_lightning.experiment.checkpoints import savers
from al_lightning.experiment.finite import unfinite
from al_lightning.experiment.rehearsal import rehearsal
from al_lightning.experiment.setup import FEW, Setup
from al_lightning.experiment.signals import Guard, guarded
from al_lightning.experiment.trainers import trainer_options
from al_lightning.learners import LEARNERS

SHORT: dict[str, Any] = {"max_epochs": 1, "max_steps": -1, "max_time": None, "check_val_every_n_epoch": 1}
"""Arguments of the Trainer for one epoch; `limit_*_batches` are 1 unless the user set them."""
LIMITS = ("limit_train_batches", "limit_val_batches", "limit_test_batches", "limit_predict_batches")


def probe(setup: Setup) -> None:
    """Train, validate, test and score one batch each with the config's arguments.

    Raises:
        ConfigError: the pass fails; the message has the reason and, where the pass succeeds without one key, this key.
    """
    given = trainer_options(setup.config)
    error = attempt(setup, given)
    if error is None:
        return
    reason = " ".join(str(error).split()) or type(error).__name__
    if (key := culprit(setup, given)) is not None:
        raise ConfigError(f"trainer.{key}={given[key]!r}: {reason}") from error
    if (option := guilty_option(setup, given)) is not None:
        value = setup.config.learner.options[option]
        raise ConfigError(f"learner.options.{option}={value!r}: {reason}") from error
    if isinstance(error, ValueError | FileNotFoundError):
        raise error
    raise ConfigError(
        f"learner.name={setup.config.learner.name}: a first pass over one batch failed ({type(error).__name__}): "
        f"{reason}"
    ) from error


def culprit(setup: Setup, given: Mapping[str, Any]) -> str | None:
    """The key without which the pass succeeds, where one alone does.

    Several ranks search on one device each, because a process group does not survive a failed pass; what fails only
    with several of them is then not found.
    """
    several = torch.distributed.is_available() and torch.distributed.is_initialized()
    alone = {"devices": 1, "strategy": "auto"} if several else {}
    if several and attempt(setup, {**given, **alone}) is None:
        return None
    for key in given:
        if (
            key not in alone
            and attempt(setup, {name: v for name, v in {**given, **alone}.items() if name != key}) is None
        ):
            return key
    return None


def guilty_option(setup: Setup, given: Mapping[str, Any]) -> str | None:
    """The option of the learner with whose default the pass succeeds, where one alone does; on one device only."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return None
    section = setup.config.learner
    for key, parameter in inspect.signature(LEARNERS[section.name]).parameters.items():
        value, default = section.options.get(key), parameter.default
        if key not in section.options or default is inspect.Parameter.empty or _equal(value, default):
            continue
        changed = replace(section, options={**section.options, key: default})
        config = replace(setup.config, learner=changed)
        if attempt(replace(setup, config=config), given) is None:
            return key
    return None


def _equal(value: Any, default: Any) -> bool:
    """Whether an option has its default; a YAML file has lists for tuples."""
    return bool(value == (list(default) if isinstance(default, tuple) else default))


def attempt(setup: Setup, options: Mapping[str, Any]) -> Exception | None:
    """One pass with these arguments of the Trainer; returns its error, or None."""
    with tempfile.TemporaryDirectory(prefix="al-lightning-") as folder, quiet():
        try:
            one_pass(setup, options, Path(folder))
        except Exception as error:
            if not isinstance(error, ValueError) and (found := storage_error(error)):
                raise OSError(found.errno, found.strerror, found.filename or folder) from error
            return error
    return None


def one_pass(setup: Setup, options: Mapping[str, Any], folder: Path) -> None:
    """Fit, validate, test and predict one batch with the initial labels of the run."""
    if asks_people(setup.oracle):
        setup = rehearsal(setup, folder)
    config, dataset = setup.config, setup.dataset
    pool = LabelPool(dataset.pool, dataset.ids, dataset.size)
    rows = random_stream(config.seed, 0, "initial").choice(pool.rows, setup.plan.initial, replace=False)
    pool.commit(Query.of(rows, "initial"), 0)
    learner = setup.learner(0)
    if config.learner.mc_passes > FEW:
        set_mc_passes(learner, FEW)
    contract = learner_of(learner)
    data = setup.data(dataset, pool)
    data.unlabelled_batch = config.loader.batch_size if contract.wants_unlabelled else None
    data.predict_rows = pool.rows[: config.loader.batch_size]
    monitor, mode = contract.monitor
    limits = {name: 1 for name in LIMITS if name not in options}
    if "val_check_interval" in options:
        del limits["limit_train_batches"]  # Lightning compares the two
    pl.Trainer(**options, logger=False, default_root_dir=folder)  # what SHORT replaces is read here
    trainer = guarded(
        pl.Trainer(
            **{**options, **SHORT, **limits, "enable_progress_bar": False, "enable_model_summary": False},
            logger=False,
            callbacks=[*savers(folder, monitor, mode), Guard()],
            plugins=[Unwritten()],
            default_root_dir=folder,
        )
    )
    if options.get("sync_batchnorm") and trainer.world_size > 1 and isinstance(trainer.accelerator, CPUAccelerator):
        raise ConfigError("trainer.sync_batchnorm=True: PyTorch has it for GPUs alone, and the ranks are on CPUs")
    trainer.fit(learner, data)
    tested = trainer.test(learner, data, verbose=False)
    if not tested or not tested[0]:
        raise ValueError("no batch of the test set was scored, so that a stage would have no result")
    trainer.predict(learner, datamodule=data, return_predictions=False)
    if (bad := unfinite(learner)) is not None:
        raise ValueError(f"after one batch {bad} is not finite: the training diverges; lower learner.options.lr")


class Unwritten(CheckpointIO):
    """Checks that a checkpoint can be written and read back, and writes none."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Raises CheckpointError where it holds more than tensors and plain values."""
        pack(checkpoint)

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        raise FileNotFoundError(f"{path}: a first pass writes no checkpoint")

    def remove_checkpoint(self, path: str | Path) -> None:
        """Nothing is there."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without messages of Lightning, which would otherwise appear twice."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
