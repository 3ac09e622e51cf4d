"""Threads for work on many files."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def thread_count() -> int:
    """At most 16, because files come from one disk."""
    return min(16, os.cpu_count() or 1)


class Threads(ThreadPoolExecutor):
    """`thread_count()` threads. A block that is left by an exception drops what has not begun, so that an error or a
    signal ends it within one file instead of after all of them."""

    def __init__(self) -> None:
        super().__init__(thread_count())

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        self.shutdown(cancel_futures=kind is not None)
