"""Which runs may be compared: a group for each data set, protocol, learner and metric."""

from __future__ import annotations

from collections.abc import Sequence

from al_lightning.report.group import BASELINES, Curve, Group
from al_lightning.report.metrics import METRICS, PRIMARY, Metric
from al_lightning.report.runs import Run, lookup


def primary_metric(run: Run) -> Metric:
    """mIoU or RMSE, whichever the run's stage rows hold.

    Raises:
        ValueError: they hold neither.

    Example:
        >>> from pathlib import Path
        >>> primary_metric(Run(Path("."), "polyps", "ceal", 0, ({"test": {"miou": 0.6}},), {}, {})).label
        'mIoU (%)'
    """
    for key in PRIMARY:
        if key in run.rows[0]["test"]:
            return METRICS[key]
    raise ValueError(
        f'{run.path}: the rows\' "test" holds {sorted(run.rows[0]["test"]) or "nothing"}; '
        "a report needs 'miou' (segmentation) or 'rmse_cm' (depth)"
    )


def recorded(run: Run, key: str) -> str:
    """A value of the config as text, "not recorded" where the config has none.

    Example:
        >>> from pathlib import Path
        >>> run = Run(Path("."), "polyps", "ceal", 0, (), {"learner": {"restart": "scratch"}}, {})
        >>> recorded(run, "learner.restart"), recorded(run, "budget.stages")
        ('scratch', 'not recorded')
    """
    value = lookup(run.config, key)
    return "not recorded" if value is None else str(value)


def protocol_of(run: Run) -> str:
    """The protocol of the data set, as the run found it or else as the config asks.

    Example:
        >>> from pathlib import Path
        >>> protocol_of(Run(Path("."), "polyps", "ceal", 0, (), {}, {"dataset": {"protocol": "clean"}}))
        'clean'
    """
    protocol = lookup(run.environment, "dataset.protocol")
    return recorded(run, "dataset.options.protocol") if protocol is None else str(protocol)


def learner_of(run: Run) -> str:
    """The learner's name, with its encoder where it has one.

    Example:
        >>> from pathlib import Path
        >>> config = {"learner": {"name": "unet", "options": {"encoder": "resnet18"}}}
        >>> learner_of(Run(Path("."), "polyps", "ceal", 0, (), config, {}))
        'unet (resnet18)'
    """
    encoder = lookup(run.config, "learner.options.encoder")
    return recorded(run, "learner.name") + (f" ({encoder})" if encoder else "")


def groups(runs: Sequence[Run]) -> list[Group]:
    """Split runs into what may share a figure: same data set, protocol, learner, encoder and primary metric.

    Other settings may differ inside a group; `compare.differing` names those that do.

    Raises:
        ValueError: no run has a finished stage, or a run has no primary metric.
    """
    if not any(run.rows for run in runs):
        raise ValueError("none of the runs has a finished stage: there is nothing to report yet")
    buckets: dict[tuple[str, str, str], dict[str, list[Run]]] = {}
    for run in runs:
        # A run without a stage has no metric yet; it is named beside the runs that it belongs to.
        dataset = str(lookup(run.environment, "dataset.title") or recorded(run, "dataset.name"))
        place = (dataset, protocol_of(run), learner_of(run))
        metric = primary_metric(run).key if run.rows else ""
        buckets.setdefault(place, {}).setdefault(metric, []).append(run)
    return [
        _group(place, METRICS[metric], members, by_metric.get("", []))
        for place, by_metric in buckets.items()
        for metric, members in by_metric.items()
        if metric
    ]


def _group(place: tuple[str, str, str], metric: Metric, members: Sequence[Run], waiting: Sequence[Run]) -> Group:
    full = [run for run in members if run.fully_labelled]
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
        for (experiment, strategy), found in sorted(by_strategy.items(), key=lambda item: _order(item[1][0]))
    ]
    # Baselines come last, the one without options last of all: new methods are read against them.
    place_of = {name: k for k, name in enumerate(reversed(BASELINES), 1)}
    curves.sort(
        key=lambda curve: (
            place := place_of.get(curve.runs[0].strategy_name, 0),
            place > 0 and not curve.runs[0].variant,
        )
    )
    return Group(*place, metric, tuple(curves), tuple(full), tuple(waiting))


def _order(run: Run) -> tuple[str, str, list[tuple[str, float, str]]]:
    """By experiment and strategy; the options of a sweep by value, so that 2 comes before 10."""
    options = []
    for option in filter(None, run.variant.split(",")):
        key, _, value = option.partition("=")
        try:
            options.append((key, float(value), value))
        except ValueError:
            options.append((key, float("inf"), value))
    return run.experiment, run.strategy_name, options
