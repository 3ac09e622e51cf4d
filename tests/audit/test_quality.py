"""Scores of labels against predictions, each against a computation of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest

from al_lightning.audit.quality import depth_quality, depth_residual, mask_quality, self_confidence, softmin_quality


def by_hand(probabilities: np.ndarray, mask: np.ndarray, temperature: float) -> float:
    """The soft minimum, pixel by pixel, as it is published: softmax of 1 - p at a temperature, times p."""
    pixels = []
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if mask[y, x] != 255:
                pixels.append(float(probabilities[mask[y, x], y, x]))
    weights = [math.exp((1 - p) / temperature) for p in pixels]
    return sum(p * w for p, w in zip(pixels, weights, strict=True)) / sum(weights)


def balanced_by_hand(probabilities: np.ndarray, mask: np.ndarray) -> float:
    """The score of `mask_quality`, with a list of pixels for each class of the mask and each predicted class."""
    lists: dict[tuple[str, int], list[float]] = {}
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if mask[y, x] == 255:
                continue
            p = float(probabilities[mask[y, x], y, x])
            lists.setdefault(("mask", int(mask[y, x])), []).append(p)
            lists.setdefault(("guess", int(probabilities[:, y, x].argmax())), []).append(p)
    return sum(sum(values) / len(values) for values in lists.values()) / len(lists)


@pytest.mark.parametrize("classes", [2, 5])
def test_the_score_is_balanced_over_classes_of_mask_and_prediction(classes: int) -> None:
    rng = np.random.default_rng(classes)
    probabilities = rng.dirichlet(np.ones(classes), (6, 7)).transpose(2, 0, 1)
    mask = rng.integers(0, classes, (6, 7)).astype(np.uint8)
    mask[:3, 2] = 255
    assert mask_quality(probabilities, mask) == pytest.approx(balanced_by_hand(probabilities, mask), rel=1e-9)


def test_a_small_object_that_is_missed_weighs_as_much_as_a_large_one() -> None:
    scores = []
    for side in (2, 12):
        guess = np.zeros((2, 32, 32))
        guess[1, :side, :side] = 1
        guess[0] = 1 - guess[1]
        truth = guess[1].astype(np.uint8)
        assert mask_quality(guess, truth) == 1
        assert mask_quality(guess, 1 - truth) == 0
        scores.append(mask_quality(guess, np.zeros_like(truth)))
    assert max(scores) < 0.67
    assert abs(scores[0] - scores[1]) < 0.06
    assert math.isnan(mask_quality(guess, np.full((32, 32), 255, np.uint8)))


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_soft_minimum_is_that_of_the_paper(classes: int, temperature: float) -> None:
    rng = np.random.default_rng(classes)
    probabilities = rng.dirichlet(np.ones(classes), (6, 7)).transpose(2, 0, 1).astype(np.float32)
    mask = rng.integers(0, classes, (6, 7)).astype(np.uint8)
    mask[1, 2:5] = 255
    found = softmin_quality(probabilities, mask, temperature)
    assert found == pytest.approx(by_hand(probabilities, mask, temperature), rel=1e-9)
    pixels = self_confidence(probabilities, mask)
    assert len(pixels) == 39
    assert pixels.min() < found < pixels.mean()


def test_its_limits_are_the_minimum_and_the_mean() -> None:
    probabilities = np.random.default_rng(0).dirichlet([1, 1], (8, 8)).transpose(2, 0, 1)
    mask = np.zeros((8, 8), np.uint8)
    pixels = probabilities[0]
    assert softmin_quality(probabilities, mask, 1e-5) == pytest.approx(pixels.min(), abs=1e-4)
    assert softmin_quality(probabilities, mask, 1e5) == pytest.approx(pixels.mean(), abs=1e-4)


def test_void_pixels_do_not_count_whatever_the_prediction_is() -> None:
    sure = np.zeros((2, 4, 4))
    sure[0] = 1
    mask = np.zeros((4, 4), np.uint8)
    assert softmin_quality(sure, mask) == 1
    mask[0] = 1
    assert softmin_quality(sure, mask) < 0.01
    mask[0] = 255
    assert softmin_quality(sure, mask) == 1
    assert math.isnan(softmin_quality(sure, np.full((4, 4), 255, np.uint8)))


def test_residuals_of_depth() -> None:
    truth = np.array([[1.0, 2.0, np.nan], [4.0, 5.0, 6.0]], np.float32)
    guess = np.array([[1.5, 2.1, 9.0], [4.0, 5.2, 60.0]], np.float32)
    # |e| = 0.5, 0.1, 0, 0.2, 54: one wrong pixel of many changes nothing
    assert depth_residual(guess, truth) == pytest.approx(0.2)
    assert math.isnan(depth_residual(guess, np.full((2, 3), np.nan, np.float32)))


def test_quality_of_depth_is_relative_to_the_residual_in_the_middle() -> None:
    residuals = np.array([0.2, 0.1, np.nan, 0.6, 0.2, 0.0])
    found = depth_quality(residuals)
    assert found[[0, 3, 5]] == pytest.approx([0.5, 0.25, 1.0])
    assert np.isnan(found[2])
    assert (np.argsort(found[[0, 1, 3, 5]]) == [2, 0, 1, 3]).all()
    assert depth_quality(10 * residuals)[3] == pytest.approx(found[3]), "the unit does not matter"
    assert np.isfinite(depth_quality(np.zeros(3))).all(), "all predictions are exact"
    assert np.isnan(depth_quality(np.full(2, np.nan))).all()
