"""Measurements of times and memory for the documentation, each in a file of its own, and the table of their names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from al_lightning.bench.k_center import bench_k_center
from al_lightning.bench.mc_dropout import bench_passes
from al_lightning.bench.regions import bench_regions
from al_lightning.bench.strategies import bench_strategies

BENCHES: dict[str, Callable[[], object]] = {
    "k-center": bench_k_center,
    "k-center-large": partial(bench_k_center, larger=True),
    "mc-dropout": bench_passes,
    "regions": bench_regions,
    "strategies": bench_strategies,
}
"""name -> what measures it and prints a table."""
