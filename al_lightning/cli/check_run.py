"""`al-lightning check --run`: the labels of a run, the likeliest to be wrong first."""

from __future__ import annotations

import argparse
import math
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from al_lightning.cli.arguments import split
from al_lightning.config import ConfigError

if TYPE_CHECKING:
    from al_lightning.experiment.mask_check import MaskCheck


def check_run(options: argparse.Namespace) -> int:
    """Write masks.csv and masks.png, and print the first masks; 0 whatever they are, because a rank is no verdict."""
    files, overrides = split(options.config, need_file=False)
    if files:
        raise ConfigError(f"{files[0]!r}: --run {options.run} says which config is meant; leave it out")

    from rich.console import Console

    from al_lightning.audit.mask_sheet import mask_sheet
    from al_lightning.audit.ranking import print_ranking, write_ranking
    from al_lightning.audit.subject import Subject
    from al_lightning.cli.bars import bar
    from al_lightning.experiment.mask_check import FOLDS, TOP, check_masks

    output = options.output or default_output(options.run)
    if output.exists() and not output.is_dir():
        raise ConfigError(f"--output {output}: is a file; name a folder")
    top = TOP if options.top is None else options.top
    with bar() as progress:
        found = check_masks(
            options.run,
            overrides,
            stage=options.stage,
            folds=FOLDS if options.folds is None else options.folds,
            top=top,
            progress=progress,
        )
    data, first = Subject.of(found.labels.dataset), found.judged[: len(found.seen)]
    table, picture = output / "masks.csv", output / "masks.png"
    title = f"{options.run}, stage {found.labels.stage}: the {len(first)} of {len(found.judged)} that disagree most"
    mask_sheet(data, first, found.seen, title, picture)
    write_ranking(found.judged, data.task, table)
    console = Console()
    print_ranking(found.judged, data.task, console)
    for line in (*summary(found), f"all: {table}, picture of the first {len(first)}: {picture}"):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return 0


def default_output(run: Path) -> Path:
    """audit-<experiment>-<strategy>-<seed> of a run's folder, here.

    Example:
        >>> default_output(Path("/data/runs/demo/random/seed-0")).as_posix()
        'audit-demo-random-seed-0'
    """
    name = "-".join(run.resolve().parts[-3:])
    return Path("audit-" + re.sub(r"[^\w.,=-]", "_", name))


def summary(found: MaskCheck) -> list[str]:
    """Lines on what was trained, and on what to do with a wrong mask."""
    from al_lightning.data.walk import many

    labels = found.labels
    parts = Counter(one.split for one in found.judged)
    noun = "depth map" if labels.dataset.task.kind == "depth" else "mask"
    each = f"{found.epochs} epochs each" if found.epochs else "as long as the run's"
    told = [
        f"{many(parts['pool'], noun)} of the pool: {found.folds} trainings of {labels.config.learner.name}, {each}, "
        f"every one without a part of them; {parts['validation']} of validation, which chose the epochs, and "
        f"{parts['test']} of test: the run's own weights of stage {labels.stage}; {found.seconds:.0f} s"
    ]
    if nothing := sum(math.isnan(one.score) for one in found.judged):
        told.append(f"{many(nothing, noun)} without a pixel that counts: no score, last in the table")
    remedy = f"correct the file that masks.csv names, and start a new run: this one was trained with the wrong {noun}"
    if found.answers is not None:
        remedy = (
            f"{found.answers}, and it is used from the next stage on; "
            "those of validation and test stay as they are in this run"
        )
    return [*told, f"where a {noun} is wrong: {remedy}"]
