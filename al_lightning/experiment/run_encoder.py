"""The trained learner of a run as an encoder of images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytorch_lightning as pl
import torch
from torch import Tensor

from al_lightning.config import ConfigError, from_saved
from al_lightning.core.arrays import Size
from al_lightning.core.learner import Learner
from al_lightning.core.run_folder import RunFolder, fit_step
from al_lightning.experiment.setup import build_dataset, build_learner, complete
from al_lightning.learners import Committee
from al_lightning.loop import load_weights


def run_encoder(path: Path, device: torch.device | str = "cpu") -> tuple[Callable[[Tensor], Tensor], Size, int]:
    """(uint8 images (B, 3, H, W) -> latents (B, D), (H, W), stage) of the last stage of a run that was trained.

    Raises:
        FileNotFoundError: the folder holds no run, or its data are gone.
        ConfigError: no stage is trained yet, or its learner has no latent.
    """
    folder = RunFolder(path)
    if not folder.config.is_file():
        raise FileNotFoundError(f"{path}: holds no config.yaml; name a folder such as runs/demo/random/seed-0")
    config = complete(from_saved(folder.config))
    steps = [fit_step(member) for member in range(config.learner.committee.members)]
    stage = -1
    while set(steps) <= set(folder.progress(stage + 1)):
        stage += 1
    if stage < 0:
        raise ConfigError(f"{path}: no stage of this run is trained yet; resume it first")
    done, dataset = folder.progress(stage), build_dataset(config)
    members: list[pl.LightningModule] = []
    for member, step in enumerate(steps):
        members.append(build_learner(config, dataset, stage, member, mc_passes=1))
        load_weights(members[-1], folder.path / done[step]["checkpoint"])
    module = members[0] if len(members) == 1 else Committee(members)
    learner = cast(Learner, module)
    if "latent" not in learner.provides:
        raise ConfigError(f"{path}: its learner {config.learner.name} provides no latent; it has no features to write")
    module.to(device).eval()

    def encode(image: Tensor) -> Tensor:
        rows = torch.arange(len(image), device=image.device)
        latent = learner.predict_step({"rows": rows, "image": image}, 0).latent
        assert latent is not None
        return latent.float()

    return encode, dataset.size, stage
