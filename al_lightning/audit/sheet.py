"""One picture of a data set: images of each split with their targets, what was flagged, and images that are alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from al_lightning.audit.audit import Audit
from al_lightning.audit.findings import SEVERITIES, SPLITS, Finding
from al_lightning.audit.layout import Cell, Part, laid_out
from al_lightning.audit.subject import Subject
from al_lightning.audit.tiles import plain_tile, tiles
from al_lightning.data.dataset import DenseDataset
from al_lightning.data.sample import evenly

SHOWN = 12
"""Pictures of each split; of depth half as many."""
FLAGGED = 6
"""Images of each kind of finding."""
MOST = 24
"""Pairs."""
COLOURS = {"error": "#ff6b6b", "warning": "#ffd166", "info": "#9ad1ff", "": "white"}


def contact_sheet(data: DenseDataset | Subject, found: Audit, path: Path) -> Path:
    """Save a PNG with images of each split and their targets, images of each finding, and pairs; returns `path`.

    A mask is drawn as outlines over its image, so that one that is mirrored, shifted or of another image is seen; depth
    is shown beside the image. Of many pairs, `choose` picks those that are shown.

    Args:
        data (DenseDataset | Subject): what was audited.
        found (Audit): what was found.
        path (Path): file to write; its folder is made.
    """
    subject = data if isinstance(data, Subject) else Subject.of(data)
    parts = [*_samples(subject, found), *_flagged(subject, found), *_pairs(subject, found)]
    sheet = laid_out(f"{found.dataset} ({found.protocol}): {found.verdict()}", parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, "PNG")
    return path


def _samples(subject: Subject, found: Audit) -> Iterator[Part]:
    """Images of each split, evenly spaced, without those whose target shows nothing."""
    row_of = {name: row for row, name in enumerate(subject.ids)}
    broken = ("mask", "depth", "no ", "missing", "truncated", "unreadable", "several", "does not fit")
    left_out = {row_of[name] for f in found.findings if f.kind.startswith(broken) for name in f.ids}
    for split in SPLITS:
        rows = subject.rows(split).tolist()
        good = [row for row in rows if row not in left_out] or rows
        chosen = [good[i] for i in evenly(len(good), SHOWN // (1 + (subject.noun == "depth")))]
        if chosen:
            cells = [Cell(tiles(subject, row), (subject.ids[row],)) for row in chosen]
            known = subject.decode_target is not None
            what = "masks as outlines" if known else "outlines of what is above half of a mask's range"
            what = "depth beside the image, bright is far" if subject.noun == "depth" else what
            yield Part(f"{split}: {len(chosen)} of {len(rows)} images, {what}", cells)


def _flagged(subject: Subject, found: Audit) -> Iterator[Part]:
    """Images of each kind of finding that is about single ones."""
    row_of = {name: row for row, name in enumerate(subject.ids)}
    groups: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for one in found.findings:
        if not one.pair:
            about = [(name, split, one.detail) for name, split in zip(one.ids, one.splits, strict=False)]
            groups.setdefault((one.severity, one.kind), []).extend(about)
    for (severity, kind), every in groups.items():
        if every:
            shown = [every[i] for i in evenly(len(every), FLAGGED)]
            cells = [
                Cell(
                    tiles(subject, row_of[name]), (f"{severity}: {kind}", f"{split}: {name}", detail), COLOURS[severity]
                )
                for name, split, detail in shown
            ]
            yield Part(f"{kind}: {len(shown)} of {len(every)}", cells)


def _pairs(subject: Subject, found: Audit) -> Iterator[Part]:
    """Images that are alike, side by side, the most severe and the most alike first."""
    row_of = {name: row for row, name in enumerate(subject.ids)}
    pairs = [one for one in found.findings if one.pair]
    cells = []
    for one in choose(pairs, MOST):
        distance = "" if one.distance is None else f", distance {one.distance:.3f}"
        named = ", same name" if one.same_name and one.kind != "same name" else ""
        lines = [f"{split}: {name}" for name, split in zip(one.ids, one.splits, strict=True)]
        pictures = [plain_tile(subject, row_of[name]) for name in one.ids]
        title = f"{one.severity}: {one.kind}{named}{distance}"
        cells.append(Cell(pictures, (title, lines[0], lines[1]), COLOURS[one.severity]))
    if cells:
        kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(one.kind for one in pairs).items())
        yield Part(f"pairs: {len(cells)} of {len(pairs)} ({kinds})", cells)


def choose(pairs: Sequence[Finding], most: int) -> list[Finding]:
    """At most `most` pairs: an equal number for each severity, kind, place and sameness of name, then others.

    A pair of equal names is easy to find without a picture: such pairs get that equal number and no more.
    """
    order = sorted(pairs, key=lambda f: (SEVERITIES.index(f.severity), f.distance if f.distance is not None else 0.0))
    if len(order) <= most:
        return order
    groups = [(f.severity, f.kind, f.splits, f.same_name) for f in order]
    quota = max(1, most // len(set(groups)))
    seen: Counter[tuple[object, ...]] = Counter()
    first: list[int] = []
    others: list[int] = []
    for i, group in enumerate(groups):
        seen[group] += 1
        if seen[group] <= quota:
            first.append(i)
        elif not order[i].same_name:
            others.append(i)
    return [order[i] for i in sorted([*first, *others][:most])]
