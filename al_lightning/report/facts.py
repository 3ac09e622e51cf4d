"""What the runs of a report were: settings, warnings, notes and versions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from al_lightning.report.compare import Group, differing, recorded
from al_lightning.report.page import definitions
from al_lightning.report.runs import Run, lookup

CLICKS = {
    "polygons": "vertices of the annotators' polygons",
    "contours": "corners of simplified mask outlines, a stand-in: nobody made these clicks",
}
"""Where the clicks of a run come from."""


def warnings(group: Group) -> list[str]:
    lines: dict[str, None] = {}
    for run in group.runs:
        by_id = lookup(run.environment, "dataset.overlap.by_id") or 0
        by_thumbnail = lookup(run.environment, "dataset.overlap.by_thumbnail") or 0
        if by_id or by_thumbnail:
            of = lookup(run.environment, "dataset.test")
            size = f" of the {of} test images" if of else " test images"
            lines[
                f"The test set overlaps the pool: {by_id}{size} are in the pool by name and {by_thumbnail} by look. "
                "A model may have been trained on images that it is tested on; these figures cannot be compared "
                "with those of a clean split."
            ] = None
    return list(lines)


def notes(group: Group) -> list[str]:
    lines = []
    single = [curve.label for curve in group.curves if len(curve.runs) == 1]
    if single:
        lines.append(f"One seed only: {', '.join(single)}. Without a second seed there is no spread and no interval.")
    unfinished = [
        f"{run.name} ({len(run.rows)} of {'at most ' if run.pixel_budget else ''}{run.planned} stages)"
        for run in group.runs
        if not run.complete
    ]
    if unfinished:
        lines.append(f"Not finished: {', '.join(unfinished)}. Means over fewer seeds are marked in the tables.")
    if any(len({len(r.rows) for r in curve.runs if r.complete and r.pixel_budget}) > 1 for curve in group.curves):
        lines.append("Runs stop at a share of the pool's pixels, so the seeds of a strategy end at different stages.")
    for key, values in differing(group).items():
        split = "; ".join(f"{value} ({', '.join(labels)})" for value, labels in values.items())
        lines.append(f"Beside the strategy, {key} differs: {split}.")
    if group.regions:
        lines.append("Regions count by their pixels: a number of labelled images is as many images' worth of pixels.")
    bare = [run.name for run in group.runs if not run.config]
    if bare:
        lines.append(f"No config.yaml: {', '.join(bare)}. What these runs did is known from their rows only.")
    return lines


def settings(group: Group) -> str:
    def values(key: str) -> str:
        return ", ".join(dict.fromkeys(recorded(run, key) for curve in group.curves for run in curve.runs))

    environment = next((run.environment for run in group.runs if "dataset" in run.environment), {})
    part = {name: lookup(environment, f"dataset.{name}") for name in ("pool", "validation", "test")}
    sizes = ", ".join(f"{count} {name}" for name, count in part.items() if count is not None)
    task = lookup(environment, "dataset.task") or ("segmentation" if group.primary.key == "miou" else "depth")
    strategies = [f"{curve.label} (seeds {', '.join(str(run.seed) for run in curve.runs)})" for curve in group.curves]
    pairs = [
        ("Task", str(task)),
        ("Data set", group.dataset + (f": {sizes} images" if sizes else "")),
        ("Protocol", group.protocol),
        ("Learner", group.learner),
        (
            "Each stage starts",
            {"scratch": "from scratch", "finetune": "from the weights of the one before"}.get(
                restart := values("learner.restart"), restart
            ),
        ),
        ("Image size", str(lookup(environment, "dataset.size") or values("dataset.options.size"))),
        ("A stage trains", ", or ".join(dict.fromkeys(_training(run) for curve in group.curves for run in curve.runs))),
        ("Budget", _budget(group)),
        ("Strategies", "; ".join(strategies)),
    ]
    if kind := lookup(environment, "cost.clicks"):
        more = "; and the class changes along each region's border, and its components"
        pairs.append(("Clicks", CLICKS.get(kind, kind) + (more if lookup(environment, "cost.terms") == "sum" else "")))
    if evaluated := lookup(environment, "dataset.evaluate_at"):
        pairs.append(("Evaluated at", f"{evaluated} size of the images"))
    if any(lookup(run.config, "dataset.options.part") for curve in group.curves for run in curve.runs):
        pairs.append(("Test part", values("dataset.options.part")))
    if group.full:
        pairs.append(("All labels", ", ".join(run.name for run in group.full)))
    return definitions(pairs)


def _training(run: Run) -> str:
    """`100 epochs`, `2000 steps, 4 learners on bootstraps`, ..."""
    most = {name: lookup(run.config, f"trainer.max_{name}") for name in ("epochs", "steps")}
    parts = [f"{number} {name}" for name, number in most.items() if isinstance(number, int) and number > 0]
    if time := lookup(run.config, "trainer.max_time"):
        parts.append(str(time))
    said = " or ".join(parts) or "not recorded"
    if patience := lookup(run.config, "learner.patience"):
        said += f", less after {patience} epochs without a better validation result"
    if (members := lookup(run.config, "learner.committee.members") or 1) > 1:
        said += f", {members} learners" + (
            " on bootstraps" if lookup(run.config, "learner.committee.bootstrap") else ""
        )
    if lookup(run.config, "learner.augment") == "flips":
        said += ", with random flips"
    return said


def _budget(group: Group) -> str:
    runs = [run for curve in group.curves for run in curve.runs if run.strategy != "full"]
    if not runs:
        return "all images at once"

    def values(key: str) -> str:
        return ", ".join(dict.fromkeys(recorded(run, key) for run in runs))

    shares = ", ".join(dict.fromkeys(f"{100 * run.pixel_budget:.3g} %" for run in runs if run.pixel_budget))
    most, until = ("at most ", f", until {shares} of the pool's pixels are labelled") if shares else ("", "")
    return (
        f"{values('budget.initial')} images at the start, {values('budget.per_stage')} more a stage, "
        f"{most}{values('budget.stages')} stages{until}"
    )


def versions(runs: Sequence[Run]) -> str:
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        versions = lookup(run.environment, "versions")
        for name, version in (versions if isinstance(versions, dict) else {}).items():
            found.setdefault(str(name), {})[version if isinstance(version, str) else json.dumps(version)] = None
    pairs = [(name, ", ".join(versions)) for name, versions in sorted(found.items())]
    text = definitions(pairs) if pairs else '<p class="quiet">No run recorded its versions.</p>'
    names = escape(", ".join(run.name for run in runs))
    return f'<h2>Versions</h2>{text}<p class="quiet">Runs in this report: {names}</p>'
