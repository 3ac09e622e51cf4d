"""Information density against its definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from candidate_pools import RNG, pool

from al_lightning.strategies import STRATEGIES, density


@pytest.mark.parametrize("signed", [False, True])
def test_density_against_a_double_loop(signed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(density, "BLOCK", 3)
    z = RNG(0).standard_normal((10, 4))
    z = z if signed else np.abs(z)
    z[4] = 0
    expected = np.zeros(10)
    for i, j in itertools.product(range(10), repeat=2):
        cosine = z[i] @ z[j] / max(np.linalg.norm(z[i]) * np.linalg.norm(z[j]), 1e-8)
        expected[i] += max(0.0, cosine) / 10
    np.testing.assert_allclose(density.density(z), expected, atol=1e-12)
    u = RNG(1).random(10)
    strategy = STRATEGIES["information-density"](measure="bvsb", beta=0.5)
    query = strategy.select(pool(bvsb=u, latent=z), 3, RNG(0))
    best = np.argsort(-u * np.sqrt(expected))[:3]
    np.testing.assert_array_equal(query.rows, best)
    np.testing.assert_allclose(query.score, (u * np.sqrt(expected))[best])


def test_density_refuses_a_negative_measure() -> None:
    with pytest.raises(ValueError, match=r"measure='margin'.*'bvsb'"):
        STRATEGIES["information-density"](measure="margin")
