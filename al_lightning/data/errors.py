"""DataError: a file of a dataset that cannot be used, and `decoded`, which turns any failure into one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class DataError(ValueError):
    """A file of a dataset that cannot be used; the message names it and the remedy."""


class Unreadable(DataError):
    """A file that is missing, or that is no picture of its kind: truncated, foreign, corrupt."""


def decoded(path: Path, decode: Callable[[Path], T]) -> T:
    """decode(path), with the file named in any error.

    Raises:
        DataError: as `decode` raised it.
        Unreadable: the file is missing, or `decode` failed in any other way.
    """
    try:
        return decode(path)
    except DataError:
        raise
    except FileNotFoundError:
        raise Unreadable(f"{path}: no such file; put it back or remove its partner") from None
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Unreadable(f"{path}: cannot be read ({reason}); replace the file or remove it") from None
