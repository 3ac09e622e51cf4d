"""Which runs may be compared, and their metrics as arrays: curves of strategies in one setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.report.quantities import AXES, METRICS, PRIMARY, Metric, metric_of
from al_lightning.report.runs import FULL, Run, lookup
from al_lightning.report.statistics import Setting, Summary, summarise

Floats = NDArray[np.floating[Any]]
BASELINES = ("random", "region-random")
"""Strategies that the others are read against: the first of these that a group has."""
_OWN = frozenset({"name", "seed", "runs_dir", "strategy", "oracle", "logging", "loader"})
"""Sections of the config that may differ between runs without changing what is compared."""


@dataclass(frozen=True)
class Curve:
    """The seeds of one strategy, aligned by stage."""

    label: str
    runs: tuple[Run, ...]
    """S runs by ascending seed, each with at least one row."""

    @property
    def stages(self) -> list[int]:
        return sorted({row["stage"] for run in self.runs for row in run.rows})

    def values(self, key: str) -> Floats:
        """(S, K) numbers below a dotted key ("test.miou", "cost.pixels"); NaN where there is none."""
        column = {stage: k for k, stage in enumerate(self.stages)}
        values = np.full((len(self.runs), len(column)), np.nan)
        for s, run in enumerate(self.runs):
            for row in run.rows:
                value = lookup(row, key)
                if isinstance(value, int | float):
                    values[s, column[row["stage"]]] = value
        return values

    def mean(self, key: str) -> Floats:
        """(K,) mean over seeds."""
        return summarise(self.values(key)).mean

    @property
    def counts(self) -> NDArray[np.int64]:
        """(K,) images labelled at each stage; rounded means where a stage differs between seeds."""
        return np.rint(self.mean("labelled")).astype(np.int64)

    @property
    def shared(self) -> int:
        """Number of stages that every finished run has (with a budget of pixels, seeds may end at different ones);
        all where none is known to have finished."""
        finished = (len(run.rows) for run in self.runs if run.complete and run.planned is not None)
        return min(finished, default=len(self.stages))


@dataclass(frozen=True)
class Group:
    """Runs of one learner on one data set under one protocol, judged by one metric."""

    dataset: str
    protocol: str
    learner: str
    primary: Metric
    curves: tuple[Curve, ...]
    full: tuple[Run, ...]
    """Runs that start with all labels: what the curves are measured against."""
    waiting: tuple[Run, ...]
    """Runs without a finished stage."""

    @property
    def title(self) -> str:
        return f"{self.dataset}, {self.protocol} protocol, {self.learner}"

    @property
    def runs(self) -> list[Run]:
        return [run for curve in self.curves for run in curve.runs] + [*self.full, *self.waiting]

    @property
    def baseline(self) -> str | None:
        """Label of the curve that the others are read against. None where none of `BASELINES` is there, or only
        in several experiments, whose labels carry the experiment's name: which of them is meant, nobody says."""
        labels = [curve.label for curve in self.curves]
        return next((name for name in BASELINES if name in labels), None)

    @property
    def others(self) -> list[Metric]:
        """The metrics beside the primary one: the known ones in their order, then the rest by name."""
        keys = {key for run in self.runs for row in run.rows for key in row["test"]} - {self.primary.key}
        order = list(METRICS)
        return [metric_of(key) for key in sorted(keys, key=lambda k: (order.index(k) if k in order else 99, k))]

    @property
    def columns(self) -> list[int]:
        """Every number of labelled images at which a curve has a stage."""
        return sorted({int(count) for curve in self.curves for count in curve.counts})

    @property
    def regions(self) -> bool:
        """Whether a run has asked for regions."""
        return any("box" in pick for run in self.runs for row in run.rows for pick in row.get("selected") or [])

    @property
    def seeds(self) -> list[int]:
        return sorted({run.seed for curve in self.curves for run in curve.runs})

    def table(self, key: str) -> dict[str, Floats]:
        """label -> (seeds, columns): a row a seed, a column a number of labelled images; for pairing."""
        tables = {}
        for curve in self.curves:
            values = np.full((len(self.seeds), len(self.columns)), np.nan)
            rows = [self.seeds.index(run.seed) for run in curve.runs]
            columns = [self.columns.index(int(count)) for count in curve.counts]
            values[np.ix_(rows, columns)] = curve.values(key)
            tables[curve.label] = values
        return tables

    def summaries(self, metric: Metric) -> dict[str, Summary]:
        """label -> summary over seeds of one test metric by column."""
        return {label: summarise(values) for label, values in self.table(f"test.{metric.key}").items()}

    def total(self, key: str) -> float | None:
        """The whole pool's cost in "images", "pixels" or "clicks": as a run counted it, or of a row with all labels."""
        counted = [lookup(run.environment, f"cost.pool.{key}") for run in self.runs]
        rows = [row for run in self.runs for row in run.rows if (row.get("fraction") or 0) >= FULL]
        counted += [lookup(row, f"cost.{key}") for row in rows]
        return next((float(value) for value in counted if value), None)

    def setting(self) -> Setting:
        values = self.table(f"test.{self.primary.key}")
        return Setting(values, self.primary.higher_is_better is not False, self.baseline)

    def full_value(self, metric: Metric) -> dict[int, float]:
        """seed -> the metric with all labels, from `full` or from a curve that gets there."""
        rows = [(run.seed, row) for run in self.runs for row in run.rows if (row.get("fraction") or 0) >= FULL]
        pairs = [(seed, lookup(row, f"test.{metric.key}")) for seed, row in rows]
        known: dict[int, list[float]] = {}
        for seed, value in pairs:
            if value is not None:
                known.setdefault(seed, []).append(float(value))
        return {seed: float(np.mean(values)) for seed, values in known.items()}


def primary_metric(run: Run) -> Metric:
    """mIoU or RMSE, whichever the run's rows hold.

    Raises:
        ValueError: they hold neither.
    """
    for key in PRIMARY:
        if key in run.rows[0]["test"]:
            return METRICS[key]
    raise ValueError(
        f'{run.path}: the rows\' "test" holds {sorted(run.rows[0]["test"]) or "nothing"}; '
        "a report needs 'miou' (segmentation) or 'rmse_cm' (depth)"
    )


def recorded(run: Run, key: str) -> str:
    """A value of the config as text, "not recorded" where the config has none."""
    value = lookup(run.config, key)
    return "not recorded" if value is None else str(value)


def protocol_of(run: Run) -> str:
    protocol = lookup(run.environment, "dataset.protocol")
    return recorded(run, "dataset.options.protocol") if protocol is None else str(protocol)


def learner_of(run: Run) -> str:
    encoder = lookup(run.config, "learner.options.encoder")
    return recorded(run, "learner.name") + (f" ({encoder})" if encoder else "")


def groups(runs: Sequence[Run]) -> list[Group]:
    """Split runs into what may share a figure: same data set, protocol, learner, encoder and primary metric.

    Other settings may differ inside a group; `differing` names those that do.

    Raises:
        ValueError: no run has a finished stage, or a run has no primary metric.
    """
    if not any(run.rows for run in runs):
        raise ValueError("none of the runs has a finished stage: there is nothing to report yet")
    buckets: dict[tuple[str, str, str], dict[str, list[Run]]] = {}
    for run in runs:
        # A run without a row has no metric yet; it is named beside the runs that it belongs to.
        place = (recorded(run, "dataset.name"), protocol_of(run), learner_of(run))
        metric = primary_metric(run).key if run.rows else ""
        buckets.setdefault(place, {}).setdefault(metric, []).append(run)
    return [
        _group(place, METRICS[metric], members, by_metric.get("", []))
        for place, by_metric in buckets.items()
        for metric, members in by_metric.items()
        if metric
    ]


def _group(place: tuple[str, str, str], metric: Metric, members: Sequence[Run], waiting: Sequence[Run]) -> Group:
    full = [run for run in members if (run.rows[0].get("fraction") or 0) >= FULL]
    if len(full) == len(members):
        full = []  # nothing to measure against them: they are the report
    by_strategy: dict[tuple[str, str], list[Run]] = {}
    for run in members:
        if run not in full:
            by_strategy.setdefault((run.experiment, run.strategy), []).append(run)
    names = [strategy for _, strategy in by_strategy]
    curves = [
        Curve(
            strategy if names.count(strategy) == 1 else f"{experiment} / {strategy}",
            tuple(sorted(found, key=lambda run: run.seed)),
        )
        for (experiment, strategy), found in sorted(by_strategy.items())
    ]
    # Baselines come last: new methods are read against them.
    place_of = {name: k for k, name in enumerate(reversed(BASELINES), 1)}
    curves.sort(key=lambda curve: place_of.get(curve.runs[0].strategy, 0))
    return Group(*place, metric, tuple(curves), tuple(full), tuple(waiting))


def differing(group: Group) -> dict[str, dict[str, list[str]]]:
    """Settings in which the curves differ beside the strategy: dotted key -> value -> labels that have it."""
    found: dict[str, dict[str, list[str]]] = {}
    flat = [(curve.label, _flatten(run.config)) for curve in group.curves for run in curve.runs if run.config]
    for key in sorted({key for _, config in flat for key in config}):
        if key.split(".")[0] in _OWN:
            continue
        values: dict[str, list[str]] = {}
        for label, config in flat:
            labels = values.setdefault(str(config.get(key, "not set")), [])
            if label not in labels:
                labels.append(label)
        if len(values) > 1:
            found[key] = values
    return found


def _flatten(tree: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def extra_axes(group: Group) -> list[str]:
    """Budgets beside the number of images that tell the curves apart: at one number of labelled images the
    means of two curves differ by more than a per cent. Where regions were asked for, clicks and pixels both are:
    a reader should see how the two disagree."""
    found = []
    for axis in AXES:
        means = np.stack([summarise(values).mean for values in group.table(axis).values()])
        for column in means.T:
            known = column[np.isfinite(column)]
            if len(known) > 1 and np.ptp(known) > 0.01 * known.max():
                found.append(axis)
                break
    both = {"cost.pixels", "cost.clicks"} if group.regions else set()
    return [axis for axis in AXES if axis in found or axis in both]


def common_range(curves: Sequence[Curve], key: str = "labelled") -> tuple[float, float] | None:
    """The budgets from the first to the last of its `shared` stages that every curve of two stages or more covers
    with all seeds that have got there: the range of AUBC. None where there are none."""
    budgets = [values for curve in curves if (values := curve.values(key)[:, : curve.shared]).shape[1] > 1]
    if not budgets:
        return None
    low = max(float(np.nanmax(values[:, 0])) for values in budgets)
    high = min(float(np.nanmin(values[:, -1])) for values in budgets)
    return (low, high) if low < high else None


def efficiency(curve: Curve, metric: Metric, full: Mapping[int, float], cost: str) -> tuple[Floats, Floats, float]:
    """What `label_efficiency` needs: mean cost (K,), mean metric (K,) and the metric with all labels.

    Each is a mean over the seeds that have a full-data result and all `shared` stages of the curve (a mean over
    other seeds at other stages would bend it); empty and NaN where there are none.
    """
    x, y = (curve.values(key)[:, : curve.shared] for key in (cost, f"test.{metric.key}"))
    rows = [s for s, run in enumerate(curve.runs) if run.seed in full and np.isfinite(x[s] + y[s]).all()]
    if not rows:
        return np.empty(0), np.empty(0), float("nan")
    x, y = x[rows].mean(axis=0), y[rows].mean(axis=0)
    return x, y, float(np.mean([full[curve.runs[s].seed] for s in rows]))
