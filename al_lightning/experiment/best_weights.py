"""The best weights of a finished training, as its stage recorded them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from al_lightning.core.checkpoint_file import CheckpointError, load_weights
from al_lightning.core.run_folder import RunFolder, fit_step, inside
from al_lightning.core.state_files import remedy


def load_recorded(
    module: pl.LightningModule, folder: RunFolder, stage: int, member: int, done: Mapping[str, Any]
) -> None:
    """Load a member's best weights of a stage, after a check that they are the file that the stage recorded.

    Args:
        done: finished steps of the stage; those of a version that recorded no digest are taken as they are.

    Raises:
        FileNotFoundError: the file is gone.
        ValueError: the state of the stage names no file.
        CheckpointError: the file is damaged, another one, or of another network.
    """
    file, digest = _recorded(folder, stage, member, done)
    again = remedy(folder.state(stage))
    try:
        load_weights(module, file, digest)
    except FileNotFoundError:
        raise FileNotFoundError(f"{file}: {'is a folder' if file.is_dir() else 'is gone'}; {again}") from None
    except CheckpointError as error:
        raise CheckpointError(f"{error}; {again}") from None


def _recorded(folder: RunFolder, stage: int, member: int, done: Mapping[str, Any]) -> tuple[Path, str | None]:
    """(file of a member's best weights, the digest that was recorded with it)."""
    step, source = done.get(fit_step(member)), folder.state(stage)
    if not isinstance(step, Mapping) or "checkpoint" not in step:
        raise ValueError(f"{source}: no checkpoint in {fit_step(member)!r}; put the file back from a copy of the run")
    return inside(folder.path, step["checkpoint"], source), step.get("digest")
