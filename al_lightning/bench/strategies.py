"""Time and memory of each strategy's `select` on synthetic descriptors: `al-lightning bench strategies`."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from al_lightning.core.arrays import Floats, Rows
from al_lightning.core.prediction import Prediction, SampleStatistics
from al_lightning.core.strategy import Candidates, Strategy
from al_lightning.strategies import STRATEGIES, TACoreset, UncertaintySampling

MEMBERS, MAP, IMAGE = 4, 4, 32
"""Members of the committee; sides of probability and feature maps, and of images, in pixels."""
BATCH = 500
TRAINS = frozenset({"vaal", "cereals"})
"""Strategies that train a network of their own, whose time is that of the training."""
REGIONS = frozenset({"region-entropy", "region-random"})
"""Strategies that select from maps of pixels, whose time does not depend on N descriptors."""
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "mixture": ("mixture", {"uncertain": UncertaintySampling("entropy"), "diverse": TACoreset()}),
    "unc-pca-hash": ("unc-pca-hash", {"size": IMAGE}),
    "unc-pca-hash, pca_pixels": ("unc-pca-hash", {"descriptor": "pca_pixels"}),
    "information-density, signed": ("information-density", {}),
    "ceal, quantile": ("ceal", {"threshold": "quantile", "delta": 0.2}),
    "ceal-melanoma, quantile": ("ceal-melanoma", {"mode": "quantile"}),
}
"""Label -> (name, options): run in addition to the defaults, or instead of them where these need arguments."""

NUMBERS = {"seconds": "seconds", "cpu_seconds": "CPU seconds", "peak_mb": "peak MB above descriptors"}
COLUMNS = {"label": "strategy"} | NUMBERS | {"note": "note"}


def bench_strategies(
    n: int = 100_000, d: int = 512, budget: int = 1_000, names: Iterable[str] | None = None, limit: float = 600
) -> list[dict[str, Any]]:
    """Time each strategy that trains no network of its own, one after the other, and print a table.

    Each runs in a new process, because a peak never decreases. The pool has n images, `budget` of them labelled, as
    100 clusters of non-negative d-dimensional descriptors ("signed": of both signs), and a committee of 4 with d
    dimensions each. Images of pixel-based strategies are synthetic, 3 x 32 x 32. `measure` is not timed.

    Args:
        n: number of images.
        d: dimensions of a descriptor.
        budget: number of labelled images and of picks.
        names: labels to run, all by default.
        limit: seconds after which a strategy is stopped, as its note says.

    Returns:
        one dict per strategy: label, seconds, cpu_seconds of all threads (which other load on the machine affects
        less), peak_mb above the descriptors, note; the numbers are None where it was stopped.

    Raises:
        ValueError: an unknown label.
    """
    labels = [name for name in STRATEGIES if name not in TRAINS | REGIONS]
    labels = [*labels, *(label for label in VARIANTS if label not in labels)]
    if unknown := set(names or ()) - set(labels):
        raise ValueError(f"names={sorted(unknown)}: expected labels among {labels}")
    rows = []
    for label in labels if names is None else names:
        command = [sys.executable, "-m", "al_lightning.bench.strategies", label, str(n), str(d), str(budget)]
        try:
            found = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired:
            rows.append(dict.fromkeys(COLUMNS) | {"label": label, "note": f"stopped after {limit:g} s"})
            continue
        if found.returncode:
            raise RuntimeError(f"{label}: {found.stderr}")
        rows.append(json.loads(found.stdout.splitlines()[-1]))
        print(f"{label}: {rows[-1]['seconds']:.1f} s", file=sys.stderr)
    table = Table(title=f"select: {n:,} images, {d} dimensions, budget {budget:,}, {torch.get_num_threads()} threads")
    for key, title in COLUMNS.items():
        table.add_column(title, justify="left" if key in ("label", "note") else "right")
    for row in rows:
        numbers = ["-" if row[key] is None else f"{row[key]:,.1f}" for key in NUMBERS]
        table.add_row(row["label"], *numbers, row["note"])
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    return rows


def prediction(rows: Rows, d: int, needs: frozenset[str], signed: bool, rng: np.random.Generator) -> Prediction:
    """A random prediction with the fields that `needs` names."""
    n = len(rows)
    centres = np.random.default_rng(0).standard_normal((100, d)).astype(np.float32)
    cluster = rng.integers(0, 100, n)

    def descriptors(*shape: int) -> torch.Tensor:
        noise = rng.standard_normal((n, *shape, d), dtype=np.float32)
        found = noise + centres[cluster].reshape(n, *(1 for _ in shape), d)
        return torch.from_numpy(found if signed else np.maximum(found, 0, out=found))

    p = torch.from_numpy(rng.standard_normal((MEMBERS, n, 2, MAP, MAP), dtype=np.float32) * 3).softmax(2)
    made = Prediction(torch.from_numpy(rows), probabilities=p.mean(0))
    if "passes" in needs:
        made.passes = SampleStatistics()
        for one in p:
            made.passes.add(one)
    made.deviation = p.mean(0)[:, :1]
    made.latent = descriptors() if "latent" in needs else None
    made.members = descriptors(MEMBERS) if "members" in needs else None
    made.features = descriptors(MAP, MAP).permute(0, 3, 1, 2) if "features" in needs else None
    return made


def pool(strategy: Strategy, n: int, d: int, budget: int, signed: bool) -> Candidates:
    """Candidates as of the loop, filled batch by batch so that no copy adds to the peak."""
    rng = np.random.default_rng(1)
    rows = np.arange(n)
    values: dict[str, Floats] = {}
    for start in range(0, n, BATCH):
        batch = rows[start : start + BATCH]
        for name, value in strategy.measure(prediction(batch, d, strategy.needs, signed, rng)).items():
            array = value.numpy()
            values.setdefault(name, np.empty((n, *array.shape[1:]), array.dtype))[batch] = array
    images = textures(n, rng) if "images" in strategy.needs else None
    labelled = np.isin(rows, rng.choice(n, budget, replace=False))
    source = None if images is None else images.__getitem__
    return Candidates(rows, tuple(map(str, rows)), labelled, values, source, stage=6)


def textures(n: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(n, 3, 32, 32) sums of 300 random smooth images and noise, with a decreasing spectrum as in natural images."""
    coarse = torch.from_numpy(rng.standard_normal((300, 3, 6, 6), dtype=np.float32))
    smooth = torch.nn.functional.interpolate(coarse, size=(IMAGE, IMAGE), mode="bicubic").flatten(1).numpy()
    smooth *= np.geomspace(60, 1, len(smooth), dtype=np.float32)[:, None]
    found = np.empty((n, 3, IMAGE, IMAGE), np.uint8)
    for start in range(0, n, BATCH):
        batch = found[start : start + BATCH]
        mixed = 128 + rng.standard_normal((len(batch), len(smooth)), dtype=np.float32) @ smooth
        mixed += 3 * rng.standard_normal(mixed.shape, dtype=np.float32)
        batch[:] = mixed.clip(0, 255).reshape(batch.shape)
    return found


def _run(label: str, n: int, d: int, budget: int) -> dict[str, Any]:
    name, options = VARIANTS.get(label, (label, {}))
    strategy = STRATEGIES[name](**options)
    candidates = pool(strategy, n, d, budget, signed="signed" in label)
    before = _resident()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        start = time.perf_counter()
        cpu_start = time.process_time()
        query = strategy.select(candidates, budget, np.random.default_rng(2))
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    assert len(np.unique(query.rows)) == budget
    assert not candidates.labelled[query.rows].any()
    peak = _most_resident()
    note = "; ".join(str(w.message) for w in caught if issubclass(w.category, UserWarning))
    return {
        "label": label,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mb": (peak - before) / 2**20,
        "note": note,
    }


def _most_resident() -> int:
    """Largest resident size so far in bytes; macOS counts in bytes, Linux in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _resident() -> int:
    """Resident size now in bytes, or the largest so far where the system has no /proc."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else _most_resident()


if __name__ == "__main__":
    print(json.dumps(_run(sys.argv[1], *map(int, sys.argv[2:5]))))
