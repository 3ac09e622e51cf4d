"""Runs that are compared, and their metrics as arrays: curves of strategies in one setting.

S   seeds;   K   stages of a curve;   C   numbers of labelled images of a group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from al_lightning.report.metrics import METRICS, Metric, metric_of
from al_lightning.report.penalty import Setting
from al_lightning.report.picks import region_kind
from al_lightning.report.runs import Run, all_labelled, lookup
from al_lightning.report.statistics import Floats, Summary, summarise

BASELINES = ("random", "region-random")
"""Strategies that the others are compared to: the first of these that a group has."""


@dataclass(frozen=True)
class Curve:
    """The seeds of one strategy, aligned by stage."""

    label: str
    runs: tuple[Run, ...]
    """S runs by ascending seed, each with at least one stage row."""

    @property
    def stages(self) -> list[int]:
        """The K stages that any seed has, ascending."""
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
    def common_stages(self) -> int:
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
    fully_labelled: tuple[Run, ...]
    """Runs that start with all labels: what the curves are measured against."""
    waiting: tuple[Run, ...]
    """Runs without a finished stage."""

    @property
    def title(self) -> str:
        return f"{self.dataset}, {self.protocol} protocol, {self.learner}"

    @property
    def runs(self) -> list[Run]:
        """All runs of the group, those of curves first."""
        return [run for curve in self.curves for run in curve.runs] + [*self.fully_labelled, *self.waiting]

    @property
    def baseline(self) -> str | None:
        """Label of the curve that the others are compared to: the one that is named as one of `BASELINES`, else the
        first variant of such a strategy.

        None where there is none, or only in several experiments (their labels carry the experiment's name), for it is
        not known which of them is meant.
        """
        labels = [curve.label for curve in self.curves]
        for name in BASELINES:
            if name in labels:
                return name
        for name in BASELINES:
            for curve in self.curves:
                if curve.runs[0].strategy_name == name and curve.label == curve.runs[0].strategy:
                    return curve.label
        return None

    @property
    def others(self) -> list[Metric]:
        """The metrics beside the primary one: the known ones in their order, then the rest by name."""
        keys = {key for run in self.runs for row in run.rows for key in row["test"]} - {self.primary.key}
        order = list(METRICS)
        return [metric_of(key) for key in sorted(keys, key=lambda k: (order.index(k) if k in order else 99, k))]

    @property
    def columns(self) -> list[int]:
        """The C numbers of labelled images at which a curve has a stage, ascending."""
        return sorted({int(count) for curve in self.curves for count in curve.counts})

    @property
    def regions(self) -> bool:
        """Whether a run has asked for regions."""
        return any(region_kind(pick) for run in self.runs for row in run.rows for pick in row.get("selected") or [])

    @property
    def seeds(self) -> list[int]:
        """The S seeds that any curve has, ascending."""
        return sorted({run.seed for curve in self.curves for run in curve.runs})

    def table(self, key: str) -> dict[str, Floats]:
        """label -> (S, C) numbers below a dotted key, by seed and by number of labelled images; for pairing."""
        tables = {}
        for curve in self.curves:
            values = np.full((len(self.seeds), len(self.columns)), np.nan)
            seeds = [self.seeds.index(run.seed) for run in curve.runs]
            columns = [self.columns.index(int(count)) for count in curve.counts]
            values[np.ix_(seeds, columns)] = curve.values(key)
            tables[curve.label] = values
        return tables

    def summaries(self, metric: Metric) -> dict[str, Summary]:
        """label -> summary over seeds of one test metric, each (C,)."""
        return {label: summarise(values) for label, values in self.table(f"test.{metric.key}").items()}

    def total(self, term: str) -> float | None:
        """The whole pool's cost in one term ("images", "pixels", ...): as a run counted it, else of a stage with all
        labels; None where neither is known."""
        counted = [lookup(run.environment, f"cost.pool.{term}") for run in self.runs]
        counted += [lookup(row, f"cost.{term}") for run in self.runs for row in run.rows if all_labelled(row)]
        return next((float(value) for value in counted if value), None)

    def setting(self) -> Setting:
        """What the penalty matrix reads."""
        values = self.table(f"test.{self.primary.key}")
        return Setting(values, self.primary.higher_is_better is not False, self.baseline)

    def full_value(self, metric: Metric) -> dict[int, float]:
        """seed -> the metric with all labels, of a fully labelled run or of a curve that gets there."""
        known: dict[int, list[float]] = {}
        for run in self.runs:
            for row in run.rows:
                value = lookup(row, f"test.{metric.key}") if all_labelled(row) else None
                if value is not None:
                    known.setdefault(run.seed, []).append(float(value))
        return {seed: float(np.mean(values)) for seed, values in known.items()}
