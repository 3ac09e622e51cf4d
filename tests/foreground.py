"""Signals as in a process of the foreground: a shell lets what it starts in the background ignore SIGINT, and nohup
SIGHUP, and both are inherited."""

from __future__ import annotations

import signal
from typing import Any

RESTORE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(signum, signal.SIG_DFL)
"""
"""What a program of a test begins with."""


def restore() -> dict[int, Any]:
    """Take the default handlers; returns those before, by number."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = {int(signum): signal.getsignal(signum) for signum in numbers}
    exec(RESTORE, {})
    return before
