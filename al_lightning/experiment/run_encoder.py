"""The trained learner of a run as an encoder of images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from al_lightning.config import ConfigError
from al_lightning.core.arrays import Size
from al_lightning.core.learner import Learner
from al_lightning.experiment.trained import load_trained


def run_encoder(path: Path, device: torch.device | str = "cpu") -> tuple[Callable[[Tensor], Tensor], Size, int]:
    """(uint8 images (B, 3, H, W) -> latents (B, D), (H, W), stage) of the last stage of a run that was trained.

    Raises:
        FileNotFoundError: the folder holds no run, or its data are gone.
        ConfigError: no stage is trained yet, or its learner has no latent.
    """
    found = load_trained(path, mc_passes=1, device=device)
    learner = cast(Learner, found.learner)
    if "latent" not in learner.provides:
        raise ConfigError(
            f"{path}: its learner {found.config.learner.name} provides no latent; it has no features to write"
        )

    def encode(image: Tensor) -> Tensor:
        rows = torch.arange(len(image), device=image.device)
        latent = learner.predict_step({"rows": rows, "image": image}, 0).latent
        assert latent is not None
        return latent.float()

    return encode, found.dataset.size, found.stage
