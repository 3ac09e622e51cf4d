"""Waiting: what a run raises where people have to label images first. Imports nothing, for the command line."""

from __future__ import annotations

from collections.abc import Mapping


class Waiting(Exception):
    """Labels are missing; the run goes on when it is resumed.

    Args:
        missing: number of images without a label.
        asked: number of images that were asked for.
        stage: first stage that is trained with them.
        todo: what somebody has to do next.
        rejected: what was delivered and cannot be used -> why not.

    Example:
        >>> print(Waiting(1, 50, 2, "draw it"))
        stage 2: 49 of 50 labels are there; draw it
    """

    def __init__(
        self, missing: int, asked: int, stage: int, todo: str = "", rejected: Mapping[str, str] | None = None
    ) -> None:
        self.missing, self.asked, self.stage, self.todo = missing, asked, stage, todo
        self.rejected = dict(rejected or {})
        super().__init__()

    def __str__(self) -> str:
        return f"stage {self.stage}: {self.asked - self.missing} of {self.asked} labels are there; {self.todo}"

    def add(self, what: str) -> None:
        """Add to what has to be done."""
        self.todo = f"{self.todo}; {what}" if self.todo else what


__all__ = ["Waiting"]
