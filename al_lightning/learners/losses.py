"""Losses of the learners: functions of a batch's outputs and targets that leave out pixels of `IGNORE`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from al_lightning.core.task import IGNORE
from al_lightning.uncertainty import class_features, small_map, too_small


def segmentation_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy + Dice over valid pixels, equal weights (Poudel et al. 2024).

    Dice: 1 − (2 Σ p y + 1) / (Σ p + Σ y + 1) for each image and foreground class, then the mean over both; an image
    without a valid pixel is left out. A batch without one gives 0, with a gradient of 0.

    Args:
        logits: (B, K, H, W); K = 1 is a sigmoid head (binary cross-entropy), K > 1 a softmax.
        target: (B, H, W) class indices or, for K = 1, also a soft foreground probability in floating point.

    Returns:
        scalar, ≥ 0.

    Example:
        >>> target = torch.tensor([[[1, 1, 255]]])  # the last pixel is ignored
        >>> round(segmentation_loss(torch.tensor([[[[0.0, 0.0, 9.0]]]]), target).item(), 3)  # ln 2 + 1 − (2 + 1)/4
        0.943
    """
    valid = target != IGNORE
    weight = valid.to(logits.dtype)
    total = weight.sum().clamp_min(1)
    if logits.shape[1] == 1:
        truth = torch.where(valid, target, 0).to(logits.dtype)
        pixel = F.binary_cross_entropy_with_logits(logits[:, 0], truth, reduction="none")
        p, y = logits.sigmoid(), truth[:, None]
    else:
        classes = torch.where(valid, target, 0).long()
        pixel = F.cross_entropy(logits, classes, reduction="none")
        p = logits.softmax(1)[:, 1:]
        y = F.one_hot(classes, logits.shape[1]).movedim(-1, 1)[:, 1:].to(logits.dtype)
    p, y = p * weight[:, None], y * weight[:, None]
    overlap = (2 * (p * y).sum((2, 3)) + 1) / (p.sum((2, 3)) + y.sum((2, 3)) + 1)
    any_valid = weight.flatten(1).amax(1)
    dice = ((1 - overlap).mean(1) * any_valid).sum() / any_valid.sum().clamp_min(1)
    return (pixel * weight).sum() / total + dice


def batch_dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """1 − (2 Σ p y + 1) / (Σ p + Σ y + 1), sums over all valid pixels of the batch (Gorriz et al. 2017).

    Args:
        logits: (B, K, H, W); p is the sigmoid for K = 1, else 1 − the softmax of class 0, the background.
        target: (B, H, W) class indices, of which every one above 0 is foreground, or a soft foreground probability in
            floating point.

    Returns:
        scalar in [0, 1].

    Example:
        >>> batch_dice_loss(torch.zeros(1, 1, 1, 2), torch.tensor([[[1, 1]]])).item()  # 1 − (2 · 1 + 1)/(1 + 2 + 1)
        0.25
    """
    weight = (target != IGNORE).to(logits.dtype)
    p = logits[:, 0].sigmoid() if logits.shape[1] == 1 else 1 - logits.softmax(1)[:, 0]
    truth = target if target.is_floating_point() else target > 0
    p, y = p * weight, truth.to(logits.dtype) * weight
    loss: Tensor = 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)
    return loss


def depth_loss(output: Tensor, target: Tensor, maximum: float) -> Tensor:
    """Mean absolute error as a fraction of `maximum` (cm): output (B, 1, H, W) in fractions, target in cm.

    Pixels whose target is NaN (not measured) count for nothing; a batch without others gives 0, with a gradient of 0.

    Example:
        >>> depth_loss(torch.tensor([[[[0.5]]]]), torch.tensor([[[[5.0]]]]), maximum=20.0).item()
        0.25
    """
    measured = target.isfinite()
    if measured.all():
        return F.l1_loss(output, target / maximum)
    return masked_l1(output, torch.where(measured, target, 0.0) / maximum, measured.float())


@dataclass(frozen=True)
class Discrepancy:
    """Feature-discrepancy loss on unlabelled images: mean over images of max(0, cos(F₁, F₀) − δ).

    F₁ and F₀ are the deepest map averaged under the foreground's and the background's probability (Huang et al. 2024).
    An image with a norm of F₁ or F₀ below 1e-6 gives 0.

    Args:
        weight: λ_c, by which the caller multiplies the loss.
        delta: δ, the largest cosine without a penalty.
        detach_mask: no gradient through the probabilities, only through the map.

    Raises:
        ValueError: weight ≤ 0, or delta outside [−1, 1).

    Example:
        >>> p = torch.full((1, 2, 2, 2), 0.5)  # foreground and background have the same features
        >>> round(Discrepancy(delta=0.2)(p, torch.ones(1, 3, 2, 2)).item(), 3)
        0.8
    """

    weight: float = 0.1
    delta: float = 0.2
    detach_mask: bool = False

    def __post_init__(self) -> None:
        if self.weight <= 0 or not -1 <= self.delta < 1:
            raise ValueError(
                f"discrepancy weight={self.weight}, delta={self.delta}: expected a weight above 0 and a delta (a "
                "cosine) of at least -1 and below 1"
            )

    def __call__(self, p: Tensor, features: Tensor) -> Tensor:
        """Probabilities (B, C, H, W) and the deepest map (B, D, h, w) -> scalar, not yet multiplied by `weight`.

        Raises:
            ValueError: the map is below 2 x 2 or has one channel, where the cosine is 1 and has no gradient.
        """
        check_map(features.shape)
        foreground, background = class_features(p.detach() if self.detach_mask else p, features)
        found = (foreground.norm(dim=1) >= 1e-6) & (background.norm(dim=1) >= 1e-6)
        cosine = F.cosine_similarity(foreground, background, dim=1, eps=1e-8)
        loss: Tensor = (F.relu(cosine - self.delta) * found).mean()
        return loss


def check_map(shape: Sequence[int], remedy: str = "take larger images") -> None:
    """Check that the loss of feature discrepancy has a gradient on a map (..., D, h, w).

    Raises:
        ValueError: it has none.
    """
    if too_small(shape):
        raise ValueError(f"discrepancy: {small_map(shape)}; {remedy}")


def masked_l1(y: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """mean |y − truth| over the pixels of the batch where valid (0 or 1, of their shape) is 1; 0 if there are none.

    Example:
        >>> masked_l1(torch.tensor([0.5, 9.0]), torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0])).item()
        0.5
    """
    return ((y.float() - truth).abs() * valid).sum() / valid.sum().clamp_min(1)


def adversarial_loss(scores: Tensor, real: bool, gan: Literal["lsgan", "bce"]) -> Tensor:
    """Loss of a discriminator's scores, of any shape, for the class real (1) or generated (0): a scalar.

    lsgan: mean squared difference from the class; bce: cross-entropy of the scores as log-odds.

    Example:
        >>> adversarial_loss(torch.tensor([0.5, 1.0]), real=True, gan="lsgan").item()
        0.125
    """
    wanted = torch.full_like(scores, float(real), dtype=torch.float32)
    if gan == "lsgan":
        return F.mse_loss(scores.float(), wanted)
    return F.binary_cross_entropy_with_logits(scores.float(), wanted)
