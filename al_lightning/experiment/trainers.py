"""Lightning's Trainer with the arguments of a config, and what every training of this package adds to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import Logger

from al_lightning.config import Config, ConfigError, plain
from al_lightning.experiment.checkpoints import RunCheckpoints
from al_lightning.experiment.progress import Progress, wanted
from al_lightning.experiment.signals import Guard, guarded


def trainer_options(config: Config) -> dict[str, Any]:
    """The section `trainer` as plain values."""
    return dict(plain(config)["trainer"])


def make_trainer(config: Config, root: Path, loggers: list[Logger], stage: int, *callbacks: pl.Callback) -> pl.Trainer:
    """A new Trainer with the arguments of the config.

    Args:
        config: of a run.
        root: folder that its checkpoints are below, the run's own.
        loggers: none where it is empty.
        stage: the first one may have a number of epochs of its own.
        callbacks: with a ModelCheckpoint among them where there are to be checkpoints.

    Raises:
        ConfigError: Lightning refuses the arguments.
    """
    options: dict[str, Any] = {"enable_model_summary": False} | trainer_options(config)
    if stage == 0 and config.learner.initial_epochs is not None:
        options["max_epochs"] = config.learner.initial_epochs
    if not any(isinstance(callback, ModelCheckpoint) for callback in callbacks):
        options["enable_checkpointing"] = False
    options["enable_progress_bar"] = wanted(options)
    options["plugins"] = [RunCheckpoints(root)]
    if options["enable_progress_bar"]:
        callbacks = (*callbacks, Progress())
    try:
        return guarded(
            pl.Trainer(
                **options,
                logger=loggers or False,
                callbacks=[*callbacks, Guard()],
                default_root_dir=root,
            )
        )
    except Exception as error:
        raise ConfigError(f"trainer: {error}") from error


__all__ = ["make_trainer", "trainer_options"]
