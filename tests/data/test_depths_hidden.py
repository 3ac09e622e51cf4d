"""Depth that is not measured counts in no loss, no metric and no resized pixel; where all is measured nothing changes.

Each is compared with loops over pixels, and the bits with the formulas of old, which knew nothing unmeasured.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from al_lightning.core.task import Task
from al_lightning.data.cache import resize_target
from al_lightning.experiment.show import score
from al_lightning.learners.losses import depth_loss, masked_l1
from al_lightning.learners.tanh import scale_target
from al_lightning.metrics.dense import DepthMetrics

DEPTH = Task("depth", (), 20.0)


def batch(seed: int = 0, hidden: float = 0.3, images: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions in fractions and truth in cm, (B, 1, 6, 8); image 1 is hidden as a whole where anything is."""
    rng = torch.Generator().manual_seed(seed)
    guess = torch.rand(images, 1, 6, 8, generator=rng)
    truth = 20 * torch.rand(images, 1, 6, 8, generator=rng)
    truth[torch.rand(truth.shape, generator=rng) < hidden] = math.nan
    if hidden:
        truth[1] = math.nan
    return guess, truth


def test_the_loss_is_the_mean_over_what_is_measured():
    guess, truth = batch()
    errors = [
        abs(g - t / 20) for g, t in zip(guess.flatten().tolist(), truth.flatten().tolist(), strict=True) if t == t
    ]
    assert depth_loss(guess, truth, 20.0).item() == pytest.approx(sum(errors) / len(errors), rel=1e-5)
    guess.requires_grad_()
    depth_loss(guess, truth, 20.0).backward()
    assert torch.isfinite(guess.grad).all()
    assert (guess.grad[truth.isnan()] == 0).all()
    assert torch.allclose(guess.grad[~truth.isnan()].abs(), torch.tensor(1 / len(errors)))
    guess.grad = None
    loss = depth_loss(guess, torch.full_like(truth, math.nan), 20.0)
    loss.backward()
    assert loss.item() == 0
    assert (guess.grad == 0).all()
    guess, truth = batch(hidden=0.0)
    assert torch.equal(depth_loss(guess, truth, 20.0), F.l1_loss(guess, truth / 20.0))


def test_pix2pix_sees_half_way_where_nothing_is_measured():
    guess, truth = batch()
    y, valid = scale_target(truth, DEPTH)
    assert torch.equal(valid == 1, truth.isfinite())
    assert (y[truth.isnan()] == 0).all()
    assert torch.equal(y[truth.isfinite()], (2 * truth / 20.0 - 1)[truth.isfinite()])
    errors = [
        abs(g - (t / 10 - 1)) for g, t in zip(guess.flatten().tolist(), truth.flatten().tolist(), strict=True) if t == t
    ]
    assert masked_l1(guess, y, valid).item() == pytest.approx(sum(errors) / len(errors), rel=1e-5)
    _, truth = batch(hidden=0.0)
    y, valid = scale_target(truth, DEPTH)
    assert torch.equal(y, 2 * truth / 20.0 - 1)
    assert torch.equal(valid, torch.ones_like(truth))


def test_metrics_count_what_is_measured():
    metrics = DepthMetrics()
    squares, absolutes, per_image = [], [], []
    for seed in (1, 2):
        guess, truth = batch(seed)
        metrics.update(20 * guess, truth)
        for g, t in zip(20 * guess.flatten(1).double(), truth.flatten(1).double(), strict=True):
            errors = [a - b for a, b in zip(g.tolist(), t.tolist(), strict=True) if b == b]
            squares += [e * e for e in errors]
            absolutes += [abs(e) for e in errors]
            if errors:
                per_image.append(math.sqrt(sum(e * e for e in errors) / len(errors)))
    assert len(per_image) == 6, "two images are hidden as a whole"
    found = {name: value.item() for name, value in metrics.compute().items()}
    assert found == pytest.approx(
        {
            "rmse_cm": sum(per_image) / len(per_image),
            "rmse_pooled_cm": math.sqrt(sum(squares) / len(squares)),
            "mae_cm": sum(absolutes) / len(absolutes),
        },
        rel=1e-5,
    )


def test_metrics_where_all_is_measured_have_the_bits_that_they_had():
    metrics, before = DepthMetrics(), torch.zeros(4)
    for seed in (1, 2, 3):
        guess, truth = batch(seed, hidden=0.0, images=3)
        metrics.update(20 * guess, truth)
        error = (20 * guess - truth).flatten(1)
        square = error.square().mean(1)
        before += torch.stack([square.sqrt().sum(), square.sum(), error.abs().mean(1).sum(), torch.tensor(3.0)])
    rmse, square, absolute, images = before
    expected = {"rmse_cm": rmse / images, "rmse_pooled_cm": (square / images).sqrt(), "mae_cm": absolute / images}
    assert all(torch.equal(value, expected[name]) for name, value in metrics.compute().items())


def bilinear(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Triangle filter over measured pixels, pixel by pixel; its support grows with the factor, as Pillow's does."""

    def weights(i: int, old: int, new: int) -> list[tuple[int, float]]:
        factor = old / new
        support = max(factor, 1.0)
        centre = (i + 0.5) * factor
        found = [(j, 1 - abs(j + 0.5 - centre) / support) for j in range(old)]
        found = [(j, w) for j, w in found if w > 0]
        total = sum(w for _, w in found)
        return [(j, w / total) for j, w in found]

    out = np.full(size, np.nan)
    for y in range(size[0]):
        for x in range(size[1]):
            terms = [
                (wy * wx, values[j, i])
                for j, wy in weights(y, values.shape[0], size[0])
                for i, wx in weights(x, values.shape[1], size[1])
                if np.isfinite(values[j, i])
            ]
            if terms:
                out[y, x] = sum(w * v for w, v in terms) / sum(w for w, _ in terms)
    return out


@pytest.mark.parametrize("size", [(5, 7), (6, 8), (9, 3), (24, 20), (31, 37)])
@pytest.mark.parametrize("hidden", [0.0, 0.3, 0.95, 1.0])
def test_resized_depth_is_the_mean_of_what_is_measured(size, hidden):
    rng = np.random.default_rng(0)
    depth = rng.uniform(1, 20, (15, 17)).astype(np.float32)
    depth[rng.random(depth.shape) < hidden] = np.nan
    found, expected = resize_target(depth, size), bilinear(depth, size)
    assert found.dtype == np.float32
    assert found.shape == size
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.allclose(found, expected, rtol=1e-4, equal_nan=True)
    if hidden == 0:
        before = Image.fromarray(depth).resize((size[1], size[0]), Image.Resampling.BILINEAR)
        assert found.tobytes() == np.asarray(before).tobytes()


def test_scores_of_pictures_leave_out_what_is_not_measured():
    guess, truth = (t[0, 0].numpy() for t in batch())
    pairs = [(a, b) for a, b in zip(guess.ravel().tolist(), truth.ravel().tolist(), strict=True) if b == b]
    assert score(guess, truth) == pytest.approx(math.sqrt(sum((a - b) ** 2 for a, b in pairs) / len(pairs)), rel=1e-6)
    assert math.isnan(score(guess, np.full_like(truth, np.nan)))
