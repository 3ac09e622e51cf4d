"""CEAL (Wang et al. 2016), dense: uncertain images for the annotator, confident pixels as pseudo-labels."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from al_lightning.core.arrays import Floats
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Pseudo, Query
from al_lightning.core.strategy import Candidates
from al_lightning.strategies.base import highest
from al_lightning.strategies.uncertain import UncertaintySampling
from al_lightning.uncertainty import entropy

UPPER = np.geomspace(1e-8, log(256), 128)
"""Upper edges of the bins of pixel entropy in nats: each is 17 % above the one before."""


@dataclass(frozen=True)
class CEAL:
    """The B images of highest mean pixel uncertainty; of every other image with at least one pixel of entropy
    H ≤ δ_t, those pixels keep the argmax as pseudo-label for one stage (Wang et al. 2016).

    H, which chooses, and the pseudo-labels are of one distribution: with `learner.mc_passes` above 1 that of the mean
    over the same passes. t is the number of selections before this one, and δ_t = max(0, delta − decay·t); at δ_t = 0
    nothing is pseudo-labelled.

    Args:
        uncertainty (str): the measure that ranks images for the annotator: "entropy", "least-confidence" or "margin".
            Default "entropy".
        delta (float): δ_0, in nats or, with threshold "quantile", a fraction of pixels; at least 0. Default 0.005.
        decay (float): decrease of δ_t per stage, at least 0. Default 0.00033.
        threshold (str): "nats" takes δ_t as an entropy; "quantile" takes it as the fraction of pixels of the unlabelled
            pool whose entropy is at most the threshold, which is then read from a histogram of 128 bins per image
            (from 1e-8 nats on, each bin 17 % wide). Default "nats".
    """

    uncertainty: str = "entropy"
    delta: float = 0.005
    decay: float = 0.00033
    threshold: Literal["nats", "quantile"] = "nats"
    needs: ClassVar[frozenset[str]] = frozenset({"probabilities"})

    def __post_init__(self) -> None:
        known = ("entropy", "least-confidence", "margin")
        if self.uncertainty not in known:
            raise ValueError(f"uncertainty={self.uncertainty!r}: expected one of {list(known)}")
        if self.threshold not in ("nats", "quantile"):
            raise ValueError(f"threshold={self.threshold!r}: expected 'nats' or 'quantile'")
        most = 1.0 if self.threshold == "quantile" else np.inf
        if not 0 <= self.delta <= most or self.delta == np.inf:
            raise ValueError(f"delta={self.delta}: expected a number of at least 0, as quantile at most 1")
        if not 0 <= self.decay < np.inf:
            raise ValueError(f"decay={self.decay}: expected a finite number of at least 0")

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        assert prediction.probabilities is not None
        pixels = entropy(prediction.probabilities.float()).clamp_min(0).flatten(1)
        found = UncertaintySampling(self.uncertainty).measure(prediction) | {"entropy-least": pixels.amin(1)}
        if self.threshold == "quantile":
            found["entropy-histogram"] = histogram(pixels)
        return found

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        query = highest(candidates, candidates.value(self.uncertainty), per_stage, self.uncertainty)
        delta = max(0.0, self.delta - self.decay * candidates.stage)
        if delta == 0:
            return query
        if self.threshold == "quantile":
            counts = candidates.value("entropy-histogram")[candidates.unlabelled].sum(axis=0, dtype=np.float64)
            delta = quantile(counts, delta)
        left = candidates.also_labelled(query.rows).unlabelled
        confident = left[candidates.value("entropy-least")[left] <= delta]
        pseudo = Pseudo(candidates.rows[confident], "confident", delta) if len(confident) else None
        return Query(query.rows, query.source, query.score, pseudo)


def histogram(pixels: Tensor) -> Tensor:
    """Entropies (B, n) in nats -> (B, 128) int32 counts; bin i counts UPPER[i−1] < H ≤ UPPER[i].

    Example:
        >>> counts = histogram(torch.tensor([[0.0, 0.0, 6.0]]))
        >>> counts[0, 0].item(), counts[0, 1:].sum().item()
        (2, 1)
    """
    edges = torch.from_numpy(UPPER).to(pixels)
    index = torch.bucketize(pixels, edges).clamp_max(len(UPPER) - 1)
    counts = torch.zeros(len(pixels), len(UPPER), dtype=torch.int32, device=pixels.device)
    return counts.scatter_add_(1, index, torch.ones_like(index, dtype=torch.int32))


def quantile(counts: Floats, fraction: float) -> float:
    """Entropy in nats at or below which this fraction of the pixels counted in (128,) bins lies.

    Inside a bin the entropy is interpolated geometrically.

    Example:
        >>> counts = np.zeros(128)
        >>> counts[100] = 8  # eight pixels in one bin
        >>> bool(quantile(counts, 1.0) == UPPER[100])
        True
    """
    wanted = fraction * counts.sum()
    reached = np.cumsum(counts)
    i = min(int(np.searchsorted(reached, wanted)), len(counts) - 1)
    if i == 0:
        return float(UPPER[0])
    inside = (wanted - reached[i - 1]) / counts[i] if counts[i] else 1.0
    return float(UPPER[i - 1] * (UPPER[i] / UPPER[i - 1]) ** min(inside, 1.0))
