"""Targets that the loop lets a learner give itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Pseudo
from al_lightning.core.task import IGNORE
from al_lightning.loop import pseudo_targets


def prediction() -> Prediction:
    p = torch.tensor([[0.999, 0.6, 0.02]])[:, None, :]
    return Prediction(rows=torch.tensor([3]), probabilities=torch.stack([1 - p, p], 1))


def test_pseudo_targets_soft_hard_and_confident():
    rows = np.array([3])
    assert torch.allclose(pseudo_targets(prediction(), Pseudo(rows, "soft")), torch.tensor([[0.999, 0.6, 0.02]]))
    assert pseudo_targets(prediction(), Pseudo(rows, "hard")).tolist() == [[[1, 1, 0]]]
    # H(.999) = .0079, H(.6) = .673, H(.02) = .098 nats
    confident = pseudo_targets(prediction(), Pseudo(rows, "confident", 0.05))
    assert confident.tolist() == [[[1, IGNORE, IGNORE]]]
    assert confident.dtype == torch.uint8
    three = Prediction(rows=torch.tensor([0]), probabilities=torch.rand(1, 3, 2, 2))
    with pytest.raises(ValueError, match="use hard ones"):
        pseudo_targets(three, Pseudo(rows, "soft"))
