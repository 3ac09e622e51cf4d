"""DataError: files of a dataset that cannot be used, and `decoded`, which turns any failure into one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

T = TypeVar("T")


About = Literal["", "masks", "depth", "several_masks", "page"]
"""What of the files is not clear; "" where it is something else that is wrong."""
Choices = Sequence[Mapping[str, Any]]
"""Options of the loader, each of which would settle it."""


class DataError(ValueError):
    """A file of a dataset that cannot be used; the message names it and the remedy.

    Args:
        message (str): one line.
        about (str): what is not clear, and an option would settle. Default "": it is something else.
        choices (Sequence[Mapping]): options that may settle it, the likeliest first. Default (): none is known.
    """

    def __init__(self, message: str = "", *, about: About = "", choices: Choices = ()) -> None:
        super().__init__(message)
        self.about: About = about
        self.choices = tuple(dict(one) for one in choices)


class Misfit(ValueError):
    """What a file holds does not fit how the set is read; whoever knows the file makes it a `DataError`.

    Args:
        message (str): what it holds, without the file.
        about, choices: of the `DataError`.
    """

    def __init__(self, message: str, *, about: About = "", choices: Choices = ()) -> None:
        super().__init__(message)
        self.about: About = about
        self.choices = choices


class Doubt(str):
    """A note on something that was decided and is not certain, with options that would say otherwise."""

    __slots__ = ("choices",)
    choices: tuple[dict[str, Any], ...]

    def __new__(cls, text: str, choices: Choices) -> Doubt:
        """A note."""
        made = super().__new__(cls, text)
        made.choices = tuple(dict(one) for one in choices)
        return made


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
