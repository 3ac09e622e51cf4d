"""TA-Coreset against Sener and Savarese's loop."""

from __future__ import annotations

import numpy as np
from candidate_pools import RNG, pool

from al_lightning.strategies import TACoreset


def test_k_center_on_a_line() -> None:
    query = TACoreset().select(pool([0], latent=[[0.0], [1.0], [2.0], [10.0]]), 2, RNG(0))
    np.testing.assert_array_equal(query.rows, [3, 2])
    np.testing.assert_allclose(query.score, [10, 2])


def test_k_center_against_the_textbook() -> None:
    z = RNG(0).standard_normal((60, 5)).astype(np.float32)
    centres, expected = [3, 17], []
    for _ in range(12):
        gap = np.linalg.norm(z[:, None] - z[centres], axis=2).min(1)
        expected.append(int(gap.argmax()))
        centres.append(expected[-1])
    np.testing.assert_array_equal(TACoreset().select(pool([3, 17], latent=z), 12, RNG(0)).rows, expected)
