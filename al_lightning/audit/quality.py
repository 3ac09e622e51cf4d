"""How well a label agrees with a prediction of a learner that has not seen it, as a number in [0, 1]: 1 is agreement.

Pure functions of one image. Pixels that are void, not labelled or not measured do not count.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.task import IGNORE

TEMPERATURE = 0.1
"""Of the soft minimum, as published."""


def mask_quality(probabilities: NDArray[Any], mask: NDArray[Any]) -> float:
    """Quality of a mask: the mean probability that a learner gives to the class of a pixel, balanced over classes.

    p_i = P(class y_i of pixel i in the mask), ŷ_i the class that the learner predicts. The score is the mean of
    E[p_i | y_i = c] over the classes c of the mask and E[p_i | ŷ_i = c] over the predicted classes c, together: what
    the learner misses of the mask, and what the mask misses of the prediction, each weighs the same however few its
    pixels.

    The mean of p_i is the self-confidence of confident learning (Northcutt et al. 2021, "Confident learning: estimating
    uncertainty in dataset labels"), which Lad and Mueller 2023 average over an image; the classes are balanced here,
    because most pixels of an image are background, on which all masks agree.

    Args:
        probabilities (NDArray): (C, H, W) of the classes, of a learner that has not been trained with the mask.
        mask (NDArray): (H, W) class numbers; `IGNORE` does not count.

    Returns:
        In [0, 1]; NaN where no pixel counts.

    Example:
        >>> sure = np.array([[[1.0, 1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0, 1.0]]])
        >>> mask_quality(sure, np.array([[0, 0, 1, 1]])), mask_quality(sure, np.array([[0, 0, 0, 0]]))
        (1.0, 0.5)
    """
    counts = mask != IGNORE
    values = self_confidence(probabilities, mask)
    if not values.size:
        return float("nan")
    labels = (mask[counts], probabilities.argmax(0)[counts])
    return float(np.mean([values[label == c].mean() for label in labels for c in np.unique(label)]))


def softmin_quality(probabilities: NDArray[Any], mask: NDArray[Any], temperature: float = TEMPERATURE) -> float:
    """The soft minimum of the probabilities that a learner gives to the class of each pixel in the mask.

    s = Σ_i p_i · exp((1 − p_i)/T) / Σ_i exp((1 − p_i)/T): the mean of p, in which pixels that the learner finds
    unlikely weigh up to exp(1/T) times as much as those that it is sure of. T → 0 gives the minimum, T → ∞ the mean.

    Lad and Mueller 2023, "Estimating label quality and errors in semantic segmentation data via any model", with their
    T = 0.1.

    Args:
        probabilities, mask: as of `mask_quality`.
        temperature (float): T. Default 0.1.

    Returns:
        s in [0, 1]; NaN where no pixel counts.

    Example:
        >>> unsure = np.full((2, 1, 2), 0.5)
        >>> softmin_quality(unsure, np.array([[0, 1]])), softmin_quality(unsure, np.array([[255, 255]]))
        (0.5, nan)
    """
    values = self_confidence(probabilities, mask)
    if not values.size:
        return float("nan")
    weights = np.exp((values.min() - values) / temperature)
    return float((values * weights).sum() / weights.sum())


def self_confidence(probabilities: NDArray[Any], mask: NDArray[Any]) -> NDArray[np.float64]:
    """(P,) the probability of its class in the mask, of each pixel that counts; arguments as of `mask_quality`."""
    counts = mask != IGNORE
    classes = np.where(counts, mask, 0).astype(np.int64)
    values = np.take_along_axis(np.asarray(probabilities, dtype=np.float64), classes[None], 0)[0]
    return np.asarray(values[counts])


def depth_residual(depth: NDArray[Any], truth: NDArray[Any]) -> float:
    """Median over the measured pixels of |depth − truth| in cm, which a few wrong pixels do not change.

    Args:
        depth (NDArray): (H, W) in cm, of a learner that has not been trained with the truth.
        truth (NDArray): (H, W) in cm; NaN is not measured.

    Returns:
        NaN where nothing is measured.
    """
    error = np.abs(np.asarray(depth, dtype=np.float64) - truth)
    known = error[np.isfinite(error)]
    return float(np.median(known)) if known.size else float("nan")


def depth_quality(residuals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quality of each depth map of a set, from the `depth_residual` r of all: m / (m + r), m = median of r.

    0.5 for the image in the middle, 1/(1 + k) for one whose residual is k times as large. Only the order and the
    multiples of m are meant; depth has no scale on which an error is large for every set.

    Args:
        residuals (NDArray): (n,) NaN where nothing is measured.

    Example:
        >>> depth_quality(np.array([1.0, 1.0, 3.0])).tolist()
        [0.5, 0.5, 0.25]
    """
    known = residuals[np.isfinite(residuals)]
    middle = max(float(np.median(known)), np.finfo(np.float64).tiny) if known.size else 1.0
    return np.asarray(middle / (middle + residuals))


__all__ = ["depth_quality", "depth_residual", "mask_quality", "self_confidence", "softmin_quality"]
