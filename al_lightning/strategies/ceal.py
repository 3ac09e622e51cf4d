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

    t is the number of selections before this one, and δ_t = max(0, delta − decay·t); at δ_t = 0 nothing is
    pseudo-labelled.

    uncertainty: "entropy", "least-confidence" or "margin", the measure that ranks images for the annotator.
    delta, decay: of δ_t.
    threshold: "nats": δ_t is an entropy; "quantile": it is the share of pixels of the unlabelled pool that are
        at or below the entropy used, read from a histogram of 128 bins an image (1e-8 nats and up, to 17 %).
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
    """Entropies (B, n) in nats -> (B, 128) int32 counts; bin i holds UPPER[i−1] < H ≤ UPPER[i]."""
    edges = torch.from_numpy(UPPER).to(pixels)
    index = torch.bucketize(pixels, edges).clamp_max(len(UPPER) - 1)
    counts = torch.zeros(len(pixels), len(UPPER), dtype=torch.int32, device=pixels.device)
    return counts.scatter_add_(1, index, torch.ones_like(index, dtype=torch.int32))


def quantile(counts: Floats, share: float) -> float:
    """Entropy at or below which `share` of the pixels counted in (128,) bins lie, geometric inside a bin."""
    wanted = share * counts.sum()
    reached = np.cumsum(counts)
    i = min(int(np.searchsorted(reached, wanted)), len(counts) - 1)
    if i == 0:
        return float(UPPER[0])
    part = (wanted - reached[i - 1]) / counts[i] if counts[i] else 1.0
    return float(UPPER[i - 1] * (UPPER[i] / UPPER[i - 1]) ** min(part, 1.0))
