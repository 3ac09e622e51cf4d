"""Sweeps: every combination of some values, each in a folder of its own."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from al_lightning import experiment
from al_lightning.config import Config, ConfigError, grid
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
    """`key=value`, to be merged over the config in this order."""
    label: str = ""
    """What the run's folder is called beside its strategy, such as "gamma=0.3"; empty where the path tells all."""

    def folder(self, config: Config) -> RunFolder:
        """Where the run of this point goes: runs/<name>/<strategy>[,<label>]/seed-<k>.

        Args:
            config: the config with this point's overrides.
        """
        default = experiment.run_folder(config)
        if not self.label:
            return default
        strategy = default.path.parent
        return RunFolder(strategy.with_name(f"{strategy.name},{self.label}") / default.path.name)


def points(sweeps: Sequence[str]) -> list[Point]:
    """Every combination of the values of `key=a,b,...`; without any, one point that changes nothing.

    Raises:
        ConfigError: see `grid.combinations`.
    """
    return [Point(tuple(grid.overrides(values)), _label(values)) for values in grid.combinations(sweeps)]


def folders(chosen: Sequence[Point], configs: Sequence[Config]) -> list[RunFolder]:
    """The folder of each point.

    Raises:
        ConfigError: two points would share one.
    """
    found = [point.folder(config) for point, config in zip(chosen, configs, strict=True)]
    before: dict[str, Point] = {}
    for point, folder in zip(chosen, found, strict=True):
        if (other := before.setdefault(str(folder.path), point)) is not point:
            raise ConfigError(
                f"--sweep: {' '.join(other.overrides)} and {' '.join(point.overrides)} would both run in "
                f"{folder.path}; leave one of them out"
            )
    return found


def _label(values: Mapping[str, str]) -> str:
    keys = [key for key in values if key not in IN_THE_PATH]
    last = Counter(_last(key) for key in keys)
    titles = {key: _last(key) if last[_last(key)] == 1 else key for key in keys}
    label = ",".join(f"{_safe(title)}={_safe(values[key])}" for key, title in titles.items())
    return _short(label, label, LONGEST_LABEL)


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _safe(text: str) -> str:
    """`text` as part of a folder's name: letters, digits and `_.+-`, and a hash where it is too long or has none."""
    kept = re.sub(r"[^\w.+-]+", "_", text).strip("_")
    return _short(kept, text, LONGEST_VALUE) if kept else f"value-{_digest(text)}"


def _short(kept: str, text: str, longest: int) -> str:
    return kept if len(kept) <= longest else f"{kept[: longest - 9]}-{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
