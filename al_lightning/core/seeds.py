"""Random streams that are independent for each seed, stage and purpose."""

from __future__ import annotations

import numpy as np


def random_stream(seed: int, stage: int, purpose: str) -> np.random.Generator:
    """An independent stream for each (seed, stage, purpose).

    The initial pool of one seed is thus the same whatever the strategy draws.

    Example:
        >>> draws = [random_stream(0, stage, "select").random() for stage in (1, 1, 2)]
        >>> draws[0] == draws[1], draws[1] == draws[2]
        (True, False)
    """
    return np.random.default_rng(np.random.SeedSequence([seed, stage, *purpose.encode()]))


def torch_seed(seed: int, stage: int, purpose: str) -> int:
    """A seed for torch, below 2^62, drawn from the stream of the same arguments.

    Example:
        >>> seeds = [torch_seed(0, stage, "score") for stage in (1, 1, 2)]
        >>> seeds[0] == seeds[1], seeds[1] == seeds[2]
        (True, False)
    """
    return int(random_stream(seed, stage, purpose).integers(2**62))
