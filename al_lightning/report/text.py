"""Numbers and lists as English text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence


def plural(number: int | str, noun: str) -> str:
    """A number with its noun.

    Args:
        number: a count, or a text such as "30, 60" where runs differ; only 1 and "1" are singular.
        noun: in the singular, with a regular plural.

    Example:
        >>> plural(1, "epoch"), plural(0, "stage"), plural("30, 60", "image")
        ('1 epoch', '0 stages', '30, 60 images')
    """
    return f"{number} {noun}" + ("" if str(number) == "1" else "s")


def joined(words: Sequence[str]) -> str:
    """Words as a list in a sentence.

    Example:
        >>> joined(["labels", "clicks", "pixels"]), joined(["labels"])
        ('labels, clicks and pixels', 'labels')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def sentence_case(text: str) -> str:
    """The text with its first letter in upper case, the rest as it is.

    Example:
        >>> sentence_case("labels of MRI")
        'Labels of MRI'
    """
    return text[:1].upper() + text[1:]


def pieces(label: str) -> list[str]:
    """A label cut where it may break: after its commas and before its dotted names, but not in a number.

    Example:
        >>> pieces("package.module.Name,gamma=0.3,k=5")
        ['package.', 'module.', 'Name,', 'gamma=0.3,', 'k=5']
    """
    return re.split(r"(?<=,)|(?<=\.)(?=[^\W\d])", label)


def duration(seconds: float) -> str:
    """A duration in two units at most, with no-break spaces; "–" where it is not finite.

    Example:
        >>> [duration(s).replace(chr(160), " ") for s in (0.25, 48, 200, 7500)]
        ['0.25 s', '48 s', '3 min 20 s', '2 h 5 min']
    """
    if not math.isfinite(seconds):
        return "–"
    if seconds < 1:
        return f"{seconds:.2f}\u00a0s"
    if seconds < 10:
        return f"{seconds:.1f}\u00a0s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}\u00a0s"
    if whole < 3600:
        return f"{whole // 60}\u00a0min\u00a0{whole % 60}\u00a0s"
    return f"{whole // 3600}\u00a0h\u00a0{whole % 3600 // 60}\u00a0min"


def steps_text(steps: Sequence[int | str]) -> str:
    """The steps of the stages: one number where all are equal.

    Example:
        >>> steps_text([2000, 2000, 2000]), steps_text([1450, 140, 130]), steps_text([1])
        ('2000 steps', '1450, 140, 130 steps', '1 step')
    """
    shown = steps[:1] if len(set(steps)) == 1 else steps
    return plural(", ".join(map(str, shown)), "step")


def tested_text(members: int, tested: str | None) -> str:
    """Which networks are tested, of how many that a stage trains.

    Args:
        members: of the committee; 1 without one.
        tested: learner.committee.tested; None for a version without it, which tested the ensemble.

    Example:
        >>> tested_text(4, "member"), tested_text(4, "ensemble"), tested_text(1, "ensemble")
        ('one network of the committee of 4', 'the ensemble of the committee of 4', 'one network')
    """
    if members == 1:
        return "one network"
    return f"{'one network' if tested == 'member' else 'the ensemble'} of the committee of {members}"
