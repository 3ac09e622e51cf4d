"""A case, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One thing that is done to a run."""

    name: str
    """Unique within the module, the same for the same seed; a folder is called after it."""
    row: str
    """The row of the table in which the case is counted."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What `run` needs to know."""
    short: bool = False
    """Whether the suite runs it (with --short); all of these together take less than half a minute."""


@dataclass(frozen=True)
class Outcome:
    """What came of a case. It held when there are no faults."""

    faults: tuple[str, ...] = ()
    """Each "cause: detail"; the cause is the same words for the same fault."""
    tried: int = 1
    """How often the thing was done: kills, edits, ... of this case."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Measured values, kept in results.jsonl."""
    skipped: str = ""
    """Why this machine cannot do it; such a case is counted as skipped."""
