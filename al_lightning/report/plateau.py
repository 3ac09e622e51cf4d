"""What the labels of each stage brought, and whether they bring too little to go on (`budget.stop`)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any


def gains(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """What the labels of each stage but the first brought: points of mIoU, or cm of RMSE less.

    Example:
        >>> gains([{"test": {"rmse_cm": 1.5}}, {"test": {"rmse_cm": 1.25}}])
        [0.25]
    """
    metric = "miou" if rows and "miou" in rows[-1]["test"] else "rmse_cm"
    scores = [row["test"].get(metric) for row in rows]
    pairs = [(a, b) for a, b in itertools.pairwise(scores) if a is not None and b is not None]
    return [100 * (b - a) if metric == "miou" else a - b for a, b in pairs]


def plateau(rows: Sequence[Mapping[str, Any]], gain: float | None, stages: int) -> bool:
    """Whether each of the last `stages` stages brought less than `gain`.

    Example:
        >>> rows = [{"test": {"miou": value}} for value in (0.5, 0.6, 0.603, 0.604)]
        >>> plateau(rows, 0.5, 2), plateau(rows, 0.5, 3), plateau(rows, None, 1)
        (True, False, False)
    """
    found = gains(rows)
    return gain is not None and len(found) >= stages and max(found[-stages:]) < gain


def rule(unit: str, gain: float, stages: int) -> str:
    """The rule in words.

    Example:
        >>> rule("points", 0.5, 2), rule("cm", 0.02, 1)
        ('2 stages in a row brought less than 0.5 points', '1 stage brought less than 0.02 cm')
    """
    which = "1 stage" if stages == 1 else f"{stages} stages in a row"
    return f"{which} brought less than {gain:g} {unit}"
