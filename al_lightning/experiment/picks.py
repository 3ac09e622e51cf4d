"""Picks and deliveries as stage rows and state files hold them, by id, and back."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from al_lightning.core.oracle import Delivery
from al_lightning.core.query import Query
from al_lightning.core.region import Box, region_of
from al_lightning.data import DenseDataset
from al_lightning.data.walk import many


def picks_of(query: Query, dataset: DenseDataset) -> list[dict[str, Any]]:
    """id, source and score of each pick, and its region where regions were asked for."""
    scores = [None if math.isnan(score) else score for score in query.score.tolist()]
    picks: list[dict[str, Any]] = [
        {"id": dataset.ids[row], "source": source, "score": score}
        for row, source, score in zip(query.rows.tolist(), query.source, scores, strict=True)
    ]
    if query.regions is not None:
        whole = Box(0, 0, *dataset.size)
        for pick, region in zip(picks, query.regions, strict=True):
            shown = region or whole
            pick[shown.kind] = shown.to_json()
    return picks


def query_of(picks: Sequence[Mapping[str, Any]], dataset: DenseDataset) -> Query:
    """The query that `picks_of` wrote, without its pseudo-labels.

    Raises:
        ValueError: an image is gone.
    """
    row_of = {name: row for row, name in enumerate(dataset.ids)}
    if gone := [pick["id"] for pick in picks if pick["id"] not in row_of]:
        raise ValueError(f"{gone[0]}: was picked, and is not in the dataset any more; put it back")
    score = [math.nan if pick["score"] is None else pick["score"] for pick in picks]
    regions = tuple(region_of(pick) for pick in picks)
    return Query(
        np.array([row_of[pick["id"]] for pick in picks], dtype=np.int64),
        tuple(pick["source"] for pick in picks),
        np.array(score, dtype=np.float64),
        regions=regions if any(regions) else None,
    )


def delivery_json(delivery: Delivery, dataset: DenseDataset, root: Path) -> dict[str, Any]:
    """A delivery by id, its files relative to the run's folder `root`."""
    ids = dataset.ids
    return {
        "files": {ids[row]: relative(file, root) for row, file in delivery.files.items()},
        "corrected": {ids[row]: relative(file, root) for row, file in delivery.corrected.items()},
        "withdrawn": {ids[row]: why for row, why in delivery.withdrawn.items()},
        "waiting": [ids[row] for row in delivery.waiting.tolist()],
    }


def delivery_of(held: Mapping[str, Any], dataset: DenseDataset, root: Path) -> Delivery:
    """The delivery that `delivery_json` wrote, without what was rejected."""
    row_of = {name: row for row, name in enumerate(dataset.ids)}
    return Delivery(
        {row_of[name]: str(root.resolve() / file) for name, file in held["files"].items()},
        np.array([row_of[name] for name in held["waiting"]], dtype=np.int64),
        {row_of[name]: why for name, why in held["withdrawn"].items()},
        {row_of[name]: str(root.resolve() / file) for name, file in held["corrected"].items()},
    )


def remarks(delivery: Delivery, held_out: Container[int]) -> list[str]:
    """Lines on what people gave that is not used, or that changes a label of an earlier stage.

    Args:
        delivery: of a stage.
        held_out: validation and test images.

    Example:
        >>> remarks(Delivery(corrected={1: "a.npy", 2: "b.npy"}, rejected={"x.png": "holds class 7"}), {2})
        ... # doctest: +NORMALIZE_WHITESPACE
        ['1 label of an earlier stage corrected, trained with from this stage on',
         '1 changed label of validation and test not used: they stay as they were, so that stages can be compared',
         '1 answer not used (x.png: holds class 7)']
    """
    kept = sum(row in held_out for row in delivery.corrected)
    changed = len(delivery.corrected) - kept
    first = next(iter(delivery.rejected.items()), ("", ""))
    lines = {
        f"{many(changed, 'label')} of an earlier stage corrected, trained with from this stage on": changed,
        f"{many(kept, 'changed label')} of validation and test not used: they stay as they were, so that stages can be "
        "compared": kept,
        f"{many(len(delivery.rejected), 'answer')} not used ({first[0]}: {first[1]}"
        f"{'; ...' if len(delivery.rejected) > 1 else ''})": len(delivery.rejected),
    }
    return [line for line, count in lines.items() if count]


def relative(file: str, root: Path) -> str:
    """A file below the run's folder relative to it, any other as it is."""
    path = Path(file)
    return path.relative_to(root.resolve()).as_posix() if path.is_relative_to(root.resolve()) else file
