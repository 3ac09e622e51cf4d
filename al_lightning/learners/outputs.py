"""Probabilities and classes from the logits of a network."""

from __future__ import annotations

import torch
from torch import Tensor


def probabilities(logits: Tensor) -> Tensor:
    """Logits (B, K, H, W) -> (B, C, H, W): softmax, or (1 − p, p) of a sigmoid head (K = 1).

    Example:
        >>> probabilities(torch.zeros(1, 1, 1, 1)).flatten().tolist()
        [0.5, 0.5]
    """
    if logits.shape[1] == 1:
        p = logits.sigmoid()
        return torch.cat([1 - p, p], 1)
    return logits.softmax(1)


def classes(logits: Tensor) -> Tensor:
    """Logits (B, K, H, W) -> class indices (B, H, W) int64; a sigmoid head (K = 1) is foreground from p = 0.5 on.

    Example:
        >>> classes(torch.tensor([-1.0, 0.0, 2.0]).view(1, 1, 1, 3)).flatten().tolist()
        [0, 1, 1]
    """
    return (logits[:, 0] >= 0).long() if logits.shape[1] == 1 else logits.argmax(1)
