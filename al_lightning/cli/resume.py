"""`al-lightning resume`: go on with a run that was stopped."""

from __future__ import annotations

import argparse
from pathlib import Path

from al_lightning.cli.arguments import Commands, add_take_over
from al_lightning.cli.report import write


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("resume", help="go on with a run that was stopped")
    parser.add_argument("run", type=Path, metavar="RUN_DIR")
    add_take_over(parser)
    parser.add_argument(
        "--enough",
        action="store_true",
        help="go on with the labels that people have given; the others stay in the pool",
    )
    parser.set_defaults(command=resume)


def resume(options: argparse.Namespace) -> int:
    """Go on with the run, then write its report."""
    from al_lightning import experiment

    folder = experiment.resume(options.run, take_over=options.take_over, enough=options.enough)
    if experiment.is_main():
        write([folder.path], folder.report)
    return 0
