"""One picture of a data set: images of each split with their targets, what was flagged, and images that are alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from al_lightning.audit.audit import Audit
from al_lightning.audit.findings import SEVERITIES, SPLITS, Finding
from al_lightning.audit.subject import Subject
from al_lightning.audit.tiles import HEIGHT, WIDTH, plain_tile, tiles
from al_lightning.data.dataset import DenseDataset
from al_lightning.data.sample import evenly

SHOWN = 12
"""Pictures of each split; of depth half as many."""
FLAGGED = 6
"""Images of each kind of finding."""
MOST = 24
"""Pairs."""
COLUMNS = 6
"""Pictures side by side."""
LINE = 14
"""Height of a line of a caption."""
MARGIN = 10
HEADING = 30
COLOURS = {"error": "#ff6b6b", "warning": "#ffd166", "info": "#9ad1ff", "": "white"}


@dataclass
class Cell:
    """One or two pictures with a caption above."""

    pictures: list[Image.Image]
    lines: tuple[str, ...]
    colour: str = "white"


@dataclass
class Part:
    """A heading and what is under it."""

    heading: str
    cells: list[Cell] = field(default_factory=list)

    @property
    def columns(self) -> int:
        """Cells side by side."""
        return COLUMNS // max((len(cell.pictures) for cell in self.cells), default=1)

    @property
    def caption(self) -> int:
        """Height of the captions in pixels."""
        return LINE * max((len(cell.lines) for cell in self.cells), default=0) + 4

    @property
    def height(self) -> int:
        """In pixels."""
        return HEADING + -(-len(self.cells) // self.columns) * (HEIGHT + self.caption + MARGIN)


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
    width = COLUMNS * (WIDTH + MARGIN) + MARGIN
    sheet = Image.new("RGB", (width, HEADING + sum(part.height for part in parts) + MARGIN), "#111111")
    draw = ImageDraw.Draw(sheet)
    font, large = ImageFont.load_default(11), ImageFont.load_default(16)
    title = f"{found.dataset} ({found.protocol}): {found.verdict()}"
    draw.text((MARGIN, MARGIN), _short(title, width - 2 * MARGIN, large), "white", large)
    y = HEADING
    for part in parts:
        draw.text((MARGIN, y + 8), part.heading, "white", large)
        each = width // part.columns
        for place, cell in enumerate(part.cells):
            x = MARGIN + (place % part.columns) * each
            top = y + HEADING + (place // part.columns) * (HEIGHT + part.caption + MARGIN)
            for line, text in enumerate(cell.lines):
                shown = _short(text, each - 2 * MARGIN, font)
                draw.text((x, top + LINE * line), shown, cell.colour if line == 0 else "#cccccc", font)
            for side, picture in enumerate(cell.pictures):
                sheet.paste(picture, (x + side * (WIDTH + 4), top + part.caption))
        y += part.height
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


def _short(text: str, width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """The text, without its middle where it is longer than `width` pixels."""
    text = text.encode("ascii", "replace").decode() if isinstance(font, ImageFont.ImageFont) else text
    # A character is at least a pixel wide; measuring a long text again for each one takes the square of its length.
    short, keep = text, len(text)
    if keep > width + 8:
        keep = width + 8
        short = f"{text[: keep // 2]}…{text[-(keep // 2) :]}"
    while font.getlength(short) > width and keep > 8:
        keep -= 2
        short = f"{text[: keep // 2]}…{text[-(keep // 2) :]}"
    return short
