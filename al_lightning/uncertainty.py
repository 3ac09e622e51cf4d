"""Uncertainty of pixels and images: probabilities (B, C, H, W) -> map (B, H, W) -> score (B,); larger = more uncertain.

Logarithms are natural. A sigmoid output counts as the two classes (1 − p, p).

Example:
    >>> p = torch.tensor([[0.5, 1.0], [0.5, 0.0]]).view(1, 2, 1, 2)  # two classes, two pixels
    >>> [round(h, 3) for h in entropy(p).flatten().tolist()]
    [0.693, 0.0]
    >>> round(image_score(entropy(p), top=0.5).item(), 3)
    0.693
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from al_lightning.core.prediction import SampleStatistics


def least_confidence(p: Tensor) -> Tensor:
    """1 − max_c p_c.

    Example:
        >>> least_confidence(torch.tensor([0.5, 0.25, 0.25]).view(1, 3, 1, 1)).item()
        0.5
    """
    return 1 - p.amax(1)


def margin(p: Tensor) -> Tensor:
    """−(p₁ − p₂), where p₁ and p₂ are the two largest probabilities.

    Example:
        >>> margin(torch.tensor([0.5, 0.25, 0.25]).view(1, 3, 1, 1)).item()
        -0.25
    """
    best = p.topk(2, dim=1).values
    return best[:, 1] - best[:, 0]


def bvsb(p: Tensor) -> Tensor:
    """Best versus second best: 1 − (p₁ − p₂), in [0, 1].

    Example:
        >>> bvsb(torch.tensor([0.5, 0.25, 0.25]).view(1, 3, 1, 1)).item()
        0.75
    """
    return 1 + margin(p)


@torch.no_grad()
def entropy(p: Tensor) -> Tensor:
    """H(p) = −Σ_c p_c ln p_c, in nats.

    It has no gradient.
    """
    # Class by class with one temporary map: allocating a copy of p takes longer than the sums.
    total, log = torch.zeros_like(p[:, 0]), torch.empty_like(p[:, 0])
    for one in p.unbind(1):
        total.addcmul_(one, torch.clamp(one, 1e-12, 1, out=log).log_(), value=-1)
    return total


def _mean(passes: SampleStatistics) -> Tensor:
    if passes.mean is None or passes.count < 2:
        raise ValueError(f"passes={passes.count}: this measure compares at least 2 stochastic passes or members")
    return passes.mean


def vote_entropy(passes: SampleStatistics) -> Tensor:
    """−Σ_c (V_c/M) ln(V_c/M), where V_c is the number of passes whose argmax is c.

    Example:
        >>> passes = SampleStatistics()
        >>> for p in torch.tensor([[0.6, 0.4], [0.4, 0.6]]):
        ...     passes.add(p.view(1, 2, 1, 1))
        >>> round(vote_entropy(passes).item(), 3)  # ln 2
        0.693
    """
    _mean(passes)
    assert passes.votes is not None
    return entropy(passes.votes)


def soft_vote_entropy(passes: SampleStatistics) -> Tensor:
    """H(p̄): entropy of the mean of M softmaxes.

    Example:
        >>> passes = SampleStatistics()
        >>> for p in torch.tensor([[0.6, 0.4], [0.4, 0.6]]):
        ...     passes.add(p.view(1, 2, 1, 1))
        >>> round(soft_vote_entropy(passes).item(), 3)  # ln 2
        0.693
    """
    return entropy(_mean(passes))


def bald(passes: SampleStatistics) -> Tensor:
    """Mutual information H(p̄) − mean_m H(p_m).

    Example:
        >>> passes = SampleStatistics()
        >>> for p in torch.tensor([[1.0, 0.0], [0.0, 1.0]]):
        ...     passes.add(p.view(1, 2, 1, 1))
        >>> round(bald(passes).item(), 3)  # ln 2 − 0
        0.693
    """
    assert passes.entropy is not None
    return (entropy(_mean(passes)) - passes.entropy).clamp_min(0)


def mc_variance(passes: SampleStatistics) -> Tensor:
    """Variance over passes, summed over classes: Σ_c (1/M) Σ_m (p_mc − p̄_c)².

    Example:
        >>> passes = SampleStatistics()
        >>> for p in torch.tensor([[1.0, 0.0], [0.0, 1.0]]):
        ...     passes.add(p.view(1, 2, 1, 1))
        >>> mc_variance(passes).item()
        0.5
    """
    mean = _mean(passes)
    assert passes.square is not None
    return (passes.square - mean**2).clamp_min(0).sum(1)


def bhattacharyya_disagreement(passes: SampleStatistics) -> Tensor:
    """1 − Σ_c (Π_m p_mc)^(1/M), computed in logarithms.

    Example:
        >>> passes = SampleStatistics()
        >>> for p in torch.tensor([[1.0, 0.0], [0.0, 1.0]]):
        ...     passes.add(p.view(1, 2, 1, 1))
        >>> round(bhattacharyya_disagreement(passes).item(), 3)
        1.0
    """
    _mean(passes)
    assert passes.log is not None
    return 1 - passes.log.exp().sum(1).clamp_max(1)


def image_score(pixels: Tensor, top: float = 1.0) -> Tensor:
    """Mean over the fraction `top` of most uncertain pixels: map (B, H, W) -> (B,) float32.

    top = 1 is the mean over all pixels (Poudel et al. 2024, eq. 4); top = 0.1 that over the most uncertain tenth.

    Raises:
        ValueError: top outside (0, 1].

    Example:
        >>> pixels = torch.tensor([[[0.0, 0.25, 0.5, 0.75]]])
        >>> image_score(pixels).item(), image_score(pixels, top=0.5).item()
        (0.375, 0.625)
    """
    if not 0 < top <= 1:
        raise ValueError(f"top={top}: expected a fraction of the pixels in (0, 1]")
    flat = pixels.float().flatten(1)
    if top < 1:
        flat = flat.topk(max(1, round(top * flat.shape[1])), dim=1).values
    return flat.mean(1)


SINGLE = {"least-confidence": least_confidence, "margin": margin, "bvsb": bvsb, "entropy": entropy}
"""Measures of one probability map (B, C, H, W)."""

SEVERAL = {
    "vote-entropy": vote_entropy,
    "soft-vote-entropy": soft_vote_entropy,
    "bald": bald,
    "mc-variance": mc_variance,
}
"""Measures of M ≥ 2 passes or members."""


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) maps resized to (h, w): area averages where both sides shrink, else bilinear.

    Example:
        >>> resize(torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]]), (1, 1)).item()
        1.5
    """
    if maps.shape[-2:] == size:
        return maps
    if maps.shape[-2] >= size[0] and maps.shape[-1] >= size[1]:
        return torch.nn.functional.interpolate(maps, size=size, mode="area")
    return torch.nn.functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def too_small(shape: Sequence[int]) -> bool:
    """Whether a map (..., D, h, w) is below what `class_features` are compared on.

    On 1 x 1, F₁ = ŷ₁E and F₀ = ŷ₀E are parallel for every image, and with one channel all vectors are.

    Example:
        >>> too_small((512, 1, 1)), too_small((1, 8, 8)), too_small((512, 2, 2))
        (True, True, False)
    """
    return min(shape[-3:]) < 2


def small_map(shape: Sequence[int]) -> str:
    """What is wrong with a map that is `too_small`.

    Example:
        >>> small_map((512, 1, 1))
        'cos(F₁, F₀) of a map of 1 x 1 (512 channels) is 1 for every image; it needs 2 x 2 and 2 channels'
    """
    channels, height, width = shape[-3:]
    fault = "is 1 for every image" if channels == 1 or height == width == 1 else "compares too few positions"
    return f"cos(F₁, F₀) of a map of {height} x {width} ({channels} channels) {fault}; it needs 2 x 2 and 2 channels"


def class_features(probabilities: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """F₁ and F₀ (B, D) of Huang et al. 2024: spatial means of ŷ_c⊙E, in float32.

    Args:
        probabilities: (B, C, H, W), resized to the map; class 0 is the background, all others are foreground.
        features: E (B, D, h, w), an encoder map, in the paper the deepest.

    Example:
        >>> background = torch.tensor([[[[1.0, 0.0]]]])  # left pixel background, right pixel foreground
        >>> foreground_mean, background_mean = class_features(background, torch.tensor([[[[2.0, 6.0]]]]))
        >>> foreground_mean.item(), background_mean.item()
        (3.0, 1.0)
    """
    e = features.float().flatten(2)
    background = resize(probabilities.float()[:, :1], (features.shape[-2], features.shape[-1])).flatten(2)
    return ((1 - background) * e).mean(2), (background * e).mean(2)
