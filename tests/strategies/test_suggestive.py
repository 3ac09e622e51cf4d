"""Suggestive Annotation against the definition of its cover."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from candidate_pools import RNG, pool, statistics_of

from al_lightning.core.prediction import Prediction
from al_lightning.strategies import Suggestive, suggestive


def test_cover_prefers_a_new_direction() -> None:
    members = np.array([[1.0, 0], [1, 0], [0, 1]])[:, None]
    strategy = Suggestive(pool_factor=1.5)
    query = strategy.select(pool(members=members, committee_variance=[1.0, 1, 1]), 2, RNG(0))
    np.testing.assert_array_equal(query.rows, [0, 2])
    np.testing.assert_allclose(query.score, [2, 1])


@pytest.mark.parametrize("cache", [0, 2**30])
def test_greedy_cover_against_the_definition(cache: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestive, "CACHE_BYTES", cache)
    monkeypatch.setattr(suggestive, "CHUNK_FLOATS", 50)
    for seed in range(5):
        members = RNG(seed).standard_normal((40, 3, 5)).astype(np.float32)
        members[7] = 0
        variance = RNG(seed + 50).random(40)
        candidates = pool([1, 2, 11], members=members, committee_variance=variance)
        query = Suggestive(pool_factor=2).select(candidates, 8, RNG(0))
        u = candidates.unlabelled
        cosine = np.array([[
            np.mean([a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-8) for a, b in zip(x, y, strict=True)])
            for y in members] for x in members]).clip(0)  # fmt: skip
        uncertain = sorted(u[np.argsort(-variance[u], kind="stable")][:16])
        chosen: list[int] = []
        for _ in range(8):
            cover = {i: cosine[[*chosen, i]][:, u].max(0).sum() for i in uncertain if i not in chosen}
            chosen.append(max(cover, key=lambda i: cover[i]))
        np.testing.assert_array_equal(query.rows, chosen)
        total = cosine[chosen][:, u].max(0).sum()
        assert query.score.sum() == pytest.approx(total, rel=1e-5)


def test_committee_variance_is_that_of_the_foreground() -> None:
    p = torch.rand(4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    prediction = Prediction(torch.arange(2), passes=statistics_of(list(p)), members=torch.ones(2, 4, 5))
    measured = Suggestive().measure(prediction)["committee-variance"]
    np.testing.assert_allclose(measured, p.numpy().var(0).mean((1, 2)), atol=1e-6)
