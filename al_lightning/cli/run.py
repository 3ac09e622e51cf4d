"""`al-lightning run`: run an experiment, or go on with it."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from al_lightning.cli.arguments import Commands, add_config, add_take_over
from al_lightning.cli.checked import load_checked, over_defaults
from al_lightning.cli.report import write
from al_lightning.config import defaults, from_saved, grid


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("run", help="run an experiment, or go on with it")
    add_config(parser)
    parser.add_argument(
        "--sweep",
        action="append",
        default=[],
        metavar="key=a,b,...",
        help="run once for each value of any key; several --sweep make every combination",
    )
    add_take_over(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run every point of the sweep, then write one report of all."""
    words, overrides, is_assumed = over_defaults(options.config)
    configs = [
        load_checked(words, [*overrides, *grid.overrides(values)]) for values in grid.combinations(options.sweep)
    ]

    from rich.console import Console

    from al_lightning import experiment
    from al_lightning.experiment.sweep import folders, points

    places = folders(points(options.sweep), configs)
    console = Console()
    if is_assumed and experiment.is_main():
        console.print(defaults.assumed(configs[0], options.config), soft_wrap=True, highlight=False, markup=False)
    given = [*options.config, *options.sweep]
    fit = partial(defaults.fitted, overrides=given) if is_assumed else None
    for config, place in zip(configs, places, strict=True):
        if is_assumed and place.config.is_file():
            defaults.continued(config, given, from_saved(place.config).budget)
    # All are checked before the first one runs.
    for config, place in zip([experiment.complete(config) for config in configs], places, strict=True):
        experiment.run(config, console, place, options.take_over, fit)
    if experiment.is_main():
        paths = [place.path for place in places]
        together = paths[0] if len(paths) == 1 else Path(configs[0].runs_dir) / configs[0].name
        write(paths, together / "report.html")
    return 0
