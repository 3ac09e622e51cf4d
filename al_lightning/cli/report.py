"""`al-lightning report`: compare runs, as a table and one HTML file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from al_lightning.cli.arguments import Commands

if TYPE_CHECKING:
    from PIL.Image import Image

    from al_lightning.report import Run


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("report", help="compare runs: a table and one HTML file")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIR", help="runs, or folders that hold runs")
    parser.add_argument("-o", "--output", type=Path, default=Path("report.html"), help="the HTML file")
    parser.set_defaults(command=report)


def report(options: argparse.Namespace) -> int:
    """Compare the runs that were named."""
    write(options.runs, options.output)
    return 0


def write(paths: Sequence[Path], output: Path) -> None:
    """Print the table of the runs below `paths` and write their report."""
    from rich.console import Console

    from al_lightning.report import find_runs, print_table, write_report

    console = Console()
    runs = find_runs(paths)
    print_table(runs, console)
    path = write_report(runs, output, _pictures)
    console.print(f"report: {path}", soft_wrap=True, highlight=False, markup=False)


def _pictures(run: Run, ids: list[str]) -> dict[str, Image]:
    """Pictures of a run's images; none where its data are not on this machine (the report says so)."""
    from PIL import Image

    from al_lightning.config import from_saved
    from al_lightning.config.options import build
    from al_lightning.data import DATASETS

    try:
        section = from_saved(run.path / "config.yaml").dataset
        dataset = build("dataset", DATASETS, section.name, section.options)
        row_of = {name: row for row, name in enumerate(dataset.ids)}
        return {name: Image.fromarray(dataset.read_image(row_of[name])) for name in ids if name in row_of}
    except (ValueError, FileNotFoundError):
        return {}
