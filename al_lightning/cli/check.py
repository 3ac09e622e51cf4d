"""`al-lightning check`: audit a dataset before money is spent on it."""

from __future__ import annotations

import argparse
from pathlib import Path

from al_lightning.cli.arguments import Commands, add_config, split
from al_lightning.config import load


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("check", help="audit a dataset: broken, mismatched, duplicate and leaking images")
    add_config(parser)
    parser.add_argument("-o", "--output", type=Path, default=Path("audit"), help="folder for audit.json and audit.png")
    parser.set_defaults(command=check)


def check(options: argparse.Namespace) -> int:
    """Audit the dataset of a config; 1 where images of the test set, or all but, are in the pool too."""
    section = load(*split(options.config)).dataset

    from rich.console import Console
    from rich.progress import Progress, TaskID

    from al_lightning.audit.audit import audit
    from al_lightning.audit.sheet import contact_sheet
    from al_lightning.config.options import build
    from al_lightning.data import DATASETS

    dataset = build("dataset", DATASETS, section.name, section.options)
    console = Console()
    with Progress(console=console, transient=True) as bar:
        steps: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in steps:
                steps[what] = bar.add_task(what, total=total)
            bar.update(steps[what], completed=done)

        found = audit(dataset, tell)
    found.print_table(console)
    found.to_json(options.output / "audit.json")
    sheet = contact_sheet(dataset, found, options.output / "audit.png")
    console.print(
        f"details: {options.output / 'audit.json'}, pairs: {sheet}", soft_wrap=True, highlight=False, markup=False
    )
    return int(found.leaks)
