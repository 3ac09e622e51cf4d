"""Groups (patients, videos) that lie in several splits, and the rule that would keep near-duplicates together."""

from __future__ import annotations

from collections.abc import Sequence

from al_lightning.audit.findings import SAME, Finding, of_set
from al_lightning.audit.subject import Subject
from al_lightning.data.dataset import SPLITS
from al_lightning.data.errors import DataError
from al_lightning.data.own.grouping import group_keys
from al_lightning.data.walk import some

RULES = (
    "video",
    "auto",
    "folder",
    *(rf"^(.*?[^/_. -]+(?:[_. -][^/_. -]+){{{more}}})[_. -][^/]*$" for more in (2, 1, 0)),
)
"""Rules of the option `groups` that are tried: the last are the first words of a name, three, two or one."""
EXPLAINED = 0.9
"""Fraction of the near-duplicates across splits that a rule has to keep together."""
FEWEST = 3
"""Groups that are needed for three splits."""


def findings_of_groups(subject: Subject, pairs: Sequence[Finding]) -> list[Finding]:
    """Groups in several splits, and a rule where near-duplicates are.

    Args:
        subject (Subject): the set.
        pairs (Sequence[Finding]): of images that are alike.
    """
    return [*_straddling(subject), *_proposal(subject, pairs)]


def _straddling(subject: Subject) -> list[Finding]:
    rows_of: dict[str, dict[str, list[int]]] = {}
    for row, group in enumerate(subject.groups):
        if (split := str(subject.split_of[row])) in SPLITS:
            rows_of.setdefault(group, {}).setdefault(split, []).append(row)
    found = []
    for group, by_split in rows_of.items():
        if len(by_split) == 1:
            continue
        shown = [rows[0] for rows in by_split.values()]
        counts = ", ".join(f"{len(rows)} in {split}" for split, rows in by_split.items())
        found.append(
            Finding(
                "group across splits",
                "error" if "test" in by_split else "warning",
                tuple(subject.ids[row] for row in shown),
                tuple(str(subject.images[row]) for row in shown),
                tuple(by_split),
                f"group {group}: {counts}",
            )
        )
    return found


def _proposal(subject: Subject, pairs: Sequence[Finding]) -> list[Finding]:
    """The finest rule that keeps the near-duplicates across splits together; none for copies under any name."""
    leaks = [
        f.ids
        for f in pairs
        if f.kind in SAME and len(set(f.splits)) == 2 and all(split in SPLITS for split in f.splits)
    ]
    if not leaks:
        return []
    row_of = {name: row for row, name in enumerate(subject.ids)}
    best: tuple[int, str, int, list[str]] | None = None
    for rule in RULES:
        try:
            keys, _ = group_keys(
                subject.ids, subject.images, [None] * len(subject.ids), rule, subject.image_reading.decode
            )
        except DataError:  # it matches no name
            continue
        groups = len(set(keys))
        together = sum(keys[row_of[a]] == keys[row_of[b]] for a, b in leaks)
        if FEWEST <= groups < len(keys) and together >= EXPLAINED * len(leaks) and (best is None or groups > best[0]):
            best = groups, rule, together, keys
    if best is None:
        return []
    groups, rule, together, keys = best
    cut = [rows for rows in _members(keys).values() if len({str(subject.split_of[row]) for row in rows}) > 1]
    names = some(keys[rows[0]] for rows in cut)
    detail = (
        f"{together} of {len(leaks)} duplicates across splits are in one group by the rule groups={rule} ({groups} "
        f"groups; {len(cut)} in several splits, such as {names}); "
    )
    detail += (
        f"dataset.options: {{groups: '{rule}'}} keeps them together"
        if subject.name == "folder"
        else "draw splits by it"
    )
    return [of_set("group rule", "info", detail)]


def _members(keys: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        found.setdefault(key, []).append(row)
    return found
