"""Loggers of a run: Weights & Biases (offline unless logged in), CSV, TensorBoard."""

from __future__ import annotations

import json
import logging
import netrc
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from al_lightning.config import Config, ConfigError, written
from al_lightning.core.files import write_atomic
from al_lightning.experiment.file_loggers import STAGE, Board, CsvLog
from al_lightning.experiment.ranks import is_main
from al_lightning.experiment.wandb_logger import PatientWandbLogger

log = logging.getLogger(__name__)


TAKEN = "loggers.json"
"""File of a run: how many stage rows its loggers have taken, written when a process has closed them."""


class RunLogger(Protocol):
    """What the loggers of a run do beside Lightning's part."""

    offset: int
    """Added to the steps of Lightning, which begin at 0 in each training."""

    def log_stage(self, values: Mapping[str, float], labelled: int, step: int) -> None: ...

    def rewind(self, step: int) -> None:
        """From this step on a training is done again."""

    def close(self) -> bool:
        """End the log; whether all of it arrived."""
        ...


class Steps(pl.Callback):
    """Counts the steps of a training, also over a resume, and lets the loggers count on from earlier ones.

    Args:
        loggers: of the run.
        offset: steps of all earlier trainings.
    """

    def __init__(self, loggers: Sequence[Logger], offset: int) -> None:
        self.count = 0
        self._loggers, self._offset, self._seen = loggers, offset, 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # A checkpoint of an earlier version has no count.
        self._seen, self.count = trainer.global_step, self.count or trainer.global_step
        count_from(self._loggers, self._offset, self.count)

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any) -> None:
        if trainer.global_step != self._seen:  # not while gradients are accumulated
            self._seen = trainer.global_step
            self.count += 1

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.count = state_dict["count"]


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
        loggers.append(CsvLog(folder))
    if section.tensorboard:
        try:
            loggers.append(Board(folder))
        except ModuleNotFoundError:
            raise ConfigError(
                "logging.tensorboard=True: tensorboard is not installed; pip install tensorboard, or set it to false"
            ) from None
    return loggers


def count_from(loggers: Sequence[Logger], offset: int, done: int = 0) -> None:
    """Let steps count from `offset`; of the training that begins there, `done` steps are kept."""
    for logger in _own(loggers):
        logger.offset = offset
        logger.rewind(offset + done)


def log_stage(loggers: Sequence[Logger], row: Mapping[str, Any], step: int) -> None:
    """Log a stage row as a point of curves over the number of labels: stage/labelled, stage/miou, ...

    Args:
        step: of the row among the steps of the run, for a logger that has no other axis.
    """
    values: dict[str, float] = {STAGE: row["stage"], "stage/labelled": row["labelled"]}
    values["stage/fraction"] = row["fraction"]
    for prefix, found in (("stage/", row["test"]), ("stage/val_", row["val"])):
        values |= {f"{prefix}{name}": value for name, value in found.items() if value is not None}
    values |= {f"stage/cost_{name}": value for name, value in row["cost"].items() if value is not None}
    values |= {f"stage/seconds_{name}": value for name, value in row["seconds"].items()}
    for logger in _own(loggers):
        logger.log_stage(values, row["labelled"], step)


def log_finished(loggers: Sequence[Logger], states: Sequence[Mapping[str, Any]]) -> None:
    """Log the rows of stages that earlier processes have finished, each once: a logger knows which ones it has.

    Args:
        states: finished steps of the stages from 0 on.
    """
    if loggers:
        for stage, state in enumerate(states):
            log_stage(loggers, state["row"], steps_before(states, stage + 1) - 1)


def steps_before(states: Sequence[Mapping[str, Any]], stage: int) -> int:
    """Steps of the run before a stage: those of all trainings, and one for each stage row."""
    return stage + sum(trained(state) for state in states[:stage])


def trained(state: Mapping[str, Any]) -> int:
    """Steps of the trainings of one stage so far; 0 for those of an earlier version."""
    return sum(int(step.get("steps", 0)) for name, step in state.items() if name.startswith("fit"))


def taken(folder: Path) -> int:
    """How many stage rows the loggers of a run are known to have."""
    file = folder / TAKEN
    return int(json.loads(file.read_text(encoding="utf-8"))["stages"]) if file.is_file() else 0


def close(loggers: Sequence[Logger], folder: Path, stages: int) -> None:
    """Finish all loggers, and note that they have this many stage rows where they say so."""
    results = [logger.close() for logger in _own(loggers)]
    if results and all(results) and is_main() and taken(folder) != stages:
        write_atomic(folder / TAKEN, json.dumps({"stages": stages}))


def _own(loggers: Sequence[Logger]) -> Sequence[RunLogger]:
    return cast(Sequence[RunLogger], loggers)


def _wandb(config: Config, folder: Path, run_id: str, mode: str) -> Logger | None:
    names = [config.dataset.name, config.strategy.name, config.learner.name]
    try:
        return PatientWandbLogger(
            folder,
            mode,
            name=f"{config.name}/{folder.parent.name}/{folder.name}",
            id=run_id,
            resume="allow",
            project=config.logging.wandb.project,
            entity=config.logging.wandb.entity,
            group=config.name,
            tags=[*names, *config.logging.wandb.tags],
            config=written(config),
        )
    except Exception as error:
        log.warning("W&B could not start (%s); the run goes on without it", error)
        return None
