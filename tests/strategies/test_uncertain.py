"""Ranking by a measure of uncertainty."""

from __future__ import annotations

import numpy as np
import torch
from candidate_pools import binary

from al_lightning.core.prediction import Prediction
from al_lightning.strategies import UncertaintySampling


def test_bvsb_of_a_coin_and_of_certainty() -> None:
    p = binary(torch.stack([torch.full((4, 4), 0.5), torch.eye(4)]))
    measured = UncertaintySampling("bvsb").measure(Prediction(torch.arange(2), probabilities=p))
    np.testing.assert_array_equal(measured["bvsb"], [1.0, 0.0])
