"""The simulated oracle, for datasets whose targets are all on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from al_lightning.core.oracle import Delivery, Request


@dataclass(frozen=True)
class Simulated:
    """Reveals the dataset's own targets.

    Args:
        target_file (Callable[[int], Path]): row -> its target file, raising a ValueError where there is none; the
            `target_file` of the dataset.
    """

    target_file: Callable[[int], Path]

    def reveal(self, request: Request) -> Delivery:
        for row in request.query.rows.tolist():
            self.target_file(row)
        return Delivery()
