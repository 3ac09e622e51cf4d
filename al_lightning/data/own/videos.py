"""Frames of videos among a user's images: names that count up while neighbours are near-duplicates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from al_lightning.data.errors import DataError, decoded
from al_lightning.data.files import natural
from al_lightning.data.overlap import Bounds, Prints
from al_lightning.data.overlap.bounds import SAME_FRAME
from al_lightning.data.overlap.correlation import correlations
from al_lightning.data.overlap.thumbnails import UInt8, thumbnail
from al_lightning.data.sample import evenly, look

Read = Callable[[Path], NDArray[np.uint8]]
"""Image file -> (H, W, 3) RGB."""
AT_MOST = 128
"""Pairs of neighbours that are looked at, over all series."""
EACH = 64
"""Series up to which each is judged by itself."""
FEWEST = 3
"""Groups below which nothing can be drawn, so that a series is cut where the scene changes."""
CUT = 4000
"""Images of videos up to which every one of them is looked at for cuts."""


@dataclass(frozen=True)
class Videos:
    """What belongs together by name and by picture."""

    keys: tuple[str, ...]
    """(n,) the group of each image; its id where it stands for itself."""
    series: frozenset[str]
    """The series of names that are videos."""
    cut: bool = False
    """Whether groups are the scenes of a series and not whole series."""


def series_of(name: str) -> str:
    """The series that a numbered name belongs to: its last number is replaced by *; the name where it has none.

    Example:
        >>> series_of("p1/v2_frame_007"), series_of("p1/007"), series_of("polyp")
        ('p1/v2_frame_*', 'p1/*', 'polyp')
    """
    folder, slash, stem = name.rpartition("/")
    return folder + slash + re.sub(r"\d+(?!.*\d)", "*", stem)


def find_videos(ids: Sequence[str], images: Sequence[Path], read: Read) -> Videos:
    """Series of numbered names in which most neighbours show one scene, judged from a sample.

    Two images show one scene by the rule of `data.overlap`. Where whole series are too few to draw splits of, as where
    the frames of all videos are numbered in one go, they are cut where the scene changes. Files that cannot be read are
    passed over.

    Args:
        ids (Sequence[str]): (n,) ids.
        images (Sequence[Path]): (n,) files.
        read (Callable): file -> (H, W, 3).
    """
    series = _counting(ids)
    found, bound = _alike(series, images, read)
    keys = [name if (name := series_of(one)) in found else one for one in ids]
    rows = sum(len(series[name]) for name in found)
    if not found or len(set(keys)) >= FEWEST or rows > CUT:
        return Videos(tuple(keys), frozenset(found))
    for name in found:
        first, *others = series[name]
        values, _ = _compare(list(zip(series[name][:-1], others, strict=True)), images, read)
        scene = keys[first] = f"{name} from {ids[first]}"
        for row, value in zip(others, values, strict=True):
            if not value >= bound:  # or one of the two cannot be read
                scene = f"{name} from {ids[row]}"
            keys[row] = scene
    return Videos(tuple(keys), frozenset(found), cut=True)


def _counting(ids: Sequence[str]) -> dict[str, list[int]]:
    """Series of at least two numbered names -> rows, in the order of the numbers."""
    members: dict[str, list[int]] = {}
    for row, name in enumerate(ids):
        members.setdefault(series_of(name), []).append(row)
    return {
        name: sorted(rows, key=lambda row: natural(ids[row]))
        for name, rows in members.items()
        if len(rows) > 1 and name != ids[rows[0]]
    }


def _alike(series: Mapping[str, Sequence[int]], images: Sequence[Path], read: Read) -> tuple[set[str], float]:
    """(series in which the median pair of neighbours shows one scene, correlation from which two images do)."""
    if not series:
        return set(), 0.0
    names = list(series)
    chosen = [names[position] for position in evenly(len(names), AT_MOST)]
    each = max(2, AT_MOST // len(chosen))
    where: list[str] = []
    pairs: list[tuple[int, int]] = []
    for name in chosen:
        rows = series[name]
        for start in evenly(len(rows) - 1, each):
            where.append(name)
            pairs.append((rows[start], rows[start + 1]))
    values, thumbnails = _compare(pairs, images, read)
    firsts = [thumbnails[first] for first in dict.fromkeys(a for a, _ in pairs) if first in thumbnails]
    # Images of a set that are alike by chance raise the bound; above that of one frame all the set is one picture.
    bound = min(Bounds.of(_prints(firsts), AT_MOST).scene, SAME_FRAME) if firsts else SAME_FRAME
    known = [(name, value) for name, value in zip(where, values, strict=True) if np.isfinite(value)]
    if len(series) > EACH:
        every = [value for _, value in known]
        return (set(series) if every and float(np.median(every)) >= bound else set()), bound
    of: dict[str, list[float]] = {}
    for name, value in known:
        of.setdefault(name, []).append(value)
    return {name for name, near in of.items() if float(np.median(near)) >= bound}, bound


def _compare(
    pairs: Sequence[tuple[int, int]], images: Sequence[Path], read: Read
) -> tuple[list[float], dict[int, UInt8]]:
    """(correlation of each pair, NaN where one of the two cannot be read; row -> thumbnail)."""

    def one(row: int) -> UInt8 | None:
        try:
            return thumbnail(decoded(images[row], read))
        except DataError:
            return None

    rows = list(dict.fromkeys(row for pair in pairs for row in pair))
    seen = {row: small for row, small in zip(rows, look(rows, one), strict=True) if small is not None}
    at = {row: position for position, row in enumerate(seen)}
    known = np.array([(at[a], at[b]) for a, b in pairs if a in at and b in at], dtype=np.int64).reshape(-1, 2)
    if not len(known):
        return [float("nan")] * len(pairs), seen
    prints = _prints(list(seen.values()))
    cosines = (prints.plain[known[:, 0]] * prints.plain[known[:, 1]]).sum(axis=1, dtype=np.float64)
    values = iter(correlations(prints.thumbnails, known, cosines).tolist())
    return [next(values) if a in at and b in at else float("nan") for a, b in pairs], seen


def _prints(thumbnails: Sequence[UInt8]) -> Prints:
    return Prints(np.stack(thumbnails), ("",) * len(thumbnails))
