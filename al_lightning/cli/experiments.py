"""`al-lightning experiments`: the experiments that the package ships, and what one of them resolves to."""

from __future__ import annotations

import argparse
from pathlib import Path

from al_lightning.cli.arguments import Commands, add_config, split
from al_lightning.config import catalogue, load, to_yaml


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("experiments", help="list the shipped experiments, or print one with every value")
    add_config(parser, nargs="*")
    parser.set_defaults(command=experiments)


def experiments(options: argparse.Namespace) -> int:
    """Print the table of all, or the YAML that the words resolve to."""
    if options.config:
        print(to_yaml(load(*split(options.config))), end="")
    else:
        _print_table()
    return 0


def _print_table() -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("dataset", "al-lightning run NAME")
    files = sorted((_dataset(file), file) for file in catalogue.files())
    for number, (dataset, file) in enumerate(files):
        first = number == 0 or files[number - 1][0] != dataset
        if first:
            table.add_section()
        table.add_row(dataset if first else "", Text(_comment(file), style="italic"))
        for experiment in catalogue.in_file(file):
            table.add_row("", Text(f"  {experiment.name}"))
    Console().print(table)


def _dataset(file: Path) -> str:
    name = catalogue.in_file(file)[0].name
    return load([file.with_name(f"{name}.yaml")]).dataset.name


def _comment(file: Path) -> str:
    """The first line of a file's leading comment."""
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ") if first.startswith("#") else ""
