"""`al-lightning select`: choose from a pool that was embedded elsewhere, without training."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from al_lightning.cli.arguments import Commands

if TYPE_CHECKING:
    from al_lightning.core.query import Query
    from al_lightning.experiment.features import Features

STRATEGIES = ("k-center", "typiclust", "clustering", "density", "mixture", "random")
"""Those of `experiment.select`, which imports torch."""


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("select", help="choose from a pool that was embedded elsewhere, without training")
    parser.add_argument(
        "--features", required=True, type=Path, metavar="FILE", help="(N, D): .npy, .npz, .pt, .csv, .tsv or .parquet"
    )
    parser.add_argument(
        "--labelled", type=Path, metavar="FILE", help="what is labelled: ids or row numbers, one a line, or a CSV"
    )
    parser.add_argument("--budget", required=True, type=int, help="number of rows to choose")
    parser.add_argument("--strategy", default="k-center", choices=STRATEGIES)
    parser.add_argument("--seed", default=0, type=int, help="of random, and of clusters")
    parser.add_argument(
        "--scores",
        type=Path,
        metavar="FILE",
        help="uncertainty of each row, for mixture, density and clustering: one a line, .npy, or a CSV of id and score",
    )
    parser.add_argument("--gamma", default=0.5, type=float, help="of mixture: the fraction by score; 0.5")
    parser.add_argument("--beta", default=1.0, type=float, help="of density: its exponent; 1")
    parser.add_argument(
        "--groups", type=Path, metavar="FILE", help="patient or video of each row: one a line, or a CSV of id and group"
    )
    parser.add_argument("--cap", type=int, metavar="N", help="most rows to choose of one group")
    parser.add_argument("--count-labelled", action="store_true", help="labelled rows count towards the cap too")
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="write rank, id, source and score there")
    parser.set_defaults(command=select)


def select(options: argparse.Namespace) -> int:
    """Print the chosen ids, or row numbers where the features have no ids, one a line, in the order of choice; or
    write them with their scores to a CSV."""
    from al_lightning.cli.bars import bar
    from al_lightning.experiment.columns import column_of, numbers_of, words_of
    from al_lightning.experiment.features import read_features
    from al_lightning.experiment.select import select_query

    features: Features = _named("--features", read_features, options.features)
    count, ids = len(features.values), features.ids
    words = [] if options.labelled is None else _named("--labelled", words_of, options.labelled, "id or row number")
    labelled = features.rows_of(words, f"--labelled {options.labelled}")
    scores = groups = None
    if options.scores is not None:
        scores = _named("--scores", numbers_of, options.scores, "score", ids, count)
    if options.groups is not None:
        groups = _named("--groups", column_of, options.groups, "group", ids, count)
    if (groups is None) != (options.cap is None):
        raise ValueError("--groups FILE and --cap N belong together: the group of each row, and the most rows of one")
    given = f"--features {options.features} --budget {options.budget}"
    for name in ("labelled", "scores", "groups"):
        if (file := getattr(options, name)) is not None:
            given += f" --{name} {file}"
    try:
        with bar() as progress:
            query = select_query(
                features.values,
                labelled,
                options.budget,
                options.strategy,
                options.seed,
                scores=scores,
                groups=groups,
                cap=options.cap,
                count_labelled=options.count_labelled,
                gamma=options.gamma,
                beta=options.beta,
                progress=progress,
            )
    except ValueError as error:
        raise ValueError(f"{given}: {error}") from error
    if options.output is None:
        print("\n".join(map(str, query.rows.tolist() if ids is None else [ids[row] for row in query.rows])))
        return 0
    _write(options.output, query, features, groups)
    print(f"{len(query):,} of {count:,} rows chosen: {options.output}", file=sys.stderr)
    return 0


def _named(option: str, read: Any, path: Path, *arguments: Any) -> Any:
    """What a file holds, with the option in any error."""
    try:
        return read(path, *arguments)
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"{option} {error}") from None


def _write(output: Path, query: Query, features: Features, groups: list[str] | None) -> None:
    """A line for each pick: rank from 1, id and row, group where there are groups, source, score."""
    from al_lightning.core.files import write_atomic

    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["rank", "id", "row", *(["group"] if groups else []), "source", "score"])
    picks = zip(query.rows.tolist(), query.source, query.score.tolist(), strict=True)
    for rank, (row, source, score) in enumerate(picks, 1):
        name = row if features.ids is None else features.ids[row]
        group = [groups[row]] if groups else []
        table.writerow([rank, name, row, *group, source, "" if score != score else repr(score)])
    write_atomic(output, text.getvalue())
