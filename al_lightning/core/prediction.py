"""Batches, and the predictions of a learner for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import torch
from torch import Tensor


class Batch(TypedDict, total=False):
    """One batch as the datamodule yields it."""

    rows: Tensor
    """(B,) int64."""
    image: Tensor
    """(B, 3, H, W) uint8."""
    target: Tensor
    """(B, H, W) uint8 class indices with `IGNORE`, or (B, 1, H, W) float32 depth in cm."""
    native: list[Tensor]
    """B targets at their own size, where test metrics are computed at that size."""
    objects: list[Tensor]
    """B maps (H, W) of object ids, 0 background, next to `native` where the task scores objects."""
    parts: list[str]
    """B names of test parts, next to `objects` where the task has parts."""
    filler: bool
    """True for a batch that counts for nothing: a rank that has no images of its own gets an image of another one,
    because every rank needs a batch. `Evaluation` and the loop leave it out."""


def is_filler(batch: Any) -> bool:
    """Whether a batch, of any kind, is a `filler` of `Batch`.

    Example:
        >>> is_filler({"rows": torch.tensor([3])}), is_filler({"rows": torch.tensor([3]), "filler": True})
        (False, True)
    """
    return isinstance(batch, Mapping) and bool(batch.get("filler", False))


@dataclass
class SampleStatistics:
    """Running means over M samples of a map: stochastic passes or committee members. Memory does not grow with M.

    `add` takes one sample: probabilities (B, C, H, W), C ≥ 2, or depth (B, 1, H, W). The attributes are means over the
    samples; only `mean` and `square` are filled for depth.

    Example:
        >>> statistics = SampleStatistics()
        >>> for depth in (1.0, 3.0):
        ...     statistics.add(torch.full((1, 1, 1, 1), depth))
        >>> statistics.count, statistics.mean.item(), statistics.deviation().item()
        (2, 2.0, 1.0)
    """

    count: int = 0
    mean: Tensor | None = None
    """(B, C, H, W): p̄, or the mean depth."""
    square: Tensor | None = None
    """(B, C, H, W): mean of p², or of the squared depth."""
    votes: Tensor | None = None
    """(B, C, H, W): fraction of samples whose argmax is c."""
    entropy: Tensor | None = None
    """(B, H, W): mean of H(p), in nats."""
    log: Tensor | None = None
    """(B, C, H, W): mean of ln p, p clamped to [1e-12, 1]."""

    def add(self, sample: Tensor) -> None:
        """Accumulate one sample: x̄ ← x̄ + (x − x̄)/M for each of the means."""
        self.count += 1
        if sample.shape[1] == 1:
            self._add_depth(sample)
            return
        log = sample.clamp(1e-12, 1).log()
        votes = torch.zeros_like(sample).scatter_(1, sample.argmax(1, keepdim=True), 1.0)
        entropy = -(sample * log).sum(1)
        fresh = {"mean": sample, "square": sample**2, "votes": votes, "entropy": entropy, "log": log}
        for name, value in fresh.items():
            old = getattr(self, name)
            if old is None:
                setattr(self, name, value.clone())
            else:
                old.lerp_(value, 1 / self.count)  # in place, because maps of large images are slow to allocate

    def _add_depth(self, sample: Tensor) -> None:
        # Division, not lerp_ as above: it rounds differently, and deviations must stay those of earlier runs.
        mean, square = (sample.new_zeros(()) if x is None else x for x in (self.mean, self.square))
        self.mean = mean + (sample - mean) / self.count
        self.square = square + (sample**2 - square) / self.count

    def deviation(self) -> Tensor | None:
        """Standard deviation over the samples (biased: divided by M), in their shape; None for a single sample."""
        if self.count < 2 or self.mean is None or self.square is None:
            return None
        return (self.square - self.mean**2).clamp_min(0).sqrt()


@dataclass
class Prediction:
    """A learner's prediction for one batch of images, on the learner's device.

    The learner fills the fields that its `provides` names; the others are None.
    """

    rows: Tensor
    """(B,) int64."""
    probabilities: Tensor | None = None
    """"probabilities": (B, C, H, W), C ≥ 2, mean over passes or members where there are several."""
    deterministic: Callable[[], Tensor] | None = None
    """Computes (B, C, H, W) of one pass with dropout off, where `probabilities` is a mean over MC passes."""
    depth: Tensor | None = None
    """"depth": (B, 1, H, W) in cm, mean over passes or members."""
    deviation: Tensor | None = None
    """"deviation": (B, 1, H, W) in cm, standard deviation over passes or members."""
    latent: Tensor | None = None
    """"latent": (B, D) one descriptor per image."""
    features: Tensor | None = None
    """"features": (B, D, h, w) deepest encoder map, after its normalisation and activation."""
    levels: Mapping[str, Tensor] | None = None
    """"levels": every encoder map (B, D_i, h_i, w_i) by name, "encoder.0" the finest; the last one is `features`."""
    before_classifier: Callable[[], Tensor] | None = None
    """"before_classifier": computes (B, D, h', w'), the input of the last layer in a deterministic pass. The gradient
    with respect to that layer's weights is (p_c − [c = ŷ]) times this map (BADGE)."""
    passes: SampleStatistics | None = None
    """"passes": statistics over M ≥ 2 MC-dropout passes or committee members."""
    members: Tensor | None = None
    """"members": (B, M, D) one descriptor per image and committee member."""

    def level(self, name: str) -> Tensor:
        """The encoder map (B, D, h, w) of this name; "deepest" is the last.

        Raises:
            ValueError: the learner provides no map of this name; the message lists those it provides.
        """
        if name == "deepest" and self.features is not None:
            return self.features
        levels = self.levels or {}
        if name not in levels:
            known = ["deepest"] * (self.features is not None) + sorted(levels)
            raise ValueError(f"level={name!r}: the learner gives {', '.join(known) or 'no encoder maps'}")
        return levels[name]
