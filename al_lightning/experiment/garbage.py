"""Frees what a stage has finished with, before the next one begins."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def release() -> None:
    """Free the Trainers that are over, with their callbacks, optimisers' states and gradients.

    A Trainer and its loops refer to each other, so that they are freed by a full collection alone. Beside the objects
    of torch and Lightning those of a stage are so few that Python would begin one only once in many stages.
    """
    gc.collect()


@contextmanager
def only_new() -> Iterator[None]:
    """Within it, collections look only at objects made since it began, which takes milliseconds.

    Otherwise each would go through the half a million objects of the imported packages, in a quarter of a second. The
    memory of these then also stays shared with the processes of a loader, which a collection would write to.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
