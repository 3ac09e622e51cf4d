"""A progress bar on standard error, or a line now and then where that is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from al_lightning.core.progress import Progress

EVERY = 30.0
"""Seconds between two lines where there is no terminal."""


@contextmanager
def bar(unit: str = "", total: int = 0, every: float = EVERY) -> Iterator[Progress]:
    """What to pass as a `Progress`: a bar with the time left, and with the rate where units are counted.

    Args:
        unit (str): what is counted, such as "images". Default "": fractions alone.
        total (int): how many of them there are. Default 0.
        every (float): seconds between two lines where standard error is no terminal. Default 30.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(unit, total, every)
        return
    columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()]
    rate = [TextColumn("{task.fields[rate]}")] if unit else []
    with Bars(*columns, *rate, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True) as bars:
        task, began, name = bars.add_task("", total=1.0, rate=""), time.monotonic(), ""

        def tell(what: str, done: float) -> None:
            nonlocal name, began
            if what != name:
                bars.reset(task, description=what, total=1.0, rate="")
                name, began = what, time.monotonic()
            bars.update(task, completed=done, rate=_rate(unit, total * done, time.monotonic() - began))

        yield tell


def _lines(unit: str, total: int, every: float) -> Progress:
    now = time.monotonic()
    state: dict[str, float | str] = {"name": "", "began": now, "last": now, "told": now}

    def tell(what: str, done: float) -> None:
        now = time.monotonic()
        if what != state["name"]:
            state.update(name=what, began=state["last"])  # the first call of a step tells of work that is done
        state["last"] = now
        if now - float(state["told"]) >= every:
            state["told"] = now
            spent = now - float(state["began"])
            left = f", {spent / done * (1 - done):.0f} s left" if 0 < done < 1 else ""
            rate = _rate(unit, total * done, spent)
            print(f"{what}: {100 * done:.0f} %{', ' + rate if rate else ''}{left}", file=sys.stderr, flush=True)

    return tell


def _rate(unit: str, done: float, seconds: float) -> str:
    return f"{done / seconds:,.1f} {unit}/s" if unit and seconds > 0 else ""
