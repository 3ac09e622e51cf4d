"""Every built-in strategy, small enough to test, and batches that provide whatever a strategy needs."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from al_lightning.core.arrays import Rows, Size
from al_lightning.core.prediction import Prediction, SampleStatistics
from al_lightning.core.strategy import RegionStrategy, Strategy, asks_for_regions
from al_lightning.strategies import STRATEGIES, TACoreset, UncertaintySampling

REQUIRED: dict[str, dict[str, Any]] = {"mixture": {"uncertain": UncertaintySampling("bvsb"), "diverse": TACoreset()}}
"""Options without a default, by strategy; a strategy that lacks one here fails."""
SHORT: dict[str, dict[str, Any]] = {"vaal": {"multiplier": 1 / 64, "iterations": 2, "batch_size": 4}}
"""What makes a strategy that trains something small enough to test; all else runs with its defaults."""
WINDOWS: dict[str, Any] = {"size": 8, "cost_iterations": 2, "cost_multiplier": 1 / 16}
"""The same for strategies of regions, of which each takes the options that it has."""
MEMBERS, DIMENSIONS = 4, 6


def strategy_of(name: str) -> Strategy | RegionStrategy:
    strategy: Strategy | RegionStrategy = STRATEGIES[name](**REQUIRED.get(name, {}), **SHORT.get(name, {}))
    if asks_for_regions(strategy):
        known = inspect.signature(STRATEGIES[name]).parameters
        small = {key: value for key, value in WINDOWS.items() if key in known}
        strategy = STRATEGIES[name](**REQUIRED.get(name, {}), **small)
    return strategy


REGIONS = sorted(name for name in STRATEGIES.builtin() if asks_for_regions(strategy_of(name)))
"""Strategies that ask for regions; strategies/regions/test_region_contract.py has their contract."""
IMAGES = sorted(set(STRATEGIES.builtin()) - set(REGIONS))
"""Strategies that ask for whole images; strategies/test_strategies_contract.py has their contract."""


def content(row: int, kind: str) -> int:
    """Images of equal content look alike: all of them, or pairs of neighbours."""
    return {"varied": row, "constant": 0, "duplicates": row // 4}[kind]


def pixels(rows: Rows, kind: str = "varied", size: Size = (24, 24)) -> np.ndarray[Any, Any]:
    """(n, 3, H, W) uint8, smooth, a function of the row alone; read-only. Both sides are divisible by 4."""
    found = np.empty((len(rows), 3, *size), np.uint8)
    for image, row in zip(found, rows, strict=True):
        coarse = np.random.default_rng([1, content(int(row), kind)]).integers(0, 256, (3, 4, 4))
        image[:] = 128 if kind == "constant" else np.kron(coarse, np.ones((size[0] // 4, size[1] // 4)))
    found.flags.writeable = False
    return found


def predict(
    rows: Iterable[int], fields: frozenset[str], kind: str = "varied", classes: int = 2, size: Size = (16, 16)
) -> Prediction:
    """A batch with only `fields` filled; each image's values are a function of its row alone."""
    rows = [int(row) for row in rows]
    known = {"probabilities", "depth", "deviation", "latent", "features", "passes", "members", "images"}
    assert fields <= known, f"the contract test cannot provide {sorted(fields - known)}: teach it to"
    columns: dict[str, list[torch.Tensor]] = {key: [] for key in ("maps", "depth", "latent", "features", "members")}
    for row in rows:
        generator = torch.Generator().manual_seed(content(row, kind))
        coarse = 4 * torch.randn(1, classes, 4, 4, generator=generator)
        logits = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")
        logits[:, 0] += 2 * float(torch.randn(1, generator=generator)) + (100 if row % 10 == 5 else 0)  # some empty
        noise = torch.randn(MEMBERS, classes, *size, generator=generator)
        columns["maps"].append((logits + noise).softmax(1))
        columns["depth"].append(torch.rand(MEMBERS, 1, *size, generator=generator) * 20)
        columns["latent"].append(torch.randn(DIMENSIONS, generator=generator))
        columns["features"].append(torch.randn(DIMENSIONS, 4, 4, generator=generator).relu())
        columns["members"].append(torch.randn(MEMBERS, DIMENSIONS, generator=generator).relu())
    stacked = {key: torch.stack(column) for key, column in columns.items()}
    statistics = SampleStatistics()
    for member in range(MEMBERS):
        statistics.add(stacked["maps"][:, member])
    everything: dict[str, Any] = {
        "probabilities": stacked["maps"].mean(1),
        "depth": stacked["depth"].mean(1),
        "deviation": stacked["depth"].std(1),
        "latent": stacked["latent"],
        "features": stacked["features"],
        "members": stacked["members"],
        "passes": statistics,
    }
    filled = {key: value for key, value in everything.items() if key in fields}
    return Prediction(torch.tensor(rows), **filled)
