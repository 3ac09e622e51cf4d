"""Steps of a stage that one process takes and all ranks use."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from al_lightning.core.run_folder import RunFolder
from al_lightning.core.waiting import Waiting
from al_lightning.experiment.ranks import is_main

WAITING = "waiting"
"""Step that tells the other ranks that labels are missing."""
PATIENCE = 600.0
"""Seconds for which a rank waits for rank 0."""


def common_step(folder: RunFolder, stage: int, name: str, compute: Callable[[], Any]) -> Any:
    """The saved result of a step that every rank computes alike where it is missing, and rank 0 saves."""
    done = folder.progress(stage)
    if name in done:
        return done[name]
    result = compute()
    if is_main():
        folder.finish(stage, **{name: result})
    return result


def step(folder: RunFolder, stage: int, name: str, compute: Callable[[], Any]) -> Any:
    """The saved result of a step; rank 0 computes and saves it where it is missing, and the others wait for it.

    Args:
        folder: of the run.
        stage: of the step.
        name: of the step.
        compute: gives the result, as JSON.

    Raises:
        Waiting: `compute` raised it; on every rank.
        RuntimeError: rank 0 did not get this far.
    """
    begin = time.time()
    done = folder.progress(stage)
    if is_main():
        if name not in done:
            try:
                result = compute()
                done = folder.finish(stage, **({name: result} | ({WAITING: None} if WAITING in done else {})))
            except Waiting as waiting:
                folder.finish(
                    stage, **{WAITING: {"since": time.time(), "asked": waiting.asked, "missing": waiting.missing}}
                )
                raise
        return done[name]
    while name not in done:
        note = done.get(WAITING)
        if note is not None and note["since"] >= begin - 60:
            raise Waiting(note["missing"], note["asked"], stage)
        if time.time() - begin > PATIENCE:
            raise RuntimeError(f"stage {stage}: rank 0 did not finish the step {name!r} within {PATIENCE:.0f} s")
        time.sleep(0.1)
        done = folder.progress(stage)
    return done[name]
