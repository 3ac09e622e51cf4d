"""Arguments of the Trainer of a strategy that trains a model of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning.callbacks import RichProgressBar
from torch import distributed as dist


def own_trainer(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a Trainer for one device: those given, over defaults without logger, checkpoints and progress bar.

    For one device Lightning uses its single-device strategy, which does not touch an initialised process group or the
    environment of a launcher. `devices=1` would be the first GPU for every rank, so it is replaced by the current GPU,
    which the Trainer of the stage has set for this process.
    """
    arguments: dict[str, Any] = {
        "accelerator": "auto",
        "devices": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "enable_progress_bar": False,
    }
    arguments |= given
    if arguments["devices"] == 1 and arguments["accelerator"] in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        arguments["devices"] = [torch.cuda.current_device()]
    if dist.is_available() and dist.is_initialized() and dist.get_rank() > 0:
        arguments["enable_progress_bar"] = False
    if arguments["enable_progress_bar"]:
        arguments["callbacks"] = [*arguments.get("callbacks", []), RichProgressBar()]
    return arguments
