"""Answers of people: what they have drawn for an image, from whatever tool, before it is checked and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from al_lightning.data.files import nfc
from al_lightning.data.own.pairing import INDEX, TARGET_AFFIXES


@dataclass(frozen=True)
class Answer:
    """What somebody has drawn for one image."""

    key: str
    """Name of the image as the tool knows it, without suffix."""
    name: str
    """Where the answer is, for messages: a file, or a task of a server."""
    digest: str
    """Changes when the drawing changes."""
    read: Callable[[], NDArray[Any]]
    """(H, W) uint8 class numbers or float32 cm at the image's own size; a ValueError says why it cannot be used."""


def match(
    answers: Iterable[Answer], names: Mapping[str, int], task: str
) -> tuple[dict[int, list[Answer]], list[Answer]]:
    """({row: its answers}, answers for no image).

    An answer belongs to the image of its name; where there is none, case does not count, and a word for masks at its
    beginning or end ("_mask", "mask_") is taken off.

    Args:
        answers: of people.
        names: every name of an image -> its row. One image may have several names: its id, and that of its copy.
        task: segmentation or depth.

    Example:
        >>> answers = [Answer(key, key, "", lambda: None) for key in ("a", "B_mask", "c")]
        >>> found, unknown = match(answers, {"a": 0, "b": 1}, "segmentation")
        >>> {row: [one.key for one in ones] for row, ones in found.items()}, [one.key for one in unknown]
        ({0: ['a'], 1: ['B_mask']}, ['c'])
    """
    exact = {nfc(name): row for name, row in names.items()}
    folded: dict[str, set[int]] = {}
    for name, row in exact.items():
        folded.setdefault(name.casefold(), set()).add(row)
    found: dict[int, list[Answer]] = {}
    unknown: list[Answer] = []
    for answer in answers:
        place = _row_of(nfc(answer.key), exact, folded, task)
        if place is None:
            unknown.append(answer)
        else:
            found.setdefault(place, []).append(answer)
    return found, unknown


def _row_of(key: str, exact: Mapping[str, int], folded: Mapping[str, set[int]], task: str) -> int | None:
    if key in exact:
        return exact[key]
    for form in _forms(key, task):
        rows = folded.get(form, set())
        if len(rows) == 1:
            return next(iter(rows))
    return None


def _forms(key: str, task: str) -> Sequence[str]:
    """The key in lower case, and without a word for masks, with and without a number at its end."""
    folder, slash, name = key.casefold().rpartition("/")
    forms = [name]
    for candidate in (name, INDEX.sub("", name)):
        forms += [core for affix in TARGET_AFFIXES[task] if (core := affix.core(candidate)) is not None]
    forms.append(INDEX.sub("", name))
    return [f"{folder}{slash}{form}" for form in forms]
