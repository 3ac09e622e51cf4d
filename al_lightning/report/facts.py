"""What the runs of a report were: settings, warnings, notes and versions, as text."""

from __future__ import annotations

import json
from collections.abc import Sequence

from al_lightning.report.compare import differing
from al_lightning.report.group import Group
from al_lightning.report.grouping import recorded
from al_lightning.report.runs import Run, lookup
from al_lightning.report.tested import TESTED, ensembles_against_one, tested_by_label
from al_lightning.report.text import plural
from al_lightning.report.training import steps_by_stage, unequal_steps

Facts = list[tuple[str, str]]
"""Terms and what they are."""

CLICKS = {
    "polygons": "vertices of the annotators' polygons",
    "contours": "corners of simplified mask outlines, an estimate: no annotator made these clicks",
}
"""Where the clicks of a run come from."""
PASSES = {"unlabelled": "the unlabelled images", "longest": "the longer of what the learner trains on"}
"""What an epoch is a pass over, where it is not the labelled images."""
RESTART = {"scratch": "from scratch", "finetune": "from the weights of the one before"}


def warnings(group: Group) -> list[str]:
    """A sentence for each kind of overlap of test set and pool, and where strategies train or are tested unequally."""
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
    return [*lines, *unequal_steps(group), *ensembles_against_one(group)]


def notes(group: Group) -> list[str]:
    """Sentences on what a reader should know before comparing: few seeds, unfinished runs, differing settings."""
    lines = []
    single = [curve.label for curve in group.curves if len(curve.runs) == 1]
    if single:
        lines.append(f"One seed only: {', '.join(single)}. Without a second seed there is no spread and no interval.")
    unfinished = [
        f"{run.name} ({len(run.rows)} of {'at most ' if run.pixel_budget else ''}{plural(run.planned, 'stage')})"
        for run in group.runs
        if run.planned is not None and not run.complete
    ]
    if unfinished:
        lines.append(f"Not finished: {', '.join(unfinished)}. Means over fewer seeds are marked in the tables.")
    stopped: dict[str, list[str]] = {}
    for run in group.runs:
        if run.stopped and run.planned is not None:
            ended = f"{run.name} ({len(run.rows)} of {plural(run.planned, 'stage')})"
            stopped.setdefault(run.stop_rule, []).append(ended)
    lines += [f"Ended by budget.stop, because {rule}: {', '.join(names)}." for rule, names in stopped.items()]
    if any(len({len(r.rows) for r in curve.runs if r.complete and r.pixel_budget}) > 1 for curve in group.curves):
        lines.append(
            "Runs stop at a fraction of the pool's pixels, so the seeds of a strategy end at different stages."
        )
    for key, values in differing(group).items():
        split = "; ".join(f"{value} ({', '.join(labels)})" for value, labels in values.items())
        lines.append(f"Beside the strategy, {key} differs: {split}.")
    if group.regions:
        lines.append("Regions count by their pixels: a number of labelled images is as many images' worth of pixels.")
    bare = [run.name for run in group.runs if not run.config]
    if bare:
        lines.append(f"No config.yaml: {', '.join(bare)}. What these runs did is known from their rows only.")
    return lines


def settings(group: Group) -> Facts:
    """What the curves of a group have in common, and the strategies."""
    runs = [run for curve in group.curves for run in curve.runs]
    environment = next((run.environment for run in group.runs if "dataset" in run.environment), {})
    counts = {name: lookup(environment, f"dataset.{name}") for name in ("pool", "validation", "test")}
    sizes = ", ".join(f"{count} {name}" for name, count in counts.items() if count is not None)
    task = lookup(environment, "dataset.task") or ("segmentation" if group.primary.key == "miou" else "depth")
    restart = _values(runs, "learner.restart")
    strategies = [f"{curve.label} (seeds {', '.join(str(run.seed) for run in curve.runs)})" for curve in group.curves]
    pairs = [
        ("Task", str(task)),
        ("Data set", group.dataset + (f": {sizes} images" if sizes else "")),
        ("Protocol", group.protocol),
        ("Learner", group.learner),
        ("Each stage starts", RESTART.get(restart, restart)),
        ("Image size", str(lookup(environment, "dataset.size") or _values(runs, "dataset.options.size"))),
        ("A stage trains", "; or ".join(dict.fromkeys(map(_training, runs))) + steps_by_stage(runs)),
        *([("Tested", text)] if (text := tested_by_label(group)) else []),
        ("Budget", _budget(runs)),
        ("Strategies", "; ".join(strategies)),
    ]
    if kind := lookup(environment, "cost.clicks"):
        more = "; and the class changes along each region's border, and its components"
        pairs.append(("Clicks", CLICKS.get(kind, kind) + (more if lookup(environment, "cost.terms") == "sum" else "")))
    if evaluated := lookup(environment, "dataset.evaluate_at"):
        pairs.append(("Evaluated at", f"{evaluated} size of the images"))
    if any(lookup(run.config, "dataset.options.part") for run in runs):
        pairs.append(("Test part", _values(runs, "dataset.options.part")))
    if group.fully_labelled:
        pairs.append(("All labels", ", ".join(run.name for run in group.fully_labelled)))
    return pairs


def _values(runs: Sequence[Run], key: str) -> str:
    """The different values of a key of the config, in the order of the runs."""
    return ", ".join(dict.fromkeys(recorded(run, key) for run in runs))


def _training(run: Run) -> str:
    """`100 epochs`, `2000 steps, 4 learners on bootstraps`, ..."""
    most = {name: lookup(run.config, f"trainer.max_{name}s") for name in ("epoch", "step")}
    limits = [plural(number, name) for name, number in most.items() if isinstance(number, int) and number > 0]
    if time := lookup(run.config, "trainer.max_time"):
        limits.append(str(time))
    said = " or ".join(limits) or "not recorded"
    if limits and (first := lookup(run.config, "learner.initial_epochs")):
        said = f"{plural(first, 'epoch')} at the first stage, then {said}"
    if over := PASSES.get(str(lookup(run.config, "learner.epoch"))):
        said += f", each a pass over {over}"
    if patience := lookup(run.config, "learner.patience"):
        said += f", less after {plural(patience, 'epoch')} without a better validation result"
    if (members := lookup(run.config, "learner.committee.members") or 1) > 1:
        said += f", {members} learners"
        if lookup(run.config, "learner.committee.bootstrap"):
            said += ", all but the first" * (lookup(run.config, TESTED) == "member") + " on bootstraps"
    if lookup(run.config, "learner.augment") == "flips":
        said += ", with random flips"
    return said


def _budget(runs: Sequence[Run]) -> str:
    runs = [run for run in runs if not run.fully_labelled]
    if not runs:
        return "all images at once"
    fractions = ", ".join(dict.fromkeys(f"{100 * run.pixel_budget:.3g} %" for run in runs if run.pixel_budget))
    most, until = ("at most ", f", until {fractions} of the pool's pixels are labelled") if fractions else ("", "")
    if rules := ", ".join(dict.fromkeys(run.stop_rule for run in runs if run.stop_rule)):
        most, until = "at most ", f"{until}, until {rules}"
    return (
        f"{plural(_values(runs, 'budget.initial'), 'image')} at the start, "
        f"{_values(runs, 'budget.per_stage')} more a stage, "
        f"{most}{plural(_values(runs, 'budget.stages'), 'stage')}{until}"
    )


def versions(runs: Sequence[Run]) -> Facts:
    """Versions by name, all that differ; empty where no run recorded any.

    Example:
        >>> from pathlib import Path
        >>> versions([Run(Path("."), "polyps", "ceal", 0, (), {}, {"versions": {"torch": "2.11"}})])
        [('torch', '2.11')]
    """
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        known = lookup(run.environment, "versions")
        for name, version in (known if isinstance(known, dict) else {}).items():
            found.setdefault(str(name), {})[version if isinstance(version, str) else json.dumps(version)] = None
    return [(name, ", ".join(texts)) for name, texts in sorted(found.items())]
