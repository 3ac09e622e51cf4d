"""The plain data that the templates of a report show. Every text here is escaped by the templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from al_lightning.report.facts import Facts


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    text: str
    beside: str = ""
    """In small letters after the text."""
    below: str = ""
    """In small letters on a line of its own."""
    best: bool = False
    """In bold letters."""


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    label: str
    colour: str
    """Of the label's curve; "" where it has none."""
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Table:
    """A table that scrolls by itself where it is too wide."""

    head: Sequence[Cell]
    rows: Sequence[Row]
    caption: str


@dataclass(frozen=True)
class Figure:
    """A picture of curves."""

    source: str
    """A data URI. As a picture of its own, its element ids cannot mix up with those of another figure."""
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Headline:
    """A sentence, of which `best` is in bold letters."""

    before: str
    best: str = ""
    after: str = ""


@dataclass(frozen=True)
class OtherMetrics:
    """What is shown of the metrics beside the primary one."""

    figures: Sequence[Figure]
    tables: Sequence[Table]
    folded_names: Sequence[str]
    folded_tables: Sequence[Table]


@dataclass(frozen=True)
class MoreLabels:
    """What more labels would bring."""

    table: Table
    figures: Sequence[Figure]
    folded: bool
    """Whether the figures are closed at first."""
    legend: str
    """Of the figures; "" where there is none."""


@dataclass(frozen=True)
class Thumbnail:
    """A pick."""

    id: str
    source: str
    """A data URI; "" where there is no picture."""
    text: str
    colour: str
    """Of the rule that picked it."""


@dataclass(frozen=True)
class StagePicks:
    """The picks of one stage."""

    stage: str
    labelled: str
    count: str
    """How many of the picks are shown."""
    pictures: bool
    """False where only ids are shown."""
    picks: Sequence[Thumbnail]


@dataclass(frozen=True)
class StrategyPicks:
    """The picks of one strategy."""

    label: str
    stages: Sequence[StagePicks]
    empty: str
    """Why there is no stage; "" where there is one."""
    note: str
    """Why pictures are missing; "" where none is, or where another strategy's note says so."""


@dataclass(frozen=True)
class Gallery:
    """The picks of one seed."""

    seed: int
    sources: Sequence[tuple[str, str]]
    """Rules and their colours; empty where there is one rule only."""
    strategies: Sequence[StrategyPicks]


@dataclass(frozen=True)
class Section:
    """One group of comparable runs; None where there is nothing to show."""

    title: str
    headline: Headline
    warnings: Sequence[str]
    settings: Facts
    notes: Sequence[str]
    metric: str
    baseline: str | None
    curve: Figure
    by_stage: Table
    budget: Table
    fractions: Table | None
    more_labels: MoreLabels | None
    differences: Table | None
    penalties: Table | None
    costs: Sequence[Figure]
    others: OtherMetrics | None
    gallery: Gallery
    seconds: Table | None


@dataclass(frozen=True)
class Page:
    """A whole report."""

    title: str
    experiments: Sequence[str]
    sections: Sequence[Section]
    together: Table | None
    """Penalties over all sections; None for one section or one strategy."""
    versions: Facts
    runs: Sequence[str]
