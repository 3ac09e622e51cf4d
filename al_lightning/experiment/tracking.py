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

from al_lightning.config import Config, ConfigError, plain

log = logging.getLogger(__name__)


class TolerantWandbLogger(WandbLogger):
    """A WandbLogger whose failures are warnings: results are in stages.jsonl whatever happens to it."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        try:
            super().log_metrics(metrics, step)
        except Exception as error:
            log.warning("W&B did not take the metrics (%s); stages.jsonl has them", error)


def wandb_mode(wanted: str) -> str:
    """auto -> online when an API key is known, else offline."""
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
    """The loggers that the config asks for, one W&B run for the whole experiment run.

    Raises:
        ConfigError: TensorBoard is asked for but not installed.
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
    """One point of every curve against the number labelled: stage/labelled, stage/miou or stage/rmse_cm, ..."""
    values: dict[str, float] = {"stage/labelled": row["labelled"], "stage/fraction": row["fraction"]}
    values |= {f"stage/{name}": value for name, value in row["test"].items()}
    values |= {f"stage/val_{name}": value for name, value in row["val"].items()}
    values |= {f"stage/cost_{name}": value for name, value in row["cost"].items() if value is not None}
    values |= {f"stage/seconds_{name}": value for name, value in row["seconds"].items()}
    for logger in loggers:
        logger.log_metrics(values, None if isinstance(logger, WandbLogger) else row["labelled"])


def close(loggers: Sequence[Logger]) -> None:
    """Flush and end."""
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
            config=plain(config),
            mode=mode,
            settings=quiet,
        )
        logger.experiment.define_metric("stage/labelled", hidden=True)
        logger.experiment.define_metric("stage/*", step_metric="stage/labelled")
    except Exception as error:
        log.warning("W&B could not start (%s); the run goes on without it", error)
        return None
    return logger
