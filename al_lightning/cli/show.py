"""`al-lightning show`: a picture of what runs predict."""

from __future__ import annotations

import argparse
from pathlib import Path

from al_lightning.cli.arguments import Commands


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("show", help="a picture of test images, their truth and what runs predict")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIR", help="runs on the same dataset, a column each")
    parser.add_argument("-o", "--output", type=Path, default=Path("predictions.png"), help="the picture")
    parser.add_argument("--images", type=int, default=6, help="test images to show, from worst to best")
    parser.set_defaults(command=show)


def show(options: argparse.Namespace) -> int:
    """Draw the picture."""
    from al_lightning.experiment.show import picture

    print(f"predictions: {picture(options.runs, options.output, options.images)}")
    return 0
