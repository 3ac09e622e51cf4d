"""Sweeps: every combination of some values, each in a folder of its own. Imports no torch."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from al_lightning.config import Config, ConfigError

if TYPE_CHECKING:
    from al_lightning.core.run_folder import RunFolder

IN_THE_PATH = ("seed", "strategy.name", "name", "runs_dir")
"""Keys that the path of a run, <runs_dir>/<name>/<strategy>/seed-<k>, tells by itself."""
LONGEST_VALUE = 40
LONGEST_LABEL = 160
"""In characters; a folder's name takes 255 bytes."""


@dataclass(frozen=True)
class Point:
    """One combination of values."""

    overrides: tuple[str, ...]
    """`key=value`, to be merged over the config; names of sections stand first, for a name drops the options before."""
    label: str = ""
    """What the run's folder is called beside its strategy, such as "gamma=0.3"; empty where the path tells all."""

    def folder(self, config: Config) -> RunFolder:
        """Where the run of this point goes: runs/<name>/<strategy>[,<label>]/seed-<k>.

        Args:
            config: the config with this point's overrides.
        """
        from al_lightning import experiment
        from al_lightning.core.run_folder import RunFolder

        default = experiment.run_folder(config)
        if not self.label:
            return default
        strategy = default.path.parent
        return RunFolder(strategy.with_name(f"{strategy.name},{self.label}") / default.path.name)


def points(sweeps: Sequence[str]) -> list[Point]:
    """Every combination of the values of `key=a,b,...`; without any, one point that changes nothing.

    A comma within brackets is part of a value: `learner.options.widths=[4,8],[8,16]` has two.

    Raises:
        ConfigError: one of them has another form, or two have the same key.
    """
    axes: dict[str, list[str]] = {}
    for sweep in sweeps:
        key, equals, text = sweep.partition("=")
        values = list(_values(text))
        if not key or not equals or not all(values):
            raise ConfigError(f"--sweep {sweep}: expected key=a,b,... such as seed=0,1,2")
        if key in axes:
            raise ConfigError(f"--sweep {sweep}: {key} is swept twice; give all its values at once, as {key}=a,b,...")
        axes[key] = values
    titles = _titles([key for key in axes if key not in IN_THE_PATH])
    return [_point(dict(zip(axes, values, strict=True)), titles) for values in itertools.product(*axes.values())]


def folders(grid: Sequence[Point], configs: Sequence[Config]) -> list[RunFolder]:
    """The folder of each point.

    Raises:
        ConfigError: two points would share one.
    """
    found = [point.folder(config) for point, config in zip(grid, configs, strict=True)]
    before: dict[str, Point] = {}
    for point, folder in zip(grid, found, strict=True):
        if (other := before.setdefault(str(folder.path), point)) is not point:
            raise ConfigError(
                f"--sweep: {' '.join(other.overrides)} and {' '.join(point.overrides)} would both run in "
                f"{folder.path}; leave one of them out"
            )
    return found


def _point(values: dict[str, str], titles: dict[str, str]) -> Point:
    ordered = sorted(values, key=lambda key: key.rpartition(".")[2] != "name")
    label = ",".join(f"{title}={safe(values[key], LONGEST_VALUE)}" for key, title in titles.items())
    return Point(tuple(f"{key}={values[key]}" for key in ordered), _shortened(label, label, LONGEST_LABEL))


def _titles(keys: Sequence[str]) -> dict[str, str]:
    """Key -> what it is called in a folder's name: its last part, or all of it where two have the same last part."""
    last = {key: key.rpartition(".")[2] for key in keys}
    count = Counter(last.values())
    return {key: safe(last[key] if count[last[key]] == 1 else key, LONGEST_VALUE) for key in keys}


def _values(text: str) -> Iterator[str]:
    """The parts between the commas that stand in no bracket."""
    depth, begin = 0, 0
    for place, character in enumerate(text):
        depth = max(0, depth + (character in "[{(") - (character in "]})"))
        if character == "," and depth == 0:
            yield text[begin:place]
            begin = place + 1
    yield text[begin:]


def safe(text: str, longest: int) -> str:
    """`text` as part of a folder's name: letters, digits and `_.+-`, and a hash where it is too long or has none."""
    kept = re.sub(r"[^\w.+-]+", "_", text).strip("_")
    return _shortened(kept or "value", text, longest if kept else 0)


def _shortened(kept: str, text: str, longest: int) -> str:
    if len(kept) <= longest:
        return kept
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{kept[: max(longest - len(digest) - 1, 8)]}-{digest}"
