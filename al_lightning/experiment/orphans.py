"""A rank whose launcher was killed ends too, instead of waiting for the others in a collective operation."""

from __future__ import annotations

import os
import sys
import threading
import time

EVERY = 5.0
"""Seconds between two looks."""
CODE = 70
"""Exit status of a rank that ends in this way."""


def follow_launcher(every: float = EVERY) -> None:
    """End this process when the one that started it has ended, where it is a rank that was started by another one.

    A killed rank closes its connections, which ends the others on CPUs; on GPUs they would wait for the time-out of
    their operation, half an hour. Launchers end the ranks that they have started when one of them dies, but not those
    of a launcher that was killed itself: without launcher, this is the first rank of `trainer.strategy=ddp`.
    """
    if "LOCAL_RANK" not in os.environ or any(thread.name == __name__ for thread in threading.enumerate()):
        return
    threading.Thread(target=_watch, args=(os.getppid(), every), daemon=True, name=__name__).start()


def _watch(launcher: int, every: float) -> None:
    while os.getppid() == launcher:
        time.sleep(every)
    print("al-lightning: the process that started this rank has ended, and so does the rank", file=sys.stderr)
    sys.stderr.flush()
    os._exit(CODE)  # other threads can hang in an operation that no exception reaches
