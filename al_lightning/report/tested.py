"""Which networks the strategies of a report were tested with: one, or an ensemble of a committee."""

from __future__ import annotations

from al_lightning.report.group import Group
from al_lightning.report.runs import Run, lookup
from al_lightning.report.text import tested_text

TESTED = "learner.committee.tested"


def members(run: Run) -> int:
    """Networks that a stage of the run trains."""
    return int(lookup(run.config, "learner.committee.members") or 1)


def _labels(group: Group) -> dict[str, list[str]]:
    """What is tested -> labels of the curves."""
    found: dict[str, list[str]] = {}
    for curve in group.curves:
        for run in curve.runs:
            labels = found.setdefault(tested_text(members(run), lookup(run.config, TESTED)), [])
            if curve.label not in labels:
                labels.append(curve.label)
    return found


def tested_by_label(group: Group) -> str:
    """`one network of the committee of 4 (asa); one network (random)`; "" where no run has a committee."""
    if all(members(run) == 1 for run in group.runs):
        return ""
    found = _labels(group)
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{text} ({', '.join(labels)})" for text, labels in found.items())


def ensembles_against_one(group: Group) -> list[str]:
    """A sentence where some strategies are tested as an ensemble and others as one network, or as another ensemble."""
    found = _labels(group)
    ensembles = [text for text in found if text.startswith("the ensemble")]
    if not ensembles or len(found) == 1:
        return []
    return [
        f"Tested unequally: {tested_by_label(group)}. An ensemble is mostly better than each of its networks, whatever "
        f"was selected; {TESTED}=member tests one."
    ]
