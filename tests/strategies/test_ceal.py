"""CEAL: what it asks for and what it labels for itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from candidate_pools import RNG, binary, pool

from al_lightning import uncertainty
from al_lightning.core.prediction import Prediction
from al_lightning.strategies import CEAL, ceal


def test_ceal_asks_for_the_uncertain_and_labels_the_confident_itself() -> None:
    p = torch.full((4, 2, 2), 0.5)
    p[1, 0, 0] = 5e-4  # one confident pixel, H = 0.0043
    p[2] = 0.3
    p[3] = 1e-5
    strategy = CEAL(delta=0.005, decay=0.001)
    measured = {key: value.numpy() for key, value in strategy.measure(
        Prediction(torch.arange(4), probabilities=binary(p))).items()}  # fmt: skip
    for stage, delta, confident in ((0, 0.005, [1, 3]), (3, 0.002, [3])):
        query = strategy.select(pool([], stage, **measured), 1, RNG(0))
        np.testing.assert_array_equal(query.rows, [0])
        assert query.pseudo is not None
        np.testing.assert_array_equal(query.pseudo.rows, confident)
        assert query.pseudo.kind == "confident"
        assert query.pseudo.threshold == pytest.approx(delta)
    assert strategy.select(pool([], 5, **measured), 1, RNG(0)).pseudo is None
    margin = CEAL(uncertainty="margin").measure(Prediction(torch.arange(4), probabilities=binary(p)))
    np.testing.assert_array_equal(CEAL(uncertainty="margin").select(
        pool([2], **{k: v.numpy() for k, v in margin.items()}), 2, RNG(0)).rows, [0, 1])  # fmt: skip


def test_quantile_of_pixel_entropies() -> None:
    p = torch.rand(6, 16, 16, generator=torch.Generator().manual_seed(0)) ** 6
    strategy = CEAL(threshold="quantile", delta=0.3)
    measured = {key: value.numpy() for key, value in strategy.measure(
        Prediction(torch.arange(6), probabilities=binary(p))).items()}  # fmt: skip
    assert measured["entropy-histogram"].sum(1).tolist() == [256] * 6
    query = strategy.select(pool([4], **measured), 1, RNG(0))
    assert query.pseudo is not None
    unlabelled = uncertainty.entropy(binary(p))[[0, 1, 2, 3, 5]]
    assert query.pseudo.threshold == pytest.approx(float(np.quantile(unlabelled, 0.3)), rel=0.17)
    zeros = np.zeros(128)
    zeros[0] = 5
    assert ceal.quantile(zeros, 0.5) == ceal.UPPER[0]
