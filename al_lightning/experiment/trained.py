"""The trained learner of a run, and its dataset as the run sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch

from al_lightning.config import CompleteConfig, Config, ConfigError, from_saved
from al_lightning.core.run_folder import RunFolder, fit_step
from al_lightning.data import DenseDataset
from al_lightning.experiment.best_weights import load_recorded
from al_lightning.experiment.setup import build_learner, complete
from al_lightning.experiment.start import dataset_of
from al_lightning.learners import Committee
from al_lightning.report.text import tested_text


@dataclass(frozen=True)
class Trained:
    """What a run has learned up to a stage."""

    folder: RunFolder
    config: CompleteConfig
    dataset: DenseDataset
    learner: pl.LightningModule
    """With the best weights, in evaluation mode: what the run tests, a `Committee` where that is an ensemble."""
    stage: int

    @property
    def said(self) -> str:
        """`one network of the committee of 4`; "" where the run trains one."""
        committee = self.config.learner.committee
        return tested_text(committee.members, committee.tested) if committee.members > 1 else ""


def tested_members(config: Config) -> range:
    """The members of the committee that the run tests: the first alone, or all."""
    committee = config.learner.committee
    return range(1 if committee.tested == "member" else committee.members)


def saved_config(folder: RunFolder) -> CompleteConfig:
    """The config of a run.

    Raises:
        FileNotFoundError: the folder holds no run.
        ConfigError: its config.yaml is damaged.
    """
    if not folder.config.is_file():
        raise FileNotFoundError(f"{folder.path}: holds no config.yaml; name a folder such as runs/demo/random/seed-0")
    return complete(from_saved(folder.config))


def trained_stage(folder: RunFolder, config: CompleteConfig, wanted: int | None = None) -> int:
    """The stage that is wanted, or the last one, of which all learners that are tested are trained.

    Raises:
        ConfigError: no stage is trained yet, or not that one.
    """
    steps = {fit_step(member) for member in tested_members(config)}
    stage = -1
    while steps <= set(folder.progress(stage + 1)):
        stage += 1
    if stage < 0:
        raise ConfigError(f"{folder.path}: no stage of this run is trained yet; resume it first")
    if wanted is not None and not 0 <= wanted <= stage:
        raise ConfigError(f"stage={wanted}: {folder.path} has trained stages 0 to {stage}")
    return stage if wanted is None else wanted


def load_trained(
    path: Path,
    dataset: DenseDataset | None = None,
    stage: int | None = None,
    mc_passes: int | None = None,
    device: torch.device | str = "cpu",
) -> Trained:
    """Load the learner that a run tests.

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
    stage = trained_stage(folder, config, stage)
    data = dataset or dataset_of(folder, config)
    done = folder.progress(stage)
    members: list[pl.LightningModule] = []
    for member in tested_members(config):
        members.append(build_learner(config, data, stage, member, mc_passes))
        load_recorded(members[-1], folder, stage, member, done)
    learner = members[0] if len(members) == 1 else Committee(members)
    return Trained(folder, config, data, learner.to(device).eval(), stage)


__all__ = ["Trained", "load_trained", "saved_config", "trained_stage"]
