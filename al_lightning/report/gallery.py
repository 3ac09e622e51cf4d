"""What was picked: thumbnails by strategy and stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from al_lightning.report.group import Curve
from al_lightning.report.picks import Pick, by_image, describe, sample
from al_lightning.report.pictures import outlined, thumbnail
from al_lightning.report.runs import Run, lookup
from al_lightning.report.text import plural
from al_lightning.report.views import Gallery, StagePicks, StrategyPicks, Thumbnail

Images = Callable[[Run, list[str]], Mapping[str, Image.Image]]
"""(run, ids) -> the pictures it has, by id; an id may be absent."""

SHOWN = 12
"""Picks of a stage that are shown."""
SOURCES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
NO_COLOUR = "transparent"


def gallery(curves: Sequence[Curve], seed: int, images: Images | None) -> Gallery:
    """For each strategy and stage of one seed, up to `SHOWN` of the images picked.

    Strategies that have no run of this seed, or have picked nothing, say so.

    Args:
        images: gives the pictures of some ids of a run; None shows ids. Where it raises OSError or ValueError, ids
            are shown with the error in a note.
    """
    runs = [(curve.label, next((run for run in curve.runs if run.seed == seed), None)) for curve in curves]
    found = {str(p.get("source")) for _, run in runs if run for row in run.rows for p in row.get("selected") or []}
    sources = sorted(found) if len(found) > 1 else []
    colours = {source: SOURCES[k % len(SOURCES)] for k, source in enumerate(sources)}
    strategies: list[StrategyPicks] = []
    for label, run in runs:
        strategy = _strategy(label, run, seed, colours, images)
        if strategy.note in {known.note for known in strategies}:
            strategy = replace(strategy, note="")
        strategies.append(strategy)
    return Gallery(seed, list(colours.items()), strategies)


def _strategy(
    label: str, run: Run | None, seed: int, colours: Mapping[str, str], images: Images | None
) -> StrategyPicks:
    picked = [(row, by_image(row.get("selected") or [])) for row in run.rows] if run else []
    picked = [(row, picks) for row, picks in picked if picks]
    if run is None or not picked:
        what = "No run" if run is None else "Nothing picked" if run.complete else "Nothing picked yet"
        return StrategyPicks(label, [], f"{what} for seed {seed}.", "")
    shown = [sample(picks, SHOWN) for _, picks in picked]
    pictures, note = _pictures(run, list(dict.fromkeys(str(pick["id"]) for some in shown for pick in some)), images)
    size = lookup(run.environment, "dataset.size")
    stages = [
        StagePicks(
            stage=str(row["stage"]),
            labelled=str(row["labelled"]),
            count=f"{len(some)} of {len(picks)} shown" if len(some) < len(picks) else f"all {len(picks)} shown",
            pictures=bool(pictures),
            picks=[
                Thumbnail(
                    id=str(pick["id"]),
                    source=_source(pick, pictures, size),
                    text=describe(pick),
                    colour=colours.get(str(pick.get("source")), NO_COLOUR),
                )
                for pick in some
            ],
        )
        for (row, picks), some in zip(picked, shown, strict=True)
    ]
    return StrategyPicks(label, stages, "", note)


def _source(pick: Pick, pictures: Mapping[str, Image.Image], size: Any) -> str:
    """The thumbnail of a pick of `by_image`, with its boxes; regions of another kind are not drawn, for only their
    names are known here, and the caption holds these."""
    picture = pictures.get(str(pick["id"]))
    if picture is None:
        return ""
    if pick.get("kind") == "box" and size:
        picture = outlined(picture, pick["regions"], size)
    return thumbnail(picture)


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
    return found, f"{plural(missing, 'picture')} of {len(ids)} not found: ids are shown instead." if missing else ""
