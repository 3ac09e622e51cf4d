"""Progress: how work that takes minutes tells its caller how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""(what is being done, the fraction of it that is done in [0, 1]), called often; the last call of a step has 1."""


def silent(what: str, done: float) -> None:
    """Tell nobody."""


def part(progress: Progress, begin: float, end: float) -> Progress:
    """A progress of its own for the part of a step between two fractions.

    Example:
        >>> part(lambda what, done: print(what, done), 0.5, 1.0)("k-means", 0.5)
        k-means 0.75
    """
    return lambda what, done: progress(what, begin + (end - begin) * done)


__all__ = ["Progress", "part", "silent"]
