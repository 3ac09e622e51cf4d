"""`al-lightning bench`: measure the figures of the README on this machine."""

from __future__ import annotations

import argparse

from al_lightning.cli.arguments import Commands
from al_lightning.config import nearest


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("bench", help="measure the figures of the README on this machine")
    parser.add_argument("name", metavar="NAME")
    parser.set_defaults(command=bench)


def bench(options: argparse.Namespace) -> int:
    """Run one measurement, which prints its figures."""
    from al_lightning.bench import BENCHES

    if options.name not in BENCHES:
        raise ValueError(f"bench {options.name}: no such measurement{nearest(options.name, BENCHES)}")
    BENCHES[options.name]()
    return 0
