"""A pool of noise, and a VAAL that trains a few steps of small networks."""

from __future__ import annotations

import numpy as np
import torch

from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates
from al_lightning.strategies.vaal import VAAL, Adversaries

SMALL = VAAL(multiplier=1 / 64, iterations=3, batch_size=4)
ROWS = np.arange(3, 63, 2)
"""30 rows with gaps, so that a position taken for a row is found out."""
LABELLED = np.isin(ROWS, ROWS[[0, 1, 5, 8, 13, 21, 29]])


def noise_images(rows):
    """(n, 3, 32, 32), a function of the row alone, read-only."""
    found = np.stack([np.random.default_rng(row).integers(0, 256, (3, 32, 32), np.uint8) for row in rows])
    found.flags.writeable = False
    return found


def pool(labelled=LABELLED, order=None, images=noise_images) -> Candidates:
    order = np.arange(len(ROWS)) if order is None else order
    ids = [f"image-{row}" for row in ROWS[order]]
    return Candidates.of(ROWS[order], ids, labelled[order], images=images, trainer={"accelerator": "cpu"})


def select(strategy: VAAL, candidates: Candidates, budget: int = 6, seed: int = 0) -> Query:
    return strategy.select(candidates, budget, np.random.default_rng(seed))


def same(a: Query, b: Query) -> bool:
    return np.array_equal(a.rows, b.rows) and np.array_equal(a.score, b.score) and a.source == b.source


def adversaries(options: VAAL = SMALL) -> Adversaries:
    """With fixed weights, as it is when training begins."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = Adversaries(options, noise_images, 32, seed=5)
    model.on_fit_start()
    return model


def batches() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(3, 3, 32, 32, generator=generator), torch.rand(5, 3, 32, 32, generator=generator)
