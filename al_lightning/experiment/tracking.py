"""Loggers of a run: Weights & Biases (offline unless logged in), CSV, TensorBoard."""

from __future__ import annotations

import logging
import netrc
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import wandb
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from al_lightning.config import Config, ConfigError, written

log = logging.getLogger(__name__)


class TolerantWandbLogger(WandbLogger):
    """A WandbLogger whose errors are warnings, because all results are in stages.jsonl."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        try:
            super().log_metrics(metrics, step)
        except Exception as error:
            log.warning("W&B did not accept the metrics (%s); they are in stages.jsonl", error)


def wandb_mode(wanted: str) -> str:
    """auto -> online when there is an API key, else offline; other modes are returned unchanged.

    Example:
        >>> wandb_mode("disabled")
        'disabled'
    """
    if wanted != "auto":
        return wanted
    if os.environ.get("WANDB_MODE"):
        return os.environ["WANDB_MODE"]
    if os.environ.get("WANDB_API_KEY"):
        return "online"
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        known = netrc.netrc(os.environ.get("NETRC") or Path.home() / ".netrc").authenticators(host)
    except (OSError, netrc.NetrcParseError):
        known = None
    return "online" if known else "offline"


def make_loggers(config: Config, folder: Path, run_id: str) -> list[Logger]:
    """The loggers of the config; all stages of a run are one W&B run.

    Raises:
        ConfigError: TensorBoard is configured but not installed.
    """
    loggers: list[Logger] = []
    section = config.logging
    mode = wandb_mode(section.wandb.mode)
    if mode != "disabled":
        logger = _wandb(config, folder, run_id, mode)
        if logger is not None:
            loggers.append(logger)
    if section.csv:
        loggers.append(CSVLogger(folder, name="csv", version=""))
    if section.tensorboard:
        try:
            loggers.append(TensorBoardLogger(folder, name="tensorboard", version=""))
        except ModuleNotFoundError:
            raise ConfigError(
                "logging.tensorboard=True: tensorboard is not installed; pip install tensorboard, or set it to false"
            ) from None
    return loggers


def log_stage(loggers: Sequence[Logger], row: Mapping[str, Any]) -> None:
    """Log a stage row as a point of curves over the number of labels: stage/labelled, stage/miou, ..."""
    values: dict[str, float] = {"stage/labelled": row["labelled"], "stage/fraction": row["fraction"]}
    for prefix, found in (("stage/", row["test"]), ("stage/val_", row["val"])):
        values |= {f"{prefix}{name}": value for name, value in found.items() if value is not None}
    values |= {f"stage/cost_{name}": value for name, value in row["cost"].items() if value is not None}
    values |= {f"stage/seconds_{name}": value for name, value in row["seconds"].items()}
    for logger in loggers:
        logger.log_metrics(values, None if isinstance(logger, WandbLogger) else row["labelled"])


def close(loggers: Sequence[Logger]) -> None:
    """Finish all loggers."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            try:
                wandb.finish()
            except Exception as error:
                log.warning("W&B did not end cleanly (%s)", error)
        else:
            logger.finalize("success")


def _wandb(config: Config, folder: Path, run_id: str, mode: str) -> WandbLogger | None:
    quiet = wandb.Settings(console="off", silent=True, quiet=True, x_disable_stats=True)
    names = [config.dataset.name, config.strategy.name, config.learner.name]
    try:
        wandb.setup(settings=quiet)
        logger = TolerantWandbLogger(
            name=f"{config.name}/{folder.parent.name}/{folder.name}",
            save_dir=folder,
            id=run_id,
            resume="allow",
            project=config.logging.wandb.project,
            entity=config.logging.wandb.entity,
            group=config.name,
            tags=[*names, *config.logging.wandb.tags],
            config=written(config),
            mode=mode,
            settings=quiet,
        )
        logger.experiment.define_metric("stage/labelled", hidden=True)
        logger.experiment.define_metric("stage/*", step_metric="stage/labelled")
    except Exception as error:
        log.warning("W&B could not start (%s); the run goes on without it", error)
        return None
    return logger
