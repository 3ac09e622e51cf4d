"""What the commands share of their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from al_lightning.config import ConfigError


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose options may stand before, between and after the other words.

    `run demo --sweep seed=0,1 budget.stages=2` is refused by the standard one, which takes only the first unbroken
    row of words for an argument of several.
    """

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As of ArgumentParser. The method for mixed words calls this one itself, so it is entered only once."""
        if self._mixing:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""What a command adds its parser to."""


def add_config(parser: argparse.ArgumentParser, nargs: str = "+") -> None:
    """Declare the words that make a config; `split` takes them apart."""
    parser.add_argument("config", nargs=nargs, metavar="NAME | CONFIG.yaml | key=value", help="merged left to right")


def add_take_over(parser: argparse.ArgumentParser) -> None:
    """Declare the option of commands that go on with a run."""
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="go on with a run although a process of another machine has locked it, which you know to have ended",
    )


def split(words: Sequence[str], need_file: bool = True) -> tuple[list[str], list[str]]:
    """Files and names on the one hand, overrides on the other.

    Args:
        words (Sequence[str]): of a command.
        need_file (bool): refuse words without any. Default True.

    Raises:
        ConfigError: there is no file and no name, where one is needed.
    """
    # The folder of a sweep's run, and so the path of its config.yaml, has an equals sign too.
    overrides = [word for word in words if "=" in word and not _is_file(word)]
    files = [word for word in words if word not in overrides]
    if need_file and not files:
        raise ConfigError("no experiment given; name one, such as demo, or a configuration file")
    return files, overrides


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):  # too long for a path
        return False
