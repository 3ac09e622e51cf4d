"""Descriptors of pixels against the PCA of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from candidate_pools import RNG, images, pool
from sklearn.decomposition import PCA

from al_lightning.strategies import STRATEGIES, TACoreset, descriptors


@pytest.mark.parametrize(("n", "components", "exact"), [(30, 512, 30), (30, 512, 0), (90, 20, 90), (90, 20, 0)])
def test_pca_against_sklearn(n: int, components: int, exact: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways, in chunks of 7 images and blocks of 28."""
    monkeypatch.setattr(descriptors, "CHUNK_BYTES", 7 * 3 * 16 * 16 * 4)
    monkeypatch.setattr(descriptors, "EXACT", exact)
    pictures = images(n)
    candidates = pool(none=np.zeros(n), images=lambda rows: pictures[rows])
    found = descriptors.pca_pixels(candidates, components)
    kept = min(components, n - 1)
    flat = pictures.reshape(n, -1) / 127.5 - 1
    expected = PCA(kept, svd_solver="full").fit_transform(flat)
    assert found.shape == (n, kept)
    gram = expected @ expected.T
    np.testing.assert_allclose(found.astype(np.float64) @ found.T, gram, atol=2e-4 * gram.max())
    assert descriptors.pca_pixels(candidates.also_labelled(np.array([1])), components) is found
    chosen = STRATEGIES["pca-coreset"](components=components).select(candidates, 5, RNG(0)).rows
    textbook = TACoreset().select(pool(latent=expected), 5, RNG(0)).rows
    np.testing.assert_array_equal(chosen, textbook)


def test_first_component_of_one_image_against_sklearn() -> None:
    pictures = images(5, size=20)
    pictures[3] = 77
    candidates = pool(none=np.zeros(5), images=lambda rows: pictures[rows])
    found = descriptors.per_image_pc1(candidates, size=20)
    for i in (0, 1, 2, 4):
        grey = np.tensordot([0.299, 0.587, 0.114], pictures[i].astype(float), axes=1)
        axis = PCA(1).fit(grey).components_[0]
        np.testing.assert_allclose(found[i], axis * np.sign(axis[np.abs(axis).argmax()]), atol=1e-3)
    np.testing.assert_array_equal(found[3], np.zeros(20))
    close = torch.diag(torch.tensor([1.0, *[0.99] * 19]))[None]  # two steps do not separate these
    np.testing.assert_allclose(descriptors._leading(close, steps=2)[0].abs(), np.eye(20)[0], atol=1e-3)
