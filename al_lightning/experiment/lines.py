"""Lines that a run prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl

from al_lightning.experiment.setup import Setup


def stage_line(row: Mapping[str, Any], header: bool = False) -> str:
    """A stage row as a line for the terminal, after a line of titles where `header` is set.

    Example:
        >>> seconds = {"fit": 8.0, "test": 1.0, "score": 0.5, "select": 0.1}
        >>> row = {"stage": 0, "labelled": 20, "fraction": 0.1, "steps": 30, "test": {"miou": 0.75}, "seconds": seconds}
        >>> stage_line(row).split()
        ['0', '20', '10.0', '%', '30', '75.00', '8.0', '1.0', '0.5', '0.1']
    """
    names = [name for name in ("miou", "iou", "dice", "rmse_cm", "mae_cm") if name in row["test"]]
    metrics = "".join(f"{_figure(name, row['test'][name]):>9}" for name in names)
    times = "".join(f"{row['seconds'][step]:>9.1f}" for step in ("fit", "test", "score", "select"))
    steps = row.get("steps")  # not in rows of earlier versions
    taken = f"{'–' if steps is None else steps:>7}"
    line = f"{row['stage']:>5}{row['labelled']:>10}{100 * row['fraction']:>9.1f} %{taken}{metrics}{times}"
    if not header:
        return line
    titles = {"miou": "mIoU %", "iou": "IoU %", "dice": "Dice %", "rmse_cm": "RMSE cm", "mae_cm": "MAE cm"}
    head = "".join(f"{titles[name]:>9}" for name in names)
    titled = "".join(f"{step + ' s':>9}" for step in ("fit", "test", "score", "select"))
    return f"{'stage':>5}{'labelled':>10}{'of pool':>11}{'steps':>7}{head}{titled}\n{line}"


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if name.endswith("cm") else f"{100 * value:.2f}"


def sizes(setup: Setup) -> str:
    data = setup.dataset
    splits = f"pool {len(data.pool)}, validation {len(data.validation)}, test {len(data.test)}"
    return f"{data.name} ({data.protocol}), {splits}, {data.size[0]} x {data.size[1]} pixels"


def step_size(trainer: pl.Trainer, size: int) -> str:
    """The images of a step of the optimiser, where they are more than a batch of the loader, which has `size`: a
    learning rate belongs to the step."""
    ranks, batches = trainer.world_size, trainer.accumulate_grad_batches
    if ranks * batches == 1:
        return ""
    parts = [f"{size} images", *([f"{ranks} ranks"] if ranks > 1 else []), *([f"{batches} batches"] * (batches > 1))]
    return f", {size * ranks * batches} images a step ({' x '.join(parts)})"
