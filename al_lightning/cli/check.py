"""`al-lightning check`: audit a dataset, or rank the labels of a run by how likely they are to be wrong."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from al_lightning.cli.arguments import Commands, add_config
from al_lightning.cli.checked import dataset_config
from al_lightning.config import Config, ConfigError
from al_lightning.data.table import DATASETS

if TYPE_CHECKING:
    from al_lightning.audit.subject import Subject


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "check", help="audit a dataset: broken, mismatched, duplicate and leaking images; or, with --run, wrong masks"
    )
    add_config(parser, nargs="*")
    parser.add_argument(
        "-o", "--output", type=Path, help="folder for audit.json and audit.png, or masks.csv and masks.png; audit"
    )
    parser.add_argument(
        "--run", type=Path, metavar="RUN_DIR", help="which masks of this run are wrong, by cross-validation"
    )
    parser.add_argument("--folds", type=int, metavar="K", help="of --run: trainings, each without a part; 5")
    parser.add_argument("--stage", type=int, metavar="N", help="of --run: the labels of this stage; the last one")
    parser.add_argument("--top", type=int, metavar="N", help="of --run: masks in masks.png; 24")
    parser.set_defaults(command=check)


def check(options: argparse.Namespace) -> int:
    """Audit the dataset of a config; 1 where a run on it would be wrong, or refuse. Or the masks of a run; 0."""
    if options.run is not None:
        from al_lightning.cli.check_run import check_run

        return check_run(options)
    for name in ("folds", "stage", "top"):
        if getattr(options, name) is not None:
            raise ConfigError(f"--{name}: of the labels of a run; name it with --run RUN_DIR")
    output = options.output or Path("audit")
    config = dataset_config(options.config)
    subject = subject_of(config)
    output.mkdir(parents=True, exist_ok=True)

    from rich.console import Console
    from rich.progress import Progress, TaskID

    from al_lightning.audit.audit import audit
    from al_lightning.audit.sheet import contact_sheet
    from al_lightning.audit.table import print_audit

    console = Console()
    with Progress(console=console, transient=True) as bar:
        steps: dict[str, TaskID] = {}

        def progress(step: str, done: int, total: int) -> None:
            if step not in steps:
                steps[step] = bar.add_task(step, total=total)
            bar.update(steps[step], completed=done)

        found = audit(subject, progress)
    print_audit(found, console)
    details, picture = output / "audit.json", output / "audit.png"
    found.to_json(details)
    contact_sheet(subject, found, picture)
    console.print(f"details: {details}, picture: {picture}", soft_wrap=True, highlight=False, markup=False)
    colour = "red" if found.errors else "green"
    console.print(
        f"{found.verdict()} ({found.seconds:.0f} s)", style=colour, soft_wrap=True, highlight=False, markup=False
    )
    return int(found.errors > 0)


def subject_of(config: Config) -> Subject:
    """The dataset of a config, or what is there of one that its loader refuses.

    Raises:
        ConfigError, FileNotFoundError: an option is wrong, or names what is not there.
    """
    from al_lightning.config.options import options_of
    from al_lightning.data.building import build_section

    section = config.dataset
    options = options_of("dataset", DATASETS, section.name, section.options)
    labelled = config.oracle.name == "simulated"
    try:
        dataset = build_section(section)
    except (ConfigError, OSError) as error:
        problem = _about_the_data(error, options, section.options)
        if problem is None:
            raise
        from al_lightning.audit.refused import refused

        return refused(section.name, options, problem)
    from al_lightning.audit.subject import Subject

    return Subject.of(dataset, labelled, bool(options.get("allow_missing_classes", False)))


def _about_the_data(error: Exception, options: Mapping[str, Any], given: Mapping[str, Any]) -> str | None:
    """What is wrong with the data; None where it is an option that is wrong.

    Args:
        error (Exception): what the loader raised.
        options (Mapping): all options.
        given (Mapping): those that the user set.
    """
    from al_lightning.data.errors import DataError

    cause = error.__cause__ if isinstance(error, ConfigError) else error
    if not isinstance(cause, DataError | OSError):
        return None
    text = " ".join(str(cause).split())
    root = Path(os.path.expanduser(str(options.get("root", ""))))
    if not root.is_dir():
        return None
    if isinstance(cause, FileNotFoundError) and any(_is_missing(root, key, value) for key, value in given.items()):
        return None
    if re.match(rf"(dataset\.options\.)?({'|'.join(map(re.escape, options))})\b(?!/)", text):
        return None
    return text


def _is_missing(root: Path, key: str, value: Any) -> bool:
    """Whether an option names a file or folder that is not there."""
    if key not in ("csv", "images", "targets", "sessile") or not isinstance(value, str):
        return False
    path = os.path.expanduser(value)
    return not os.path.exists(path) and not (root / path).exists()
