"""Pools of a few rows, and predictions written out, for the tests of strategies."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from al_lightning.core.prediction import SampleStatistics
from al_lightning.core.strategy import Candidates

RNG = np.random.default_rng


def pool(labelled: list[int] | None = None, stage: Any = 0, images: Any = None, **values: Any) -> Candidates:
    """Rows 0..N−1 with these values; underscores of a name stand for hyphens."""
    arrays = {key.replace("_", "-"): np.asarray(value) for key, value in values.items()}
    n = len(next(iter(arrays.values())))
    mask = np.isin(np.arange(n), labelled or [])
    return Candidates.of(range(n), [str(i) for i in range(n)], mask, arrays, images, stage)


def binary(foreground: Any) -> torch.Tensor:
    p = torch.as_tensor(foreground, dtype=torch.float32)
    return torch.stack([1 - p, p], dim=1)


def statistics_of(foregrounds: list[Any]) -> SampleStatistics:
    statistics = SampleStatistics()
    for foreground in foregrounds:
        statistics.add(binary(foreground))
    return statistics


def images(n: int, seed: int = 0, size: int = 16) -> np.ndarray[Any, Any]:
    """Smooth images whose principal values fall as fast as those of natural ones."""
    axes = np.linalg.qr(RNG(seed).standard_normal((48, 48)))[0] * np.geomspace(1, 1e-2, 48)
    coarse = torch.from_numpy(128 + 120 * RNG(seed + 1).standard_normal((n, 48)) @ axes.T).reshape(n, 3, 4, 4)
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 255).byte().numpy()
