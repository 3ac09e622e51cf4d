"""Measures of uncertainty of pixels against scipy."""

from __future__ import annotations

import numpy as np
import scipy.stats
import torch

from al_lightning import uncertainty
from al_lightning.core.prediction import SampleStatistics


def test_entropies_against_scipy() -> None:
    logits = torch.randn(5, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    p = logits.softmax(2)
    statistics = SampleStatistics()
    for one in p:
        statistics.add(one)
    each = scipy.stats.entropy(p.double().numpy(), axis=2)
    mean = scipy.stats.entropy(p.double().numpy().mean(0), axis=1)
    votes = (p.argmax(2)[:, :, None] == torch.arange(3)[None, None, :, None, None]).double().mean(0)
    np.testing.assert_allclose(uncertainty.entropy(p[0]), each[0], atol=1e-6)
    np.testing.assert_allclose(uncertainty.soft_vote_entropy(statistics), mean, atol=1e-6)
    np.testing.assert_allclose(uncertainty.bald(statistics), mean - each.mean(0), atol=1e-6)
    np.testing.assert_allclose(uncertainty.vote_entropy(statistics), scipy.stats.entropy(votes, axis=1), atol=1e-6)
    np.testing.assert_allclose(uncertainty.mc_variance(statistics), p.numpy().var(0).sum(1), atol=1e-6)
    bhattacharyya = 1 - scipy.stats.gmean(p.double().numpy(), axis=0).sum(1)
    np.testing.assert_allclose(uncertainty.bhattacharyya_disagreement(statistics), bhattacharyya, atol=1e-6)
