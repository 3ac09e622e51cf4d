"""Uncertainty clustering against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from candidate_pools import RNG, binary, pool

from al_lightning.config import load
from al_lightning.strategies import UncertaintyClustering, clustering


def test_feature_discrepancy_against_the_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(3, 8, 8, generator=generator)
    p[2] = 0
    features = torch.rand(3, 5, 4, 4, generator=generator)
    similarity, descriptor = clustering.feature_discrepancy(binary(p), features)
    small = p.reshape(3, 4, 2, 4, 2).mean((2, 4)).double().numpy()
    e = features.double().numpy()
    for i in (0, 1):
        f1, f0 = (e[i] * small[i]).mean((1, 2)), (e[i] * (1 - small[i])).mean((1, 2))
        assert float(similarity[i]) == pytest.approx(f1 @ f0 / np.linalg.norm(f1) / np.linalg.norm(f0), rel=1e-5)
    assert float(similarity[2]) == 1, "no polyp found is the most uncertain"
    np.testing.assert_allclose(descriptor, e.mean((2, 3)), rtol=1e-5)


def test_weight_pulls_a_centroid_onto_its_point() -> None:
    x = np.array([[0.0], [1], [2], [100], [101], [105]])
    similarity = np.array([0.01, 0.01, 1, 0.01, 1, 0.01])
    query = UncertaintyClustering().select(pool(feature_mean=x, feature_similarity=similarity), 2, RNG(0))
    assert set(query.rows) == {2, 4}
    plain = UncertaintyClustering(uncertainty=False)
    assert set(plain.select(pool(feature_mean=x, feature_similarity=similarity), 2, RNG(0)).rows) == {1, 4}
    x[:3] = [[0], [1], [5]]
    assert 1 in plain.select(pool(feature_mean=x, feature_similarity=similarity), 2, RNG(0)).rows
    top = UncertaintyClustering(clustering=False)
    ranked = top.select(pool(feature_mean=x, feature_similarity=similarity), 3, RNG(0))
    np.testing.assert_array_equal(ranked.rows, [2, 4, 0])


def test_fewer_distinct_features_than_picks() -> None:
    x = np.repeat([[0.0], [1.0]], 4, axis=0)
    similarity = np.array([0.1, 0.2, 0.9, 0.3, 0.1, 0.4, 0.5, 0.6])
    query = UncertaintyClustering().select(pool(feature_mean=x, feature_similarity=similarity), 4, RNG(0))
    assert set(query.rows[:2]) == {2, 7}
    np.testing.assert_array_equal(query.rows[2:], [6, 5])
    assert query.source == ("cluster", "cluster", "top-up", "top-up")


def test_eq_4_as_printed_takes_single_images_and_the_papers_experiments_use_it() -> None:
    x = RNG(0).standard_normal((60, 8))
    values = {"feature_mean": x, "feature_similarity": RNG(1).uniform(0.1, 1, 60)}
    printed = UncertaintyClustering(size_normalised=True).select(pool(**values), 6, RNG(0))
    assert len(set(printed.rows.tolist())) == 6
    assert (printed.score < 1e-6).sum() == 5, "a cluster of one image has its centroid there"
    default = UncertaintyClustering().select(pool(**values), 6, RNG(0))
    assert (default.score < 1e-6).sum() < 5
    name = "clinicdb-uncertainty-clustering"
    for variant in ("", "-no-discrepancy", "-no-uncertainty"):
        assert load([f"{name}{variant}"]).strategy.options["size_normalised"] is True
    assert load([f"{name}-k-means"]).strategy.options["size_normalised"] is False
