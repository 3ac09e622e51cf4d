"""What was picked: thumbnails by strategy and stage, as HTML."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from PIL import Image, ImageDraw

from al_lightning.report.compare import Curve
from al_lightning.report.runs import Run, lookup

Images = Callable[[Run, list[str]], Mapping[str, Image.Image]]
"""(run, ids) -> the pictures it has, by id; an id may be absent."""

SHOWN = 12
HEIGHT = 96
SOURCES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def thumbnail(image: Image.Image, height: int = HEIGHT) -> str:
    """A data URI of a JPEG, `height` pixels high and at most twice as wide (the middle of a wider picture)."""
    rgb = image.convert("RGB")
    width = min(2 * height, max(1, round(rgb.width * height / rgb.height)))
    crop = max(0.0, rgb.width - width * rgb.height / height) / 2
    box = (crop, 0.0, rgb.width - crop, float(rgb.height))
    buffer = io.BytesIO()
    rgb.resize((width, height), Image.Resampling.LANCZOS, box, reducing_gap=2).save(
        buffer, "JPEG", quality=80, optimize=True
    )
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def by_image(picks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The regions of an image that one rule picked as one pick with "boxes", at the place of the first."""
    found: list[dict[str, Any]] = []
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for pick in picks:
        key = (str(pick["id"]), str(pick.get("source")))
        if "box" in pick and key in first:
            first[key]["boxes"].append(pick["box"])
            continue
        found.append({**pick, "boxes": [pick["box"]]} if "box" in pick else dict(pick))
        if "box" in pick:
            first[key] = found[-1]
    return list(found)


def outlined(image: Image.Image, boxes: Sequence[Sequence[int]], size: Sequence[int]) -> Image.Image:
    """The picture with the boxes (top, left, height, width) drawn, which are in pixels of an image of `size` (H, W)."""
    copy = image.convert("RGB")
    canvas = ImageDraw.Draw(copy)
    y, x = copy.height / size[0], copy.width / size[1]
    width = max(1, round(copy.height / 64))
    for top, left, height, breadth in boxes:
        corners = (left * x, top * y, (left + breadth) * x - 1, (top + height) * y - 1)
        canvas.rectangle(corners, outline=(20, 20, 20), width=2 * width)
        canvas.rectangle(corners, outline=(255, 225, 60), width=width)
    return copy


def sample(picks: Sequence[Mapping[str, Any]], most: int = SHOWN) -> list[Mapping[str, Any]]:
    """At most `most` picks: the first of each source, in proportion, in their order of choice."""
    total: dict[str, int] = {}
    rank = []
    for pick in picks:
        source = str(pick.get("source"))
        rank.append((total.get(source, 0), source))
        total[source] = total.get(source, 0) + 1
    # Rank within its source, as a share of that source: taking the smallest shares takes each source in proportion.
    order = sorted(range(len(picks)), key=lambda i: ((rank[i][0] + 0.5) / total[rank[i][1]], i))
    return [picks[i] for i in sorted(order[:most])]


def describe(pick: Mapping[str, Any]) -> str:
    """`id, picked by k-center, score 0.123`."""
    score = pick.get("score")
    said = f", score {score:.4g}" if isinstance(score, int | float) and math.isfinite(score) else ""
    regions = len(pick.get("boxes", ()))
    what = "" if not regions else "1 region " if regions == 1 else f"{regions} regions "
    return f"{pick['id']}, {what}picked by {pick.get('source') or 'an unknown rule'}{said}"


def _pictures(run: Run, ids: list[str], images: Images | None) -> tuple[Mapping[str, Image.Image], str]:
    """What can be shown, and why something cannot."""
    if images is None:
        return {}, "The pictures were not given to this report: only their ids are shown."
    try:
        found = images(run, ids)
    except (OSError, ValueError) as error:
        return {}, f"The pictures cannot be read, so only their ids are shown: {error}"
    missing = sum(name not in found for name in ids)
    if missing == len(ids):
        return found, "The pictures were not found: only their ids are shown."
    return found, f"{missing} of {len(ids)} pictures were not found; their ids are shown." if missing else ""


def gallery(curves: Sequence[Curve], seed: int, images: Images | None) -> str:
    """An HTML fragment: for each strategy and stage of one seed, up to twelve of the images picked.

    Strategies that have no run of this seed, or have picked nothing, say so.
    """
    runs = [(curve.label, next((run for run in curve.runs if run.seed == seed), None)) for curve in curves]
    sources = sorted(
        {str(pick.get("source")) for _, run in runs if run for row in run.rows for pick in row.get("selected") or []}
    )
    colour = {source: SOURCES[k % len(SOURCES)] for k, source in enumerate(sources)}
    parts = []
    if len(sources) > 1:
        key = " ".join(f'<span class="key"><i style="background:{colour[s]}"></i>{escape(s)}</span>' for s in sources)
        parts.append(f'<p class="keys">Picked by: {key}</p>')
    notes: list[str] = []
    for label, run in runs:
        parts.append(f"<h4>{escape(label)}</h4>")
        stages = [(row, by_image(row.get("selected") or [])) for row in run.rows] if run else []
        stages = [(row, picks) for row, picks in stages if picks]
        if run is None or not stages:
            what = "No run" if run is None else "Nothing picked" if run.complete else "Nothing picked yet"
            parts.append(f"<p class='quiet'>{what} for seed {seed}.</p>")
            continue
        shown = [sample(picks) for _, picks in stages]
        ids = list(dict.fromkeys(str(pick["id"]) for some in shown for pick in some))
        pictures, note = _pictures(run, ids, images)
        if note and note not in notes:
            notes.append(note)
            parts.append(f'<p class="note">{escape(note)}</p>')
        for (row, picks), some in zip(stages, shown, strict=True):
            count = f"{len(some)} of {len(picks)} shown" if len(some) < len(picks) else f"all {len(picks)} shown"
            listed = "" if pictures else ' class="ids"'
            parts.append(
                f'<div class="picks"><p><b>Stage {escape(str(row["stage"]))}</b>, '
                f"{escape(str(row['labelled']))} labelled: {count}</p><ul{listed}>"
            )
            for pick in some:
                text = escape(describe(pick), quote=True)
                picture = pictures.get(str(pick["id"]))
                size = lookup(run.environment, "dataset.size")
                if picture is not None and pick.get("boxes") and size:
                    picture = outlined(picture, pick["boxes"], size)
                border = colour[str(pick.get("source"))] if len(sources) > 1 else "transparent"
                inner = (
                    f'<img src="{thumbnail(picture)}" alt="{text}" title="{text}">'
                    if picture is not None
                    else f'<code title="{text}">{escape(str(pick["id"]))}</code>'
                )
                parts.append(f'<li style="border-color:{border}">{inner}</li>')
            parts.append("</ul></div>")
    return "\n".join(parts)
