"""Candidates and their correlation against direct computation."""

from __future__ import annotations

import numpy as np
import pytest
from audit_tree import scene

from al_lightning.data.overlap import Prints
from al_lightning.data.overlap.comparison import candidates
from al_lightning.data.overlap.correlation import SHIFT, aligned, correlations
from al_lightning.data.overlap.thumbnails import SIDE, structure, thumbnail


def test_correlation_is_that_of_the_unmasked_pixels_at_the_best_shift():
    rng = np.random.default_rng(2)
    base = scene(rng, (160, 160))
    first, second = base[:150, :150].copy(), base[8:158, 5:155].copy()
    first[:, :20] = 0
    thumbnails = np.stack([thumbnail(first), thumbnail(second)])
    values, masks = structure(thumbnails, SIDE)
    best = -1.0
    for dy in range(-SHIFT, SHIFT + 1):
        for dx in range(-SHIFT, SHIFT + 1):
            ys, xs = np.mgrid[max(0, dy) : SIDE + min(0, dy), max(0, dx) : SIDE + min(0, dx)]
            inside = (masks[0][ys, xs] > 0) & (masks[1][ys - dy, xs - dx] > 0)
            pixels = values[0][ys, xs][inside], values[1][ys - dy, xs - dx][inside]
            best = max(best, float(np.corrcoef(*pixels)[0, 1]))
    pair = np.array([[0, 1]])
    assert aligned(thumbnails, pair, (1.0, 1.0), (1.0, 1.0))[0] == pytest.approx(best, abs=1e-4)
    assert correlations(thumbnails, pair, np.ones(1))[0] >= best - 1e-4


def test_candidates_are_the_nearest_in_each_split():
    """A copy in another split is a candidate although nearer ones lie in one's own."""
    rng = np.random.default_rng(3)
    pictures = [scene(rng) for _ in range(12)]
    original = scene(rng)
    copies = [np.clip(original.astype(int) + rng.integers(-d, d + 1, original.shape), 0, 255) for d in (1, 1, 1, 40)]
    thumbnails = np.stack([thumbnail(p.astype(np.uint8)) for p in [*pictures, original, *copies]])
    thumbnails = np.concatenate([thumbnails, np.zeros((1, 80, 80), np.uint8)])
    rows, last = np.arange(16), np.array([16, 17])
    prints = Prints(thumbnails, (*"abcdefghijklmnopq", ""))
    across, inside = candidates(prints, rows, last, 1), candidates(prints, rows, rows, 2)
    assert {(a, 16) for a in range(12, 16)} <= across.keys()
    assert {(12, 13), (12, 14), (13, 14)} <= inside.keys()
    assert all(first < second < 17 for first, second in (across | inside))
    assert all(0.5 <= cosine <= 1.0 + 1e-6 for cosine in (across | inside).values())
