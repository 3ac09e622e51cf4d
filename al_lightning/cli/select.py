"""`al-lightning select`: choose from a pool that was embedded elsewhere, without training."""

from __future__ import annotations

import argparse
from pathlib import Path

from al_lightning.cli.arguments import Commands


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("select", help="choose from a pool that was embedded elsewhere, without training")
    parser.add_argument(
        "--features", required=True, type=Path, metavar="FILE", help="(N, D): .npy, .npz, .pt, .csv, .tsv or .parquet"
    )
    parser.add_argument(
        "--labelled", type=Path, metavar="FILE", help="what is labelled: ids or row numbers, one a line"
    )
    parser.add_argument("--budget", required=True, type=int, help="number of rows to choose")
    parser.add_argument("--strategy", default="k-center", choices=["k-center", "random"])
    parser.add_argument("--seed", default=0, type=int, help="of random")
    parser.set_defaults(command=select)


def select(options: argparse.Namespace) -> int:
    """Print the chosen ids, or row numbers where the features have no ids, one a line, in the order of choice."""
    from al_lightning.experiment.features import read_features
    from al_lightning.experiment.select import select_rows

    try:
        features = read_features(options.features)
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"--features {error}") from None
    labelled = (
        [] if options.labelled is None else features.rows_of(_words(options.labelled), f"--labelled {options.labelled}")
    )
    given = f"--features {options.features} --budget {options.budget}"
    if options.labelled is not None:
        given += f" --labelled {options.labelled}"
    try:
        rows = select_rows(features.values, labelled, options.budget, options.strategy, options.seed)
    except ValueError as error:
        raise ValueError(f"{given}: {error}") from error
    print("\n".join(map(str, rows.tolist() if features.ids is None else [features.ids[row] for row in rows])))
    return 0


def _words(path: Path) -> list[str]:
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "no such file"
        raise FileNotFoundError(f"--labelled {path}: {found}; expected a text file with one id or row number a line")
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise ValueError(f"--labelled {path}: not in UTF-8 ({error.reason}); expected a text file") from None
