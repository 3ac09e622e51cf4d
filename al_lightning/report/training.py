"""How many optimiser steps the runs of a report have trained, and where strategies have trained unequally."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from al_lightning.report.group import Group
from al_lightning.report.runs import Run, lookup
from al_lightning.report.text import joined, plural, steps_text


def steps_by_stage(runs: Sequence[Run]) -> str:
    """`: 1450, 140, 130 steps`, by stage, with the range where runs differ; "" where no row has steps.

    Example:
        >>> from pathlib import Path
        >>> rows = [{"stage": 0, "steps": 100}, {"stage": 1, "steps": 20}]
        >>> steps_by_stage([Run(Path("."), "polyps", "random", 0, tuple(rows), {}, {})])
        ': 100, 20 steps by stage'
    """
    found: dict[int, list[int]] = {}
    for run in runs:
        for row in run.rows:
            if (steps := _steps(row)) is not None:
                found.setdefault(row["stage"], []).append(steps)
    ranges = [_range(found[stage]) for stage in sorted(found)]
    return f": {steps_text(ranges)}{' by stage' if len(set(ranges)) > 1 else ''}" if ranges else ""


def unequal_steps(group: Group) -> list[str]:
    """A sentence where strategies took other numbers of steps at one number of labelled images, under settings that do
    not stop a training early."""
    found: dict[int, dict[str, list[int]]] = {}
    for curve in group.curves:
        for run in curve.runs:
            if lookup(run.config, "learner.patience") or lookup(run.config, "trainer.max_time"):
                continue
            for row in run.rows:
                if (steps := _steps(row)) is not None:
                    found.setdefault(row["labelled"], {}).setdefault(curve.label, []).append(steps)
    unequal = {
        labelled: by_label
        for labelled, by_label in sorted(found.items())
        if len({steps for every in by_label.values() for steps in every}) > 1
    }
    if not unequal:
        return []
    labelled, by_label = next(iter(unequal.items()))
    labels: dict[str, list[str]] = {}
    for label, every in by_label.items():
        labels.setdefault(_range(every), []).append(label)
    said = "; ".join(f"{plural(steps, 'step')}: {', '.join(names)}" for steps, names in labels.items())
    others = [str(number) for number in unequal if number != labelled]
    also = f"; they also differ at {joined(others)}" if others else ""
    return [
        f"Trained unequally: at {plural(labelled, 'labelled image')} a stage took {said}{also}. A difference between "
        "such curves is also one of training; learner.epoch counts the steps alike for every learner, and "
        "trainer.max_steps fixes their number."
    ]


def _steps(row: Mapping[str, Any]) -> int | None:
    steps = row.get("steps")
    return None if steps is None else int(steps)


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low}\u2013{high}"
