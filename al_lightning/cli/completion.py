"""`al-lightning completion`: a script that completes commands, options, experiments and files in a shell."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from al_lightning.cli.arguments import Commands
from al_lightning.config import catalogue

SHELLS = ("bash", "zsh", "tcsh")


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("completion", help='completion for a shell: eval "$(al-lightning completion bash)"')
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(command=completion)


def completion(options: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    from al_lightning.cli.main import parser

    top = parser()
    for action in _all_actions(top):
        if action.dest == "config":
            _complete(action, _experiments_and_files())
        elif action.type is Path:
            _complete(action, shtab.FILE)
    print(shtab.complete(top, options.shell))
    return 0


def _all_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The actions of a parser and of its commands."""
    own = list(parser._actions)
    commands = [action.choices for action in own if isinstance(action, argparse._SubParsersAction)]
    return own + [action for choices in commands for part in choices.values() for action in _all_actions(part)]


def _complete(action: argparse.Action, how: dict[str, Any]) -> None:
    action.complete = how  # type: ignore[attr-defined]  # shtab looks for this attribute


def _experiments_and_files() -> dict[str, Any]:
    """Names of the shipped experiments beside files, in the form of shtab.

    The names stand in the script, so that a press of Tab starts no Python.
    """
    names = " ".join(catalogue.names())
    # "_file" in a function's name tells shtab's bash to add the slash of a folder.
    call = "_al_lightning_experiment_or_file"
    bash = f'{call}() {{\n  compgen -W "{names}" -- "$1"\n  compgen -f -- "$1"\n}}'
    zsh = f"{call}() {{\n  compadd -- {names}\n  _files\n}}"
    return {"bash": call, "zsh": call, "tcsh": "f", "preamble": {"bash": bash, "zsh": zsh}}
