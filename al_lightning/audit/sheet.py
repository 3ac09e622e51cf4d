"""A picture of the pairs that an audit found, for visual inspection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from al_lightning.audit.audit import SEVERITIES, Audit
from al_lightning.audit.files import Finding
from al_lightning.data.dataset import DataError, DenseDataset

MOST = 60
COLUMNS = 5
WIDTH, HEIGHT = 152, 132
"""Of one picture, in pixels; its aspect is kept."""
CAPTION = 46
MARGIN = 10
HEADER = 64
COLOURS = {"error": "#ff6b6b", "warning": "#ffd166", "info": "#9ad1ff"}


def contact_sheet(dataset: DenseDataset, audit: Audit, path: Path, most: int = MOST) -> Path:
    """Save a PNG with the pairs side by side, the most severe and the most alike first; returns `path`.

    Of more than `most` pairs, `choose` picks those that are shown, so that 196 copies of one sort do not push out a
    single pair of another; the header says how many pairs were left out.

    Args:
        dataset (DenseDataset): what was audited.
        audit (Audit): what was found.
        path (Path): file to write; its folder is made.
        most (int): number of pairs that are shown. Default 60.
    """
    pairs = [finding for finding in audit.findings if len(finding.ids) == 2]
    shown = choose(pairs, most)
    sheet = Image.new("RGB", sheet_size(len(shown)), "#111111")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(11)
    left_out = f"{len(pairs) - len(shown)} more pairs are left out (see the JSON)" if len(shown) < len(pairs) else ""
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(f.kind for f in pairs).items())
    draw.text((MARGIN, MARGIN), f"{dataset.name} ({dataset.protocol}): {kinds or 'no suspicious pair'}", "white", font)
    draw.text((MARGIN, MARGIN + 20), left_out, "white", font)
    row_of = {name: row for row, name in enumerate(dataset.ids)}
    for place, finding in enumerate(shown):
        x = MARGIN + (place % COLUMNS) * (2 * WIDTH + 2 * MARGIN)
        y = HEADER + (place // COLUMNS) * (HEIGHT + CAPTION + MARGIN)
        distance = "" if finding.distance is None else f", distance {finding.distance:.3f}"
        name = ", same name" if finding.same_name and finding.kind != "same name" else ""
        draw.text((x, y), f"{finding.severity}: {finding.kind}{name}{distance}", COLOURS[finding.severity], font)
        for side, (label, split) in enumerate(zip(finding.ids, finding.splits, strict=True)):
            left = x + side * (WIDTH + 4)
            tile = _picture(dataset, row_of[label])
            while draw.textlength(label, font) > WIDTH and len(label) > 8:
                label = f"…{label[2:]}" if label.startswith("…") else f"…{label[1:]}"
            draw.text((left, y + 15), label, "white", font)
            draw.text((left, y + 30), split, "#bbbbbb", font)
            sheet.paste(tile, (left, y + CAPTION))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, "PNG")
    return path


def sheet_size(pairs: int) -> tuple[int, int]:
    """(width, height) in pixels of a sheet of so many pairs.

    Example:
        >>> sheet_size(0), sheet_size(6)
        ((1630, 64), (1630, 440))
    """
    lines = -(-pairs // COLUMNS)
    return COLUMNS * (2 * WIDTH + 2 * MARGIN) + MARGIN, HEADER + lines * (HEIGHT + CAPTION + MARGIN)


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


def _picture(dataset: DenseDataset, row: int) -> Image.Image:
    """WIDTH x HEIGHT; a cross where the file cannot be read."""
    tile = Image.new("RGB", (WIDTH, HEIGHT), "#333333")
    try:
        picture = Image.fromarray(dataset.read_image(row))
    except (DataError, OSError):
        draw = ImageDraw.Draw(tile)
        draw.line((0, 0, WIDTH, HEIGHT), "#888888", 2)
        draw.line((0, HEIGHT, WIDTH, 0), "#888888", 2)
        return tile
    picture.thumbnail((WIDTH, HEIGHT))
    tile.paste(picture, ((WIDTH - picture.width) // 2, (HEIGHT - picture.height) // 2))
    return tile
