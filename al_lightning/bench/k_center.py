"""Time and memory of k-center-greedy against other implementations: `al-lightning bench k-center`."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import pairwise_distances

from al_lightning.neighbors import k_center_greedy

Picks = NDArray[np.int64]
ROWS = 4096
"""Vectors per chunk in the compared methods, so that none of them stores all distances at once."""
STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Problem:
    """Normally distributed features (N, D) float32 from a fixed seed, L of them labelled at random, and B picks."""

    points: int
    dimensions: int
    labelled: int
    budget: int
    seed: int = 0

    def make(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Features (N, D) and the labelled mask (N,)."""
        rng = np.random.default_rng(self.seed)
        features = rng.standard_normal((self.points, self.dimensions), dtype=np.float32)
        mask = np.zeros(self.points, dtype=bool)
        mask[rng.choice(self.points, self.labelled, replace=False)] = True
        return features, mask

    def __str__(self) -> str:
        return f"{self.points:,} × {self.dimensions}, {self.labelled:,} labelled, {self.budget:,} picks"


@dataclass
class Timing:
    """Wall-clock seconds of each repeat, and the picks (None for the matrix product alone)."""

    name: str
    picks: Picks | None = None
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def loop_sklearn(features: NDArray[np.float32], mask: NDArray[np.bool_], budget: int) -> Picks:
    """The published loop: one call of `pairwise_distances` per pick; the first minima are computed in chunks here."""
    starts = range(0, len(features), ROWS)
    minima = np.concatenate([pairwise_distances(features[s : s + ROWS], features[mask]).min(axis=1) for s in starts])
    minima[mask] = -1
    picks = np.empty(budget, dtype=np.int64)
    for step in range(budget):
        picks[step] = minima.argmax()
        centre = features[picks[step], None]
        minima = np.minimum(minima, pairwise_distances(features, centre)[:, 0])
        minima[picks[step]] = -1
    return picks


def loop_torch(features: NDArray[np.floating[Any]], mask: NDArray[np.bool_], budget: int) -> Picks:
    """One pass over the pool per pick, at the least cost: stored squared norms and one matrix-vector product."""
    x = torch.from_numpy(features)
    norms = x.square().sum(1)
    flags = torch.from_numpy(mask)
    centres, starts = x[flags], range(0, len(x), ROWS)
    minima = torch.cat([torch.cdist(x[s : s + ROWS], centres).amin(1).square() for s in starts])
    minima[flags] = -1
    picks = np.empty(budget, dtype=np.int64)
    for step in range(budget):
        pick = int(minima.argmax())
        picks[step] = pick
        minima = torch.minimum(minima, torch.add(norms, x @ x[pick], alpha=-2).add_(norms[pick]))
        minima[pick] = -1
    return picks


def product_alone(features: NDArray[np.float32], mask: NDArray[np.bool_], budget: int) -> None:
    """Only the matrix product for all N × (L + B) distances; its chunks are discarded."""
    x = torch.from_numpy(features)
    centres = torch.cat([x[torch.from_numpy(mask)], x[:budget]]).T
    for start in range(0, len(x), ROWS):
        torch.mm(x[start : start + ROWS], centres)


def ours(features: NDArray[np.float32], mask: NDArray[np.bool_], budget: int) -> Picks:
    """`neighbors.k_center_greedy` as strategies call it."""
    return k_center_greedy(features, mask, budget)[0]


def time_in_turn(problem: Problem, methods: dict[str, Callable[..., Picks | None]], repeats: int) -> list[Timing]:
    """Time each method `repeats` times in turn, so that other load on the machine affects all methods.

    A first round on a tenth of the problem starts the thread pools and is not timed.
    """
    features, mask = problem.make()
    small = slice(0, max(problem.points // 10, 2))
    timings = [Timing(name) for name in methods]
    for method in methods.values():
        method(features[small], mask[small], 2)
    for _ in range(repeats):
        for timing, method in zip(timings, methods.values(), strict=True):
            time.sleep(0.2)  # idle threads of the previous method keep spinning for a while
            start = time.perf_counter()
            timing.picks = method(features, mask, problem.budget)
            timing.seconds.append(time.perf_counter() - start)
    return timings


def peak_extra_mib(problem: Problem) -> float | None:
    """MiB of peak resident memory of `k_center_greedy` beyond that of the features, or None without /proc.

    Runs in a new process, because a peak never decreases. Buffers of FAISS and BLAS are included.
    """
    if not STATUS.exists():
        return None
    context = multiprocessing.get_context("spawn")
    parent, child = context.Pipe(duplex=False)
    process = context.Process(target=_measure_peak, args=(problem, child))
    process.start()
    child.close()
    try:
        return float(parent.recv())
    except EOFError:
        raise RuntimeError("the process that measures memory ended without an answer") from None
    finally:
        process.join()


def _measure_peak(problem: Problem, answer: Any) -> None:
    features, mask = problem.make()
    before = _status_mib("VmRSS")
    ours(features, mask, problem.budget)
    answer.send(_status_mib("VmHWM") - before)


def _status_mib(key: str) -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key + ":"))
    return int(line.split()[1]) / 1024


def agreement(picks: Picks | None, reference: Picks) -> str:
    """Whether two lists of picks are the same, and if not, how many they have in common.

    Example:
        >>> agreement(np.array([1, 2]), np.array([1, 2])), agreement(np.array([1, 3]), np.array([1, 2]))
        ('same', '1 of 2 in common')
    """
    if picks is None:
        return "–"
    if np.array_equal(picks, reference):
        return "same"
    common = len(np.intersect1d(picks, reference))
    if common == len(reference):
        return f"same but for the order of {int((picks != reference).sum())}"
    return f"{common} of {len(reference)} in common"


def table(problem: Problem, timings: list[Timing], exact: Picks, extra: float | None) -> Table:
    """One line per method, ours first; `exact` are the picks of the loop in float64."""
    own = timings[0]
    view = Table(title=f"k-center-greedy: {problem}, {torch.get_num_threads()} threads")
    for column in ("method", "seconds (median)", "range", "÷ ours", "extra MiB", "picks of the float64 loop"):
        view.add_column(column, justify="left" if column.startswith(("method", "picks")) else "right")
    for timing in timings:
        view.add_row(
            timing.name,
            f"{timing.median:.3f}",
            f"{min(timing.seconds):.3f}–{max(timing.seconds):.3f}",
            f"{timing.median / own.median:.2f}",
            f"{extra:.0f}" if timing is own and extra is not None else "–",
            agreement(timing.picks, exact),
        )
    return view


def bench_k_center(larger: bool = False, repeats: int = 5) -> None:
    """Print the time of k-center-greedy, of one pass per pick, and of the matrix product alone.

    Args:
        larger: 100,000 × 512, 2,000 labelled, 2,000 picks, against the torch loop only; otherwise the size of
            the depth pool, 13,104 × 512, 1,310 labelled, 655 picks.
        repeats: timings per method, of which the median is shown (at most 2 where `larger`).
    """
    methods: dict[str, Callable[..., Picks | None]] = {
        "al_lightning": ours,
        "torch, one pass a pick": loop_torch,
    }
    if larger:
        problem = Problem(100_000, 512, 2_000, 2_000)
        repeats = min(repeats, 2)
    else:
        problem = Problem(13_104, 512, 1_310, 655)
        methods |= {"scikit-learn pairwise_distances, published loop": loop_sklearn}
        methods |= {"matrix product of the same distances": product_alone}
    timings = time_in_turn(problem, methods, repeats)
    features, mask = problem.make()
    exact = loop_torch(features.astype(np.float64), mask, problem.budget)
    Console().print(table(problem, timings, exact, peak_extra_mib(problem)))
