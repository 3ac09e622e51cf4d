"""What a metric is drawn against: labelled images, the labelled fraction, and each term of the cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from al_lightning.cost.terms import TERMS
from al_lightning.report.runs import Run


@dataclass(frozen=True)
class Axis:
    """A number of a stage row, and how an axis shows it.

    Example:
        >>> axis_of("cost.clicks").of_pool(50_000)
        Axis(key='cost.clicks', label='Clicks (% of the pool)', factor=0.002, whole=False)
    """

    key: str
    """Dotted key in a stage row."""
    label: str
    factor: float = 1.0
    """The number times this is shown."""
    whole: bool = False
    """Whether ticks are whole numbers."""

    def of_pool(self, total: float) -> Axis:
        """The axis in per cent of the whole pool's `total` > 0, a number as stage rows have it."""
        name = self.label.partition(" (")[0]
        return replace(self, label=f"{name} (% of the pool)", factor=100 / total, whole=False)


LABELLED = Axis("labelled", "Labelled images", whole=True)
FRACTION = Axis("fraction", "Labelled fraction of the pool (%)", 100.0)


def axis_of(key: str) -> Axis:
    """The axis of a dotted key; one that the table of cost terms does not know has its plain name.

    Example:
        >>> axis_of("cost.pixels").label, axis_of("cost.review_minutes").label
        ('Labelled pixels (millions)', 'review minutes')
    """
    for axis in (LABELLED, FRACTION):
        if axis.key == key:
            return axis
    name = key.removeprefix("cost.")
    if name in TERMS:
        return Axis(key, TERMS[name].axis, TERMS[name].unit_factor)
    return Axis(key, plain_name(name))


def plain_name(term: str) -> str:
    """A cost term in a sentence.

    Example:
        >>> plain_name("review_minutes")
        'review minutes'
    """
    return term.replace("_", " ")


def cost_terms(runs: Iterable[Run]) -> list[str]:
    """Terms beside "images" that a stage row has a number of: known ones in their order, then the others by name.

    Example:
        >>> from pathlib import Path
        >>> row = {"cost": {"images": 30, "review_minutes": 9.5, "pixels": 3e6, "clicks": None}}
        >>> cost_terms([Run(Path("."), "polyps", "ceal", 0, (row,), {}, {})])
        ['pixels', 'review_minutes']
    """
    names = {
        name
        for run in runs
        for row in run.rows
        for name, value in (row.get("cost") or {}).items()
        if isinstance(value, int | float)
    } - {"images"}
    return [name for name in TERMS if name in names] + sorted(names - set(TERMS))
