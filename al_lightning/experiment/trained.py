"""The trained learner of a run, and its dataset as the run sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch

from al_lightning.config import CompleteConfig, ConfigError, from_saved
from al_lightning.core.run_folder import RunFolder, fit_step
from al_lightning.data import DenseDataset
from al_lightning.experiment.best_weights import load_recorded
from al_lightning.experiment.setup import build_learner, complete
from al_lightning.experiment.start import dataset_of
from al_lightning.learners import Committee


@dataclass(frozen=True)
class Trained:
    """What a run has learned up to a stage."""

    folder: RunFolder
    config: CompleteConfig
    dataset: DenseDataset
    learner: pl.LightningModule
    """With the best weights, on the CPU, in evaluation mode; a `Committee` where the run trains several."""
    stage: int


def saved_config(folder: RunFolder) -> CompleteConfig:
    """The config of a run.

    Raises:
        FileNotFoundError: the folder holds no run.
        ConfigError: its config.yaml is damaged.
    """
    if not folder.config.is_file():
        raise FileNotFoundError(f"{folder.path}: holds no config.yaml; name a folder such as runs/demo/random/seed-0")
    return complete(from_saved(folder.config))


def trained_stage(folder: RunFolder, config: CompleteConfig) -> int:
    """The last stage of which all learners are trained.

    Raises:
        ConfigError: no stage is trained yet.
    """
    steps = {fit_step(member) for member in range(config.learner.committee.members)}
    stage = -1
    while steps <= set(folder.progress(stage + 1)):
        stage += 1
    if stage < 0:
        raise ConfigError(f"{folder.path}: no stage of this run is trained yet; resume it first")
    return stage


def load_trained(
    path: Path,
    dataset: DenseDataset | None = None,
    stage: int | None = None,
    mc_passes: int | None = None,
    device: torch.device | str = "cpu",
) -> Trained:
    """Load the learner of a run.

    Args:
        path: folder of the run.
        dataset: that of the run; read where it is left out.
        stage: whose weights; the last trained stage by default.
        mc_passes: stochastic passes of a prediction; as configured by default.
        device: to move the learner to.

    Raises:
        FileNotFoundError: the folder holds no run, or its data or weights are gone.
        ConfigError: no such stage is trained.
        CheckpointError: the weights are damaged, or of another network.
    """
    folder = RunFolder(path)
    config = saved_config(folder)
    last = trained_stage(folder, config)
    if stage is not None and not 0 <= stage <= last:
        raise ConfigError(f"stage={stage}: {path} has trained stages 0 to {last}")
    stage = last if stage is None else stage
    data = dataset or dataset_of(folder, config)
    done = folder.progress(stage)
    members: list[pl.LightningModule] = []
    for member in range(config.learner.committee.members):
        members.append(build_learner(config, data, stage, member, mc_passes))
        load_recorded(members[-1], folder, stage, member, done)
    learner = members[0] if len(members) == 1 else Committee(members)
    return Trained(folder, config, data, learner.to(device).eval(), stage)


__all__ = ["Trained", "load_trained", "saved_config", "trained_stage"]
