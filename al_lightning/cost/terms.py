"""The terms in which the cost of annotation is counted. Imports no torch, because reports use this table too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CostTerm:
    """One key below "cost" in a stage row of stages.jsonl.

    Example:
        >>> clicks = TERMS["clicks"]
        >>> clicks.axis, 5000 * clicks.unit_factor
        ('Clicks (thousands)', 5.0)
    """

    name: str
    """The key, such as "clicks"."""
    axis: str
    """Label of an axis, with its unit in brackets."""
    unit_factor: float
    """The number on the axis is the count times this factor."""
    meaning: str
    """What is counted, as a sentence."""


TERMS: dict[str, CostTerm] = {
    term.name: term
    for term in (
        CostTerm(
            "images",
            "Labelled images",
            1.0,
            "Images with a label, of the whole image or of a region.",
        ),
        CostTerm(
            "pixels",
            "Labelled pixels (millions)",
            1e-6,
            "Revealed pixels, counted at the images' own size and once where regions overlap.",
        ),
        CostTerm(
            "clicks",
            "Clicks (thousands)",
            1e-3,
            "Clicks that outline what is revealed: vertices of outlines and, with budget.clicks=sum, crossings of a "
            "region's border and connected components.",
        ),
    )
}
"""name -> term, in the order of reports."""
