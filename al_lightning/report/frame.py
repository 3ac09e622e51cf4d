"""Runs as a tidy DataFrame, one line a stage. pandas is imported when it is used, for it is an optional extra."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from al_lightning.cost.terms import TERMS
from al_lightning.report.runs import Run

if TYPE_CHECKING:
    from pandas import DataFrame

_RUN = ("experiment", "strategy", "variant", "seed")
_STAGE = ("stage", "labelled", "fraction", "steps")
_NESTED = ("cost", "val", "test", "seconds")


def to_frame(runs: Iterable[Run]) -> DataFrame:
    """The stages of all runs as one table, in the order of `runs`; for statistics and figures of one's own.

    Columns, in this order:
        experiment, strategy, variant, seed: as the attributes of `Run`; `strategy` holds the variant of a sweep,
            so that grouping by experiment and strategy gives the curves of a report.
        stage: from 0.
        labelled: images (regions count as the number of images that have as many pixels).
        fraction: labelled fraction of the pool, in [0, 1].
        steps: of the optimiser in the stage's training.
        cost.<term>: images, pixels at the images' own size, clicks, and further terms; a count each.
        val.<metric>, test.<metric>: ratios in [0, 1], keys that end in `_cm` in cm, distances of objects in pixels.
        seconds.<step>: wall-clock seconds of fit, test, score and select.
    A value that a stage does not have is NaN. Without any stage the first eight columns are there and empty.

    Raises:
        ImportError: pandas is not installed.

    Example:
        >>> from pathlib import Path
        >>> row = {"stage": 0, "labelled": 30, "fraction": 0.1, "steps": 60,
        ...        "cost": {"images": 30, "clicks": None}, "val": {}, "test": {"miou": 0.61}, "seconds": {"fit": 100.0}}
        >>> run = Run(Path("."), "polyps", "ceal,gamma=0.3", 1, (row,), {}, {})
        >>> for column, value in to_frame([run]).iloc[0].items():
        ...     print(column, value)
        experiment polyps
        strategy ceal,gamma=0.3
        variant gamma=0.3
        seed 1
        stage 0
        labelled 30
        fraction 0.1
        steps 60
        cost.images 30
        cost.clicks nan
        test.miou 0.61
        seconds.fit 100.0
    """
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise ImportError(
            "to_frame needs pandas, which is not installed; install the extra: pip install 'al-lightning[frame]'"
        ) from error
    lines = [
        {name: getattr(run, name) for name in _RUN} | {name: row.get(name) for name in _STAGE} | _nested(row)
        for run in runs
        for row in run.rows
    ]
    found = dict.fromkeys(key for line in lines for key in line)
    known = [f"cost.{name}" for name in TERMS]
    nested = [key for group in _NESTED for key in [*known, *found] if key in found and key.startswith(f"{group}.")]
    columns = list(dict.fromkeys([*_RUN, *_STAGE, *nested]))
    frame = DataFrame(lines, columns=columns)
    # A term that no stage has, None throughout, would be a column of objects.
    return frame.astype({key: float for key in ("steps", *nested) if frame[key].isna().all()})


def _nested(row: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{group}.{name}": value for group in _NESTED for name, value in (row.get(group) or {}).items()}
