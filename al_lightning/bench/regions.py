"""Time to find the disjoint windows of one large image: `al-lightning bench regions`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from al_lightning.core.arrays import Size
from al_lightning.strategies.regions.windows import box_sums, information, suppress
from al_lightning.uncertainty import entropy


def runner_up(values: Tensor, window: int) -> int:
    """The compared method: sums by average pooling, then argmax over the whole map, overlapping windows removed.

    Args:
        values: (H, W).
        window: side in pixels.

    Returns:
        The number of windows taken.
    """
    sums = avg_pool2d(values[None, None], window, 1)[0, 0] * window**2
    taken = 0
    while True:
        row, column = divmod(int(sums.argmax()), sums.shape[1])
        if sums[row, column] == -torch.inf:
            return taken
        sums[max(row - window + 1, 0) : row + window, max(column - window + 1, 0) : column + window] = -torch.inf
        taken += 1


def bench_regions(size: Size = (1024, 2048), window: int = 128, classes: int = 19, repeats: int = 5) -> None:
    """Print median seconds of each step from the probabilities of one image to its disjoint windows, at every pixel."""
    torch.manual_seed(0)
    coarse = 3 * torch.randn(1, classes, size[0] // 16, size[1] // 16)
    p = interpolate(coarse, size=size, mode="bilinear").softmax(1)
    pixels = entropy(p)
    gain = information(pixels, (window, window), classes)
    steps: dict[str, Callable[[], object]] = {
        "entropy": lambda: entropy(p),
        "sums of all windows": lambda: box_sums(pixels, (window, window)),
        "suppression": lambda: suppress(gain, (window, window), size),
        "all of it": lambda: suppress(information(entropy(p), (window, window), classes), (window, window), size),
        "average pooling and argmax (sums and suppression)": lambda: runner_up(pixels[0], window),
    }
    table = Table("step", "seconds", title=f"{size[0]} x {size[1]}, {classes} classes, windows of {window} x {window}")
    for name, run in steps.items():
        times = []
        for _ in range(repeats):
            begin = time.perf_counter()
            run()
            times.append(time.perf_counter() - begin)
        table.add_row(name, f"{statistics.median(times):.3f}")
    Console().print(table)
