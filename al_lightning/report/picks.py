"""The picks of a stage row: which are regions, which are shown, and how they are described."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Pick = Mapping[str, Any]
"""An entry of "selected" in a stage row: "id", "source", "score" and, where a region was asked for, its kind as a key,
such as "box": [top, left, height, width]."""

_OF_IMAGE = frozenset({"id", "source", "score"})


def region_kind(pick: Pick) -> str | None:
    """The kind of region that a pick is of, "box" or one that this report does not know; None for a whole image.

    Example:
        >>> region_kind({"id": "a", "source": "ceal", "score": None, "box": [0, 0, 8, 8]})
        'box'
        >>> region_kind({"id": "a", "source": "ceal", "score": 0.5}) is None
        True
    """
    return next((key for key, value in pick.items() if key not in _OF_IMAGE and value is not None), None)


def by_image(picks: Sequence[Pick]) -> list[Pick]:
    """The regions of one kind that one source picked in an image as one pick, with "regions" and "kind", at the place
    of the first; picks of whole images as they are.

    Example:
        >>> picks = [{"id": "a", "box": [0, 0, 8, 8]}, {"id": "b"}, {"id": "a", "box": [8, 0, 8, 8]}]
        >>> [(pick["id"], pick.get("regions")) for pick in by_image(picks)]
        [('a', [[0, 0, 8, 8], [8, 0, 8, 8]]), ('b', None)]
    """
    found: list[dict[str, Any]] = []
    first: dict[tuple[str, str, str], dict[str, Any]] = {}
    for pick in picks:
        kind = region_kind(pick)
        if kind is None:
            found.append(dict(pick))
            continue
        key = (str(pick["id"]), str(pick.get("source")), kind)
        if key not in first:
            first[key] = {name: pick[name] for name in pick if name in _OF_IMAGE} | {"kind": kind, "regions": []}
            found.append(first[key])
        first[key]["regions"].append(pick[kind])
    return list(found)


def sample(picks: Sequence[Pick], most: int) -> list[Pick]:
    """At most `most` picks: the first of each source, in proportion, in the order in which they were picked.

    Example:
        >>> picks = [{"id": k, "source": "a" if k < 4 else "b"} for k in range(6)]
        >>> [pick["id"] for pick in sample(picks, 3)]
        [0, 1, 4]
    """
    total: dict[str, int] = {}
    rank = []
    for pick in picks:
        source = str(pick.get("source"))
        rank.append((total.get(source, 0), source))
        total[source] = total.get(source, 0) + 1
    # Rank within its source, as a fraction of it: taking the smallest fractions takes each source in proportion.
    order = sorted(range(len(picks)), key=lambda i: ((rank[i][0] + 0.5) / total[rank[i][1]], i))
    return [picks[i] for i in sorted(order[:most])]


def describe(pick: Pick) -> str:
    """The caption of a pick of `by_image`.

    Example:
        >>> describe({"id": "a", "source": "k-center", "score": 0.25})
        'a, picked by k-center, score 0.25'
        >>> describe({"id": "a", "source": "ceal", "kind": "segment", "regions": [3, 7]})
        'a, 2 regions (segment) picked by ceal'
    """
    score = pick.get("score")
    said = f", score {score:.4g}" if isinstance(score, int | float) and math.isfinite(score) else ""
    regions = len(pick.get("regions", ()))
    what = "" if not regions else "1 region " if regions == 1 else f"{regions} regions "
    if regions and pick["kind"] != "box":
        what += f"({pick['kind']}) "
    return f"{pick['id']}, {what}picked by {pick.get('source') or 'an unknown rule'}{said}"
