"""What the targets of a set and of each split hold: values, classes, label fractions, empty masks, depth."""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np
from numpy.typing import NDArray

from al_lightning.audit.files import FileRecord, Target
from al_lightning.audit.findings import Finding, of_set
from al_lightning.audit.stored import describe
from al_lightning.audit.subject import Subject
from al_lightning.core.task import IGNORE
from al_lightning.data.dataset import SPLITS
from al_lightning.data.sample import evenly
from al_lightning.data.walk import some

PARTS = (*SPLITS, "held out", "no split")
LISTED = 12
"""Classes whose share a line spells out."""


def looked_at(subject: Subject) -> set[int]:
    """Rows in whose target files the stored numbers are looked at: at most 200, evenly spaced."""
    rows = [row for row, path in enumerate(subject.targets) if path is not None]
    return {rows[position] for position in evenly(len(rows))} if subject.noun == "mask" else set()


def findings_of_targets(subject: Subject, records: Sequence[FileRecord]) -> list[Finding]:
    """What is found in all targets together, and in those of each split."""
    known = {row: one.target for row, one in enumerate(records) if one.target is not None}
    found = _without_target(subject)
    stored = [target.stored for target in known.values() if target.stored is not None]
    if stored:
        files = sum(path is not None for path in subject.targets)
        found.append(of_set("mask values", "info", describe(stored, subject.task.classes, files)))
    if subject.noun == "depth":
        return found + _depth(subject, known)
    counts = {row: target.counts for row, target in known.items() if target.counts is not None}
    if counts:
        found += _fractions(subject, counts) + _empty_and_full(subject, counts) + _missing_classes(subject, counts)
    return found


def _without_target(subject: Subject) -> list[Finding]:
    """Rows without a target, a finding for each split."""
    found = []
    noun = subject.noun
    for split in SPLITS:
        rows = [row for row in subject.rows(split).tolist() if subject.targets[row] is None]
        if not rows:
            continue
        if split != "pool":
            detail, severity = f"no prediction of it can be scored; give it a {noun}, or take it out", True
        elif subject.labelled:
            detail, severity = "the simulated oracle cannot label it; give it a target, or set oracle.name", True
        else:
            detail, severity = "the oracle has to label it", False
        where = tuple(str(subject.images[row]) for row in rows)
        names = tuple(subject.ids[row] for row in rows)
        found.append(Finding(f"no {noun}", "error" if severity else "info", names, where, (split,) * len(rows), detail))
    return found


def _fractions(subject: Subject, counts: dict[int, NDArray[np.int64]]) -> list[Finding]:
    """Fraction of the valid pixels that is labelled, in each split."""
    classes = subject.task.classes
    found = []
    for split, rows in _by_split(subject, counts).items():
        each = np.stack([counts[row] for row in rows]).astype(float)
        valid = each[:, :IGNORE].sum(axis=1)
        void = 100 * each[:, IGNORE].sum() / max(each.sum(), 1.0)
        each, valid = each[valid > 0], valid[valid > 0]
        if not len(each):
            continue
        shares = 100 * (1 - each[:, 0] / valid)
        noun = classes[1] if len(classes) == 2 else f"not {classes[0]}"
        line = f"{noun}: mean {shares.mean():.1f} %, {shares.min():.1f} to {shares.max():.1f} % of a mask's pixels"
        if len(classes) > 2:
            total = 100 * each[:, : len(classes)].sum(axis=0) / valid.sum()
            line += "; " + ", ".join(f"{n} {t:.1f}" for n, t in list(zip(classes, total, strict=True))[:LISTED])
        found.append(of_set("label fraction", "info", line + (f"; void {void:.1f} %" if void else ""), split))
    return found


def _empty_and_full(subject: Subject, counts: dict[int, NDArray[np.int64]]) -> list[Finding]:
    """Masks without foreground, and of two classes those of nothing else, counted for each split."""
    classes = subject.task.classes
    found = []
    for split, rows in _by_split(subject, counts).items():
        empty = [row for row in rows if counts[row][0] and not counts[row][1:IGNORE].any()]
        full = [row for row in rows if len(classes) == 2 and counts[row][1] and not counts[row][0]]
        for kind, some_rows, what in (
            ("mask empty", empty, f"no pixel is {classes[1] if len(classes) == 2 else f'other than {classes[0]}'}"),
            ("mask full", full, f"every pixel is {classes[1]}"),
        ):
            if some_rows:
                names = tuple(subject.ids[row] for row in some_rows)
                paths = tuple(str(subject.targets[row]) for row in some_rows)
                detail = f"{what} ({len(some_rows)} of {len(rows)} masks of {split})"
                found.append(Finding(kind, "info", names, paths, (split,) * len(names), detail))
    return found


def _missing_classes(subject: Subject, counts: dict[int, NDArray[np.int64]]) -> list[Finding]:
    """Classes that no mask of the pool holds, or none of the test set."""
    found = []
    by_split = _by_split(subject, counts)
    for split in ("pool", "test"):
        rows = by_split.get(split, [])
        if not rows:
            continue
        total = np.sum([counts[row] for row in rows], axis=0)
        missing = [name for number, name in enumerate(subject.task.classes) if not total[number]]
        if not missing:
            continue
        whole = all(subject.targets[row] is not None for row in subject.rows(split).tolist())
        certain = split == "pool" and whole and not subject.allow_missing_classes
        effect = "nothing can be learnt of it" if split == "pool" else "it counts in no test metric"
        found.append(
            of_set(
                "class missing",
                "error" if certain else "warning",
                f"{some(missing)} in none of {len(rows)} masks of {split}: {effect}",
                split,
            )
        )
    return found


def _depth(subject: Subject, known: dict[int, Target]) -> list[Finding]:
    """Range of the depths in each split, and targets where nothing is measured."""
    found = []
    depths = {row: target.depth for row, target in known.items() if target.depth is not None}
    for split, rows in _by_split(subject, depths).items():
        measured = [depths[row] for row in rows if depths[row][3] < 1]
        bare = [row for row in rows if depths[row][3] == 1]
        if bare:
            names, paths = tuple(subject.ids[r] for r in bare), tuple(str(subject.targets[r]) for r in bare)
            splits = (split,) * len(bare)
            found.append(Finding("depth not measured", "warning", names, paths, splits, "no pixel is measured"))
        if measured:
            near, mean, far, missing = np.array(measured).T
            line = f"{near.min():.3g} to {far.max():.3g} cm, mean {mean.mean():.3g} cm"
            line += f", {100 * missing.mean():.2g} % not measured" if missing.any() else ""
            found.append(of_set("depth range", "info", line, split))
    return found


def _by_split(subject: Subject, rows: Container[int]) -> dict[str, list[int]]:
    """split -> its rows among these, where there are any."""
    found = {split: [row for row in subject.rows(split).tolist() if row in rows] for split in PARTS}
    return {split: some_rows for split, some_rows in found.items() if some_rows}
