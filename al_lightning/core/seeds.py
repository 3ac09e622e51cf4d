"""Random streams: independent for each seed, stage and purpose."""

from __future__ import annotations

import numpy as np


def random_stream(seed: int, stage: int, purpose: str) -> np.random.Generator:
    """An independent stream for each (seed, stage, purpose): the initial pool of one seed is the same
    whatever the strategy draws."""
    return np.random.default_rng(np.random.SeedSequence([seed, stage, *purpose.encode()]))


def torch_seed(seed: int, stage: int, purpose: str) -> int:
    """A seed for torch from the same streams."""
    return int(random_stream(seed, stage, purpose).integers(2**62))
