"""DataError: a file of a dataset that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class DataError(ValueError):
    """A file of a dataset that cannot be used; the message names it and the remedy."""


def decoded(path: Path, decode: Callable[[Path], T]) -> T:
    """decode(path), with the file named in any error.

    Raises:
        DataError: the file is missing, or `decode` failed in any way.
    """
    try:
        return decode(path)
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; put it back or remove its partner") from None
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: cannot be read ({reason}); replace the file or remove it") from None
