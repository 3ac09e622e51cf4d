"""Oracle: who answers queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from al_lightning.core.query import Query


@runtime_checkable
class Oracle(Protocol):
    """Answers queries."""

    def reveal(self, query: Query) -> Mapping[int, str]:
        """row -> file of its label, where that is not the dataset's own.

        Raises:
            ValueError: a queried image has no label.
        """
