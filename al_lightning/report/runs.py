"""Find the runs below some folders and read what they left on disk; finished or not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from al_lightning.config.schema import StopSection
from al_lightning.config.yaml_text import read_yaml
from al_lightning.core.json_files import MAYBE_NUMBER, expect, read_json
from al_lightning.core.run_folder import RunFolder, read_rows
from al_lightning.report.plateau import plateau, rule

if TYPE_CHECKING:
    from pandas import DataFrame

FULL = 1 - 1e-9
"""A stage with at least this fraction labelled has all labels; a little below 1 for sums of fractions."""
_SEED = re.compile(r"seed-(\d+)")


@dataclass(frozen=True)
class Run:
    """One run folder, `<experiment>/<strategy>[,key=value...]/seed-<k>`.

    Example:
        >>> run = Run(Path("runs/polyps/ceal,gamma=0.3/seed-1"), "polyps", "ceal,gamma=0.3", 1, (), {}, {})
        >>> run.strategy_name, run.variant, run.name
        ('ceal', 'gamma=0.3', 'polyps/ceal,gamma=0.3/seed-1')
    """

    path: Path
    experiment: str
    strategy: str
    """Name of the strategy's folder, which labels the run's curve: "ceal" or, from a sweep, "ceal,gamma=0.3"."""
    seed: int
    rows: tuple[Mapping[str, Any], ...]
    """Stage rows, one a finished stage, in ascending order; empty where the first has not finished."""
    config: Mapping[str, Any]
    """config.yaml; empty where the folder has none."""
    environment: Mapping[str, Any]
    """environment.json; empty where the folder has none."""

    @property
    def name(self) -> str:
        """`<experiment>/<strategy>/seed-<k>`."""
        return f"{self.experiment}/{self.strategy}/seed-{self.seed}"

    @property
    def strategy_name(self) -> str:
        """The strategy without the options of a sweep: "ceal" of "ceal,gamma=0.3"."""
        return self.strategy.partition(",")[0]

    @property
    def variant(self) -> str:
        """The options of a sweep, "gamma=0.3" of "ceal,gamma=0.3"; "" where there are none."""
        return self.strategy.partition(",")[2]

    @property
    def fully_labelled(self) -> bool:
        """Whether the first stage has all labels: a run that others are measured against."""
        return bool(self.rows) and all_labelled(self.rows[0])

    @property
    def planned(self) -> int | None:
        """Number of stages that the config asks for, the most where it stops at a fraction of the pixels; None where
        it does not say. One where the first stage has all labels, for nothing is left to select."""
        if self.fully_labelled:
            return 1
        stages = lookup(self.config, "budget.stages")
        return int(stages) if stages is not None else None

    @property
    def pixel_budget(self) -> float | None:
        """Fraction of the pool's pixels after which the run stops; None where the config sets none."""
        fraction = lookup(self.config, "budget.pixels")
        return None if fraction is None else float(fraction)

    @property
    def stop_rule(self) -> str:
        """`budget.stop` in words; "" where the config sets none."""
        gain, stages = self._stop
        depth = bool(self.rows) and "miou" not in self.rows[-1]["test"]
        return "" if gain is None else rule("cm" if depth else "points", gain, stages)

    @property
    def stopped(self) -> bool:
        """Whether `budget.stop` ended the run before its planned stages."""
        return self.planned is not None and len(self.rows) < self.planned and plateau(self.rows, *self._stop)

    @property
    def _stop(self) -> tuple[float | None, int]:
        """(gain, stages) of `budget.stop`."""
        stop = lookup(self.config, "budget.stop") or {}
        return stop.get("gain"), stop.get("stages", StopSection.stages)

    @property
    def complete(self) -> bool:
        """Whether no stage is missing: all are there that were planned, or everything is labelled, or the budget of
        pixels is spent, or `budget.stop` ended the run."""
        if self.planned is None or len(self.rows) >= self.planned or self.stopped:
            return True
        if not self.rows or all_labelled(self.rows[-1]):
            return bool(self.rows)
        total, spent = lookup(self.environment, "cost.pool.pixels"), lookup(self.rows[-1], "cost.pixels")
        if self.pixel_budget is None or not total or spent is None:
            return False
        # Divided, not multiplied: 0.07 * 100 is more than 7, but 7 / 100 is 0.07.
        return bool(spent / total >= self.pixel_budget)

    def to_frame(self) -> DataFrame:
        """One line a stage; see `al_lightning.report.to_frame`, which joins several runs.

        Raises:
            ImportError: pandas is not installed.
        """
        from al_lightning.report.frame import to_frame

        return to_frame([self])


def lookup(tree: Mapping[str, Any], key: str) -> Any:
    """The value below a dotted key; None where it or a parent is missing.

    Example:
        >>> lookup({"cost": {"pixels": 5}}, "cost.pixels"), lookup({}, "cost.pixels")
        (5, None)
    """
    value: Any = tree
    for name in key.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def all_labelled(row: Mapping[str, Any]) -> bool:
    """Whether a stage row has the labels of the whole pool.

    Example:
        >>> all_labelled({"fraction": 1.0}), all_labelled({"fraction": 0.5}), all_labelled({})
        (True, False, False)
    """
    return (row.get("fraction") or 0) >= FULL


def read_run(folder: Path) -> Run:
    """Read one run folder.

    Raises:
        ValueError: the folder is not named `<experiment>/<strategy>/seed-<k>`, or a file in it is damaged.
    """
    folder = folder.resolve()
    seed = _SEED.fullmatch(folder.name)
    if seed is None or len(folder.parts) < 4:
        raise ValueError(
            f"{folder} holds stages.jsonl but is not named <experiment>/<strategy>/seed-<k>; rename it, "
            "for a report takes the strategy and the seed from the folders' names"
        )
    config, environment = _config(folder / "config.yaml"), _environment(folder / "environment.json")
    return Run(
        path=folder,
        experiment=folder.parent.parent.name,
        strategy=folder.parent.name,
        seed=int(seed.group(1)),
        rows=tuple(_with_steps(row, folder) for row in read_rows(folder / "stages.jsonl")),
        config=config,
        environment=environment,
    )


def _with_steps(row: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """The row with its number of steps, which rows of earlier versions have not and the states of their stages have."""
    if "steps" in row:
        return row
    try:
        done = RunFolder(folder).progress(row["stage"])
    except ValueError:  # a damaged state is for `resume` to report; the row is whole
        done = {}
    fits = [step for name, step in done.items() if name.startswith("fit") and isinstance(step, Mapping)]
    steps = max((fit["steps"] for fit in fits if isinstance(fit.get("steps"), int)), default=None)
    return row if steps is None else {**row, "steps": steps}


def find_runs(paths: Iterable[str | Path]) -> list[Run]:
    """All runs in and below `paths`, sorted by experiment, strategy and seed; a folder named twice counts once.

    Raises:
        FileNotFoundError: a path does not exist, or no folder below it holds stages.jsonl.
        ValueError: no path was given, a run cannot be read, two folders are the same experiment, strategy
            and seed, or none of the runs has finished a stage.
    """
    roots = [Path(path) for path in paths]
    if not roots:
        raise ValueError("no run folder given; name one or more, such as runs/<experiment>")
    folders: set[Path] = set()
    for root in roots:
        if not root.is_dir():
            raise FileNotFoundError(f"{root} is not a folder; give a run folder or any folder above it, such as runs")
        found = {file.resolve().parent for file in root.rglob("stages.jsonl")}
        if not found:
            raise FileNotFoundError(
                f"{root} and the folders below it hold no stages.jsonl; give a folder that "
                "`al-lightning run` has written, such as runs/<experiment>"
            )
        folders |= found
    runs = sorted(map(read_run, sorted(folders)), key=lambda run: (run.experiment, run.strategy, run.seed))
    for first, second in pairwise(runs):
        if first.name == second.name:
            raise ValueError(
                f"{first.path} and {second.path} are both {first.name}: averaging would count this seed twice; "
                "give only one of them"
            )
    if not any(run.rows for run in runs):
        raise ValueError(
            f"no run below {', '.join(map(str, roots))} has finished a stage yet ({len(runs)} found); "
            "wait, or go on with `al-lightning resume RUN_DIR`"
        )
    return runs


_CONFIG = {
    "budget?": {
        "stages?": (int, NoneType),
        "pixels?": MAYBE_NUMBER,
        "stop?": ({"gain?": MAYBE_NUMBER, "stages?": int}, NoneType),
    }
}
_ENVIRONMENT = {
    "dataset?": {
        "size?": [int],
        "overlap?": ({"*": MAYBE_NUMBER}, NoneType),
        **{f"{name}?": MAYBE_NUMBER for name in ("pool", "validation", "test")},
        **{f"{name}?": (str, NoneType) for name in ("name", "title", "task", "protocol", "evaluate_at")},
    },
    "cost?": {"clicks?": (str, NoneType), "pool?": ({"*": MAYBE_NUMBER}, NoneType)},
    "versions?": {"*": (str, NoneType)},
}
"""What reports read of the two files."""


def _config(path: Path) -> Mapping[str, Any]:
    """The content of config.yaml; empty where there is none.

    Raises:
        ValueError: it cannot be read, or is no mapping.
    """
    if not path.exists():
        return {}
    try:
        content: Any = OmegaConf.to_container(read_yaml(path))
    except (OmegaConfBaseException, ValueError, OSError, RecursionError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error
    expect(content, _CONFIG, str(path))
    return dict(content)


def _environment(path: Path) -> Mapping[str, Any]:
    """The content of environment.json; empty where there is none.

    Raises:
        ValueError: it cannot be read, or is no object, or a value that reports need has another type.
    """
    if not path.exists():
        return {}
    content = read_json(path)
    expect(content, _ENVIRONMENT, str(path))
    return dict(content)
