"""Expected gradient length of the last layer (Settles, Craven & Ray 2007), by pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from al_lightning.strategies.base import highest
from al_lightning.types import Candidates, Prediction, Query


@dataclass(frozen=True)
class GradientLength:
    """The images whose pixels would change the last layer the most, were the most likely class the true one.

    With p the probabilities, y the one-hot argmax and x the map before the classifier, the gradient of a pixel's
    cross-entropy is (p − y) xᵀ, of norm ‖p − y‖·‖x‖; the score of an image is its mean.

    Args:
        power (float): exponent of ‖x‖, 0 leaves it out. Default 1.
    """

    power: float = 1.0
    needs: ClassVar[frozenset[str]] = frozenset({"probabilities", "before_classifier"})

    def __post_init__(self) -> None:
        if self.power < 0:
            raise ValueError(f"power={self.power}: expected at least 0")

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        assert prediction.probabilities is not None
        assert prediction.before_classifier is not None
        p = prediction.probabilities.float()
        residual = p - torch.zeros_like(p).scatter_(1, p.argmax(1, keepdim=True), 1.0)
        norm = prediction.before_classifier().float().norm(dim=1, keepdim=True)
        norm = interpolate(norm, p.shape[-2:], mode="bilinear", align_corners=False)
        return {"gradient-length": (residual.norm(dim=1) * norm[:, 0] ** self.power).mean((1, 2))}

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        return highest(candidates, candidates.value("gradient-length"), per_stage, "gradient-length")
