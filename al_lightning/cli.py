"""The command line: thin commands over the package; errors of a user are one line and exit code 2."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from al_lightning.config import Config, ConfigError, load
from al_lightning.version import __version__

if TYPE_CHECKING:
    from PIL.Image import Image

    from al_lightning.report import Run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = parser().parse_args(arguments)
    # Threads that spin while they wait slow a training tenfold where another process wants the cores. It must be
    # said before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*number of training batches.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    try:
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except (ValueError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
        if options.traceback:
            raise
        print(f"al-lightning: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("al-lightning: interrupted; resume goes on from the last finished step", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The argument parser of all commands."""
    top = argparse.ArgumentParser(prog="al-lightning", description="Active learning for dense prediction.")
    top.add_argument("--version", action="version", version=__version__)
    top.add_argument("--traceback", action="store_true", help="show where an error came from")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run an experiment, or go on with it")
    run.add_argument("config", nargs="+", metavar="CONFIG.yaml | key=value", help="merged left to right")
    run.add_argument(
        "--sweep",
        action="append",
        default=[],
        metavar="key=a,b,...",
        help="run once for each value; several --sweep make every combination",
    )
    run.set_defaults(command=_run)

    resume = commands.add_parser("resume", help="go on with a run that was stopped")
    resume.add_argument("run", type=Path, metavar="RUN_DIR")
    resume.set_defaults(command=_resume)

    report = commands.add_parser("report", help="compare runs: a table and one HTML file")
    report.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIR", help="runs, or folders that hold runs")
    report.add_argument("-o", "--output", type=Path, default=Path("report.html"))
    report.set_defaults(command=_report)

    show = commands.add_parser("show", help="a picture of test images, their truth and what runs predict")
    show.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIR", help="runs on the same dataset, a column each")
    show.add_argument("-o", "--output", type=Path, default=Path("predictions.png"))
    show.add_argument("--images", type=int, default=6, help="test images to show, from worst to best")
    show.set_defaults(command=_show)

    select = commands.add_parser("select", help="choose from a pool that was embedded elsewhere, without training")
    select.add_argument("--features", required=True, type=Path, metavar="F.npy", help="(N, D) array")
    select.add_argument("--labelled", type=Path, metavar="rows.txt", help="row numbers that are labelled, one a line")
    select.add_argument("--budget", required=True, type=int)
    select.add_argument("--strategy", default="k-center", choices=["k-center", "random"])
    select.add_argument("--seed", default=0, type=int, help="of random")
    select.set_defaults(command=_select)

    check = commands.add_parser("check", help="audit a dataset: broken, mismatched, duplicate and leaking images")
    check.add_argument("config", nargs="+", metavar="CONFIG.yaml | key=value", help="merged left to right")
    check.add_argument("-o", "--output", type=Path, default=Path("audit"), help="folder for audit.json and audit.png")
    check.set_defaults(command=_check)

    bench = commands.add_parser("bench", help="measure the figures of the README on this machine")
    bench.add_argument("name", metavar="NAME")
    bench.set_defaults(command=_bench)
    return top


def _split(items: Sequence[str]) -> tuple[list[str], list[str]]:
    files = [item for item in items if "=" not in item]
    if not files:
        raise ConfigError("no configuration file given, such as experiments/demo.yaml")
    return files, [item for item in items if "=" in item]


def _run(options: argparse.Namespace) -> int:
    files, overrides = _split(options.config)
    configs = [load(files, [*overrides, *point]) for point in _points(options.sweep)]

    from rich.console import Console

    from al_lightning import experiment

    console = Console()
    for config in configs:
        experiment.complete(config)
    folders = [experiment.run(config, console).path for config in configs]
    if experiment.is_main():
        together = folders[0] if len(folders) == 1 else Path(configs[0].runs_dir) / configs[0].name
        _write_report(folders, together / "report.html")
    return 0


def _points(sweeps: Sequence[str]) -> list[list[str]]:
    axes: list[list[str]] = []
    for sweep in sweeps:
        key, equals, values = sweep.partition("=")
        if not equals or not all(values.split(",")):
            raise ConfigError(f"--sweep {sweep}: expected key=a,b,... such as seed=0,1,2")
        axes.append([f"{key}={value}" for value in values.split(",")])
    return [list(point) for point in itertools.product(*axes)]


def _resume(options: argparse.Namespace) -> int:
    from al_lightning import experiment

    folder = experiment.resume(options.run)
    if experiment.is_main():
        _write_report([folder.path], folder.report)
    return 0


def _report(options: argparse.Namespace) -> int:
    _write_report(options.runs, options.output)
    return 0


def _show(options: argparse.Namespace) -> int:
    from al_lightning.predictions import picture

    print(f"predictions: {picture(options.runs, options.output, options.images)}")
    return 0


def _write_report(paths: Sequence[Path], output: Path) -> None:
    from rich.console import Console

    from al_lightning.report import find_runs, print_table, write_report

    console = Console()
    runs = find_runs(paths)
    print_table(runs, console)
    path = write_report(runs, output, _pictures)
    console.print(f"report: {path}", soft_wrap=True, highlight=False)


def _pictures(run: Run, ids: list[str]) -> dict[str, Image]:
    """Pictures of a run's images; none where its data are not on this machine (the report says so)."""
    from PIL import Image

    from al_lightning.config import from_saved
    from al_lightning.data import DATASETS
    from al_lightning.options import build

    section = from_saved(run.path / "config.yaml").dataset
    try:
        dataset = build("dataset", DATASETS, section.name, section.options)
        row_of = {name: row for row, name in enumerate(dataset.ids)}
        return {name: Image.fromarray(dataset.read_image(row_of[name])) for name in ids if name in row_of}
    except (ValueError, FileNotFoundError):
        return {}


def _select(options: argparse.Namespace) -> int:
    import numpy as np

    from al_lightning.neighbors import k_center_greedy

    if not options.features.is_file():
        raise FileNotFoundError(f"--features {options.features}: no such file; expected an (N, D) array saved by numpy")
    features = np.load(options.features, allow_pickle=False)
    if features.ndim != 2:
        raise ValueError(f"--features {options.features}: has shape {features.shape}; expected (N, D)")
    labelled = np.zeros(len(features), dtype=bool)
    if options.labelled is not None:
        try:
            rows = np.array(options.labelled.read_text(encoding="utf-8").split(), dtype=np.int64)
        except ValueError as error:
            raise ValueError(f"--labelled {options.labelled}: expected one row number a line ({error})") from None
        if len(rows) and (rows.min() < 0 or rows.max() >= len(features)):
            raise ValueError(f"--labelled {options.labelled}: rows {rows.min()} to {rows.max()}, but N={len(features)}")
        labelled[rows] = True
    if not 0 < options.budget <= (~labelled).sum():
        raise ValueError(f"--budget {options.budget}: expected between 1 and the {(~labelled).sum()} unlabelled rows")
    if options.strategy == "random":
        rng = np.random.default_rng(options.seed)
        picks = rng.choice(np.flatnonzero(~labelled), options.budget, replace=False)
    else:
        picks, _ = k_center_greedy(features, labelled, options.budget)
    print("\n".join(map(str, picks.tolist())))
    return 0


def _check(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from al_lightning.data import DATASETS
    from al_lightning.data.audit import audit
    from al_lightning.data.audit_sheet import contact_sheet
    from al_lightning.options import build

    section = load(*_split(options.config)).dataset
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
    console.print(f"details: {options.output / 'audit.json'}, pairs: {sheet}", soft_wrap=True, highlight=False)
    return int(found.leaks)


def _bench(options: argparse.Namespace) -> int:
    from al_lightning.bench import BENCHES as DISTANCES
    from al_lightning.bench_passes import bench_passes
    from al_lightning.bench_regions import bench_regions
    from al_lightning.bench_strategies import bench_strategies
    from al_lightning.config import nearest

    benches: dict[str, Callable[[], object]] = {
        **DISTANCES,
        "mc-dropout": bench_passes,
        "regions": bench_regions,
        "strategies": bench_strategies,
    }

    if options.name not in benches:
        raise ValueError(f"bench {options.name}: no such measurement{nearest(options.name, benches)}")
    benches[options.name]()
    return 0


__all__ = ["Config", "main", "parser"]
