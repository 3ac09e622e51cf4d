"""`al-lightning select`: choose from a pool that was embedded elsewhere, without training."""

from __future__ import annotations

import argparse
from pathlib import Path

from al_lightning.cli.arguments import Commands


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("select", help="choose from a pool that was embedded elsewhere, without training")
    parser.add_argument("--features", required=True, type=Path, metavar="F.npy", help="(N, D) array")
    parser.add_argument("--labelled", type=Path, metavar="rows.txt", help="row numbers that are labelled, one a line")
    parser.add_argument("--budget", required=True, type=int, help="number of rows to choose")
    parser.add_argument("--strategy", default="k-center", choices=["k-center", "random"])
    parser.add_argument("--seed", default=0, type=int, help="of random")
    parser.set_defaults(command=select)


def select(options: argparse.Namespace) -> int:
    """Print the chosen row numbers, one a line, in the order of choice."""
    import numpy as np

    from al_lightning.experiment.select import select_rows

    if not options.features.is_file():
        raise FileNotFoundError(f"--features {options.features}: no such file; expected an (N, D) array saved by numpy")
    labelled = [] if options.labelled is None else _rows(options.labelled)
    given = f"--features {options.features} --budget {options.budget}"
    if options.labelled is not None:
        given += f" --labelled {options.labelled}"
    try:
        features = np.load(options.features, allow_pickle=False)
        rows = select_rows(features, labelled, options.budget, options.strategy, options.seed)
    except ValueError as error:
        raise ValueError(f"{given}: {error}") from error
    print("\n".join(map(str, rows.tolist())))
    return 0


def _rows(path: Path) -> list[int]:
    try:
        return [int(word) for word in path.read_text(encoding="utf-8").split()]
    except ValueError as error:
        raise ValueError(f"--labelled {path}: expected one row number a line ({error})") from None
