"""The Trainer of a strategy that trains something of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning.callbacks import RichProgressBar
from torch import distributed as dist


def own_trainer(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a Trainer for one device: those given, over quiet defaults.

    For one device Lightning takes its single-device strategy, which leaves an initialised process group and a
    launcher's environment alone. `devices=1` would be the first GPU for every rank; it is made the current one,
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
