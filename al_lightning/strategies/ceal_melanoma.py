"""CEAL for melanoma segmentation (Gorriz et al. 2017): four groups of images by one measure of uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from al_lightning.core.arrays import Floats
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Pseudo, Query
from al_lightning.core.strategy import Candidates
from al_lightning.strategies.base import draw, top_up
from al_lightning.uncertainty import mc_variance

BINS = 80
"""Bins of the histogram of u."""
TAIL = 5
"""Number of last bins, in which the most uncertain images are."""
BEYOND_MODE, BEFORE = 6, 47
"""The random group lies between edge(mode + 6) and edge(47)."""

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class CEALMelanoma:
    """Images without a detection, the most uncertain and random ones to annotate; certain ones are pseudo-labelled.

    u(x) = Σ_pixels v·w: v the variance of the foreground over MC passes, w the distance to the contour inside the
    deterministic prediction, binarised at 0.5, over its maximum; w ≡ 0 for an empty mask, so u = 0. The groups are
    disjoint, picked in the order of the options, and a short one is filled with the next most uncertain images.
    As published, the passes choose the certain images, and their pseudo-labels are of one pass without dropout.

    Args:
        not_detected (int): proportion of images without a detection, at least 0; 10 of 35 picks in the paper. Default
            10.
        most_uncertain (int): proportion of most uncertain images, at least 0; 10 of 35 picks in the paper. Default 10.
        random (int): proportion of random images, at least 0; 15 of 35 picks in the paper. Default 15.
        mode (str): "histogram" follows the paper on 80 bins of u. Not detected: lowest u. Most uncertain: of the last
            five bins the rarest until there are enough images, then at random. Random: from six bins above the mode
            up to edge 47. Pseudo-labels: the mode bin. "quantile" takes the lowest u, the highest, at random from
            the rest, and pseudo-labels the lowest with a non-empty mask. Default "histogram".
        pseudo_from (int): first stage t with pseudo-labels, at least 0. Default 5.
        pseudo_first (int): number of pseudo-labels at that stage, at least 0. Default 20.
        pseudo_step (int): increase of their number per stage, at least 0: 20 + 20·(t − 5) in the paper. Default 20.
        pseudo_kind (str): "soft" or "hard" masks. Default "soft".
    """

    not_detected: int = 10
    most_uncertain: int = 10
    random: int = 15
    mode: Literal["histogram", "quantile"] = "histogram"
    pseudo_from: int = 5
    pseudo_first: int = 20
    pseudo_step: int = 20
    pseudo_kind: Literal["soft", "hard"] = "soft"
    needs: ClassVar[frozenset[str]] = frozenset({"probabilities", "passes"})

    def __post_init__(self) -> None:
        for name in ("not_detected", "most_uncertain", "random", "pseudo_from", "pseudo_first", "pseudo_step"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 0")
        if self.not_detected + self.most_uncertain + self.random == 0:
            raise ValueError("not_detected=0, most_uncertain=0, random=0: expected at least one positive proportion")
        if self.mode not in ("histogram", "quantile"):
            raise ValueError(f"mode={self.mode!r}: expected 'histogram' or 'quantile'")
        if self.pseudo_kind not in ("soft", "hard"):
            raise ValueError(f"pseudo_kind={self.pseudo_kind!r}: expected 'soft' or 'hard'")

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        assert prediction.probabilities is not None
        assert prediction.passes is not None
        variance = mc_variance(prediction.passes)
        if prediction.probabilities.shape[1] == 2:
            variance = variance / 2  # both classes have the variance of the foreground
        sure = prediction.probabilities if prediction.deterministic is None else prediction.deterministic()
        mask = sure[:, 0] <= 0.5  # class 0 is the background
        score = (variance.double() * contour_distance(mask)).sum((1, 2))
        return {"contour-variance": score, "detected": mask.flatten(1).any(1)}

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        position = candidates.unlabelled
        u = candidates.value("contour-variance")
        numbers = apportion(per_stage, (self.not_detected, self.most_uncertain, self.random))
        number = 0
        if candidates.stage >= self.pseudo_from:
            number = self.pseudo_first + self.pseudo_step * (candidates.stage - self.pseudo_from)
        detected = candidates.value("detected")[position]
        groups = histogram_groups if self.mode == "histogram" else quantile_groups
        picks, certain = groups(u[position], detected, numbers, rng)
        query = Query.of(np.empty(0, np.int64), "")
        for name, pick in zip(("not-detected", "most-uncertain", "random"), picks, strict=True):
            query += Query.of(candidates.rows[position[pick]], name, u[position[pick]])
        query = top_up(candidates, query, u, per_stage)
        sure = candidates.rows[position[certain]]
        sure = sure[~np.isin(sure, query.rows)]
        # the mode bin is drawn from at random; in the quantile mode the images are in ascending order of u
        sure = draw(sure, number, rng) if self.mode == "histogram" else sure[:number]
        pseudo = Pseudo(np.sort(sure), self.pseudo_kind, distribution="deterministic") if len(sure) else None
        return Query(query.rows, query.source, query.score, pseudo)


def contour_distance(mask: Tensor) -> Tensor:
    """(B, H, W) bool -> (B, H, W) float64 on the same device: distance to the nearest background pixel over its
    maximum in the image, in [0, 1]; 0 outside and for an empty mask, 1 everywhere where there is no background.

    Example:
        >>> contour_distance(torch.tensor([[[False, True, True, True, False]]])).tolist()
        [[[0.0, 0.5, 1.0, 0.5, 0.0]]]
    """
    weights = np.zeros(mask.shape)
    for weight, inside in zip(weights, mask.cpu().numpy(), strict=True):
        if inside.all():
            weight[:] = 1
        elif inside.any():
            distance = distance_transform_edt(inside)
            weight[:] = distance / distance.max()
    return torch.from_numpy(weights).to(mask.device)


def apportion(number: int, proportions: tuple[int, ...]) -> tuple[int, ...]:
    """Whole numbers in these proportions that add up to `number`: largest remainders, of equal ones the first.

    Example:
        >>> apportion(7, (10, 10, 15)), apportion(4, (1, 1, 1))
        ((2, 2, 3), (2, 1, 1))
    """
    exact = [number * proportion / sum(proportions) for proportion in proportions]
    whole = [floor(value + 1e-9) for value in exact]
    by_remainder = sorted(range(len(whole)), key=lambda i: (whole[i] - exact[i], i))
    for i in by_remainder[: number - sum(whole)]:
        whole[i] += 1
    return tuple(whole)


def histogram_groups(
    u: Floats, detected: NDArray[np.bool_], numbers: tuple[int, ...], rng: np.random.Generator
) -> tuple[list[Positions], Positions]:
    """Positions in u (N,) of the three groups, each at most numbers[i], disjoint; and those of the mode bin.

    Bins are half-open but for the last, which includes the maximum. `detected` (N,) is not used here.

    Example:
        >>> u = np.array([0.0, 0.1, 0.2, 80.0])
        >>> groups, mode = histogram_groups(u, u > 0, (1, 1, 0), np.random.default_rng(0))
        >>> [group.tolist() for group in groups], mode.tolist()
        ([[0], [3], []], [0, 1, 2])
    """
    edges = np.histogram_bin_edges(u.astype(np.float64), BINS)
    bin_ = np.clip(np.searchsorted(edges, u, side="right") - 1, 0, BINS - 1)
    mode = int(np.bincount(bin_, minlength=BINS).argmax())
    free = np.ones(len(u), dtype=bool)
    lowest = np.argsort(u, kind="stable")[: numbers[0]]
    free[lowest] = False
    counts = np.bincount(bin_[free], minlength=BINS)[-TAIL:]
    rarest = np.argsort(counts, kind="stable") + BINS - TAIL
    enough = int(np.searchsorted(np.cumsum(counts[rarest - (BINS - TAIL)]), numbers[1])) + 1
    tail = draw(np.flatnonzero(free & np.isin(bin_, rarest[:enough])), numbers[1], rng)
    free[tail] = False
    between = free & (bin_ >= mode + BEYOND_MODE) & (bin_ < BEFORE)
    return [lowest, tail, draw(np.flatnonzero(between), numbers[2], rng)], np.flatnonzero(bin_ == mode)


def quantile_groups(
    u: Floats, detected: NDArray[np.bool_], numbers: tuple[int, ...], rng: np.random.Generator
) -> tuple[list[Positions], Positions]:
    """Positions in u (N,) of the lowest, the highest and some of the rest; and all detected ones by ascending u.

    Example:
        >>> u = np.array([0.3, 0.0, 0.2, 0.1])
        >>> groups, certain = quantile_groups(u, u > 0, (1, 1, 0), np.random.default_rng(0))
        >>> [group.tolist() for group in groups], certain.tolist()
        ([[1], [0], []], [3, 2, 0])
    """
    lowest = np.argsort(u, kind="stable")[: numbers[0]]
    free = np.ones(len(u), dtype=bool)
    free[lowest] = False
    rest = np.flatnonzero(free)
    highest = rest[np.argsort(-u[rest], kind="stable")[: numbers[1]]]
    free[highest] = False
    by_u = np.argsort(u, kind="stable")
    return [lowest, highest, draw(np.flatnonzero(free), numbers[2], rng)], by_u[detected[by_u]]
