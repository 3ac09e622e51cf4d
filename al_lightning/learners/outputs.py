"""From what a network puts out to probabilities and classes, and the mean of several outputs."""

from __future__ import annotations

import torch
from torch import Tensor


def probabilities(logits: Tensor) -> Tensor:
    """Logits (B, K, H, W) -> (B, C, H, W): softmax, or (1 − p, p) of a sigmoid head (K = 1)."""
    if logits.shape[1] == 1:
        p = logits.sigmoid()
        return torch.cat([1 - p, p], 1)
    return logits.softmax(1)


def classes(logits: Tensor) -> Tensor:
    """Logits (B, K, H, W) -> class indices (B, H, W) int64; a sigmoid head (K = 1) says foreground from p = 0.5 on."""
    return (logits[:, 0] >= 0).long() if logits.shape[1] == 1 else logits.argmax(1)


class Moments:
    """Running mean and mean square of M maps of equal shape; memory does not grow with M."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: Tensor = torch.zeros(())
        self.square: Tensor = torch.zeros(())

    def add(self, value: Tensor) -> None:
        """Count one map, of any shape."""
        self.count += 1
        self.mean = self.mean + (value - self.mean) / self.count
        self.square = self.square + (value**2 - self.square) / self.count

    def deviation(self) -> Tensor | None:
        """Standard deviation over the maps (biased: divided by M), of their shape; None for a single one."""
        return (self.square - self.mean**2).clamp_min(0).sqrt() if self.count > 1 else None
