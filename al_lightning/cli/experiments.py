"""`al-lightning experiments`: the experiments that the package ships, and what one of them repeats and resolves to."""

from __future__ import annotations

import argparse
from pathlib import Path

from al_lightning.cli.arguments import Commands, add_config, split
from al_lightning.config import catalogue, load, to_yaml
from al_lightning.config.header import comment, read_header

OURS = "*"
"""Marks an experiment that no paper compares."""


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("experiments", help="list the shipped experiments, or print one with every value")
    add_config(parser, nargs="*")
    parser.set_defaults(command=experiments)


def experiments(options: argparse.Namespace) -> int:
    """Print the table of all, or what the words repeat of a paper, as a comment, and the YAML that they resolve to."""
    if options.config:
        words, overrides = split(options.config)
        config = load(words, overrides)
        for word in words:
            print("".join(f"# {line}".rstrip() + "\n" for line in _said(word)), end="")
        print(to_yaml(config), end="")
    else:
        _print_table()
    return 0


def _said(word: str) -> list[str]:
    """The comment at the top of the file that a shipped experiment is of, and whether the paper has the experiment."""
    found = catalogue.resolve(word)
    if found.path.resolve() not in [file.resolve() for file in catalogue.files()]:
        return []
    header = read_header(found.path)
    if not header.of_a_paper:
        return [*comment(found.path)]
    arm = "an arm of the paper's comparison" if found.name in header.arms else "ours, not in the paper's comparison"
    return [*comment(found.path), f"{found.name}: {arm}."]


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
        header = read_header(file)
        table.add_row(dataset if first else "", Text(header.title, style="italic"))
        for experiment in catalogue.in_file(file):
            table.add_row("", Text(f"{' ' if experiment.name in header.arms else OURS} {experiment.name}"))
    console = Console()
    console.print(table)
    console.print(
        f"{OURS} ours; the others are arms of a paper's comparison. `al-lightning experiments NAME` says of which\n"
        "  table, what follows the paper and what does not.",
        highlight=False,
    )


def _dataset(file: Path) -> str:
    name = catalogue.in_file(file)[0].name
    return load([file.with_name(f"{name}.yaml")]).dataset.name
