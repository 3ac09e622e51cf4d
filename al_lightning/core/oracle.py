"""The contract of oracles, which reveal the labels that a query asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from al_lightning.core.query import Query


@runtime_checkable
class Oracle(Protocol):
    """Reveals the labels that a query asks for."""

    def reveal(self, query: Query) -> Mapping[int, str]:
        """{row: file of its label}, for rows whose label is not the dataset's own target.

        Raises:
            ValueError: a queried image has no label.
        """
