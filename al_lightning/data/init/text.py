"""A finding as the YAML of an experiment, with comments on what was found and what can be changed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from al_lightning.config import defaults
from al_lightning.data.init.choices import Choice, Question, flow
from al_lightning.data.init.finding import Finding
from al_lightning.data.init.proposal import Budget, SizeOption, cache_for, existing_of, held_out_of
from al_lightning.data.own.folder_listing import NO_TARGETS

WIDTH = 118
AT = 34
"""Column of the comments beside values."""
COMMENTS = {
    "size": "pixels that the network sees, multiples of 32; smaller is faster",
    "classes": "by number, the background first; give them their names",
    "csv": "columns image, target[, group][, split]",
    "groups": "all images of a patient or video are in one split",
    "task": "targets hold depth",
    "maximum_cm": "largest depth, by which the network scales",
    "several_masks": "foreground is what any mask of an image marks",
    "threshold": "numbers above are foreground",
    "invert": "near is bright",
    "protocol": "the published test set is not here",
    "part": "the only test part that is here",
    "validation": "a tenth of the images that are here",
    "textures": "those that are here",
}
"""What a line of options says."""


def to_yaml(finding: Finding, name: str, size: SizeOption, budget: Budget, pool: int, words: Sequence[str]) -> str:
    """The YAML of an experiment.

    Args:
        finding (Finding): what was found in the folder.
        name (str): of the experiment.
        size (SizeOption): of the learner's images.
        budget (Budget): numbers of images.
        pool (int): images of the pool that can be labelled.
        words (Sequence[str]): the command and the name of the file, for the comment at the top.
    """
    depth = finding.options.get("task") == "depth" or finding.loader == "colonoscopy-depth"
    base: Any = OmegaConf.to_container(OmegaConf.load(defaults.file()))
    if depth:
        base = OmegaConf.to_container(OmegaConf.merge(base, base["variants"]["depth"]))
    learner, strategy, trainer, loader = (base[key] for key in ("learner", "strategy", "trainer", "loader"))
    loader["cache"] = cache_for(len(finding.images), size)
    loader["batch_size"] = min(loader["batch_size"], max(2, budget.initial))
    existing = existing_of(finding)
    first = "images that are drawn at random for the first training"
    if finding.people:
        first = "images for the first training" + (f"; the {existing} that have a mask count" if existing else "")
    head = [_comment(f"Written by `{words[0]}`. What was found:"), *(_comment(line) for line in finding.lines)]
    head += ["#", f"#   al-lightning check {words[1]}", f"#   al-lightning run {words[1]}"]
    total = min(pool, budget.initial + (budget.stages - 1) * budget.per_stage)
    about = "" if finding.dataset is not None else "about "
    beside = f"of {about}{pool} images in the pool: {total} at the end"
    return "\n".join(
        [
            *head,
            f"name: {flow(name)}",
            "dataset:",
            f"  name: {finding.loader}",
            "  options:",
            _line("    ", "root", str(finding.root)),
            _line("    ", "size", size),
            *(_line("    ", key, value) for key, value in finding.options.items()),
            *(line for question in finding.open for line in _open(question)),
            "learner:",
            f"  name: {learner['name']}",
            _beside(
                f"  options: {flow({'encoder': None, **learner.get('options', {})})}",
                "encoder: resnet34, with encoder_weights: imagenet, is a larger one that has seen photographs",
            ),
            *([_beside(f"  mc_passes: {learner.get('mc_passes')}", "with dropout, for the uncertainty")] * depth),
            _beside(
                f"strategy: {flow(strategy)}",
                "half of a stage's images by uncertainty, half by TA-Coreset; random is the baseline",
            ),
            *_people(finding),
            "budget:",
            *_held_out(finding),
            *_first(finding, budget.initial > existing),
            _beside(f"  initial: {budget.initial}", first),
            _beside(f"  per_stage: {budget.per_stage}", "more after each stage"),
            _beside(f"  stages: {budget.stages}", beside),
            _beside(f"trainer: {flow(trainer)}", "max_epochs of each stage; 1 is a quick trial"),
            f"loader: {flow(loader)}",
            "",
        ]
    )


def _people(finding: Finding) -> list[str]:
    """The oracle of a set without all masks."""
    if not finding.people:
        return []
    return [_beside("oracle: {name: folder}", "people save masks in a folder; label-studio is another")]


def _held_out(finding: Finding) -> list[str]:
    """What people annotate first, to measure with."""
    dataset, wanted = finding.dataset, held_out_of(finding)
    comments = {
        "test": "images that people annotate first, a random sample to measure with",
        "validation": "the same, to choose the best epoch with",
    }
    lines = []
    for name, count in wanted.items():
        here = sum(dataset.targets[row] is not None for row in getattr(dataset, name).tolist()) if dataset else 0
        lines.append(_beside(f"  {name}: {count}", comments[name] + (f"; {here} have a mask" if here else "")))
    return lines


def _first(finding: Finding, some: bool) -> list[str]:
    """How the images are picked that people annotate for the first training, where there are some."""
    if not finding.people or not some:
        return []
    return [_beside("  first: typiclust", "how the initial images are picked; random is the other way")]


def _open(question: Question) -> list[str]:
    """What is not clear, as comments among the options."""
    if question.needed:
        lines = [_comment(f"{question.option} is not decided: {question.why}", "    ")]
        if question.choices:
            lines.append("    # Take one of these, without the #:")
        return lines + [line for choice in question.choices for line in _commented(choice)]
    first, *others = question.choices
    taken = f"taken is {flow(first.options)[1:-1] or first.says}"
    lines = [_comment(f"{question.option} is not certain: {question.why}; {taken}; else", "    ")]
    for choice in others:
        lines += _commented(choice) if choice.options else [f"    # without {question.option}: {choice.says}"]
    return lines


def _commented(choice: Choice) -> list[str]:
    """An answer as comments: what to uncomment, below what it means."""
    lines = [f"    #   {key}: {flow(value)}" for key, value in choice.options.items()]
    return [_comment(f"- {choice.says}:", "    "), *lines]


def _line(indent: str, key: str, value: Any) -> str:
    text = f"{indent}{key}: {flow(value)}"
    if key == "targets" and value == NO_TARGETS:
        return _beside(text, "no image has a mask yet; when some have, remove the line in a new run")
    return _beside(text, COMMENTS[key]) if key in COMMENTS else text


def _beside(text: str, comment: str, at: int = AT) -> str:
    """A line and a comment beside it, or above it where the line is long."""
    if max(len(text), at) + len(comment) + 4 <= WIDTH:
        return f"{text:<{at}}  # {comment}"
    return f"{_comment(comment, ' ' * (len(text) - len(text.lstrip())))}\n{text}"


def _comment(text: str, indent: str = "") -> str:
    """A text as comment lines."""
    first, rest = f"{indent}# ", f"{indent}#   "
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
