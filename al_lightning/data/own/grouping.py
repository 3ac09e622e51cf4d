"""Which images belong together (a patient, a video): the option `groups`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_lightning.data.errors import DataError
from al_lightning.data.files import natural
from al_lightning.data.walk import many, some

CHOICES = ("auto", "none", "folder", "video")
SIDE = 16
SAME = 3.0
"""Median difference in grey levels of neighbours below which they show one scene, whatever others show."""
ALIKE = 0.5
"""The same as a fraction of the difference of images that are no neighbours: 0.04 to 0.07 in rendered colonoscopy,
0.6 to 0.8 in CamVid at one frame a second, 1.0 in Kvasir-SEG and GlaS, whose numbers mean nothing."""
AT_MOST, A_FEW = 128, 16
"""Pairs of neighbours that `auto` looks at, and `warnings`."""
EACH = 64
"""Series up to which each is judged by itself."""


def group_keys(
    ids: Sequence[str], images: Sequence[Path], groups: Sequence[str | None], rule: str
) -> tuple[list[str], list[str]]:
    """(group of each image, notes).

    Args:
        ids (Sequence[str]): (n,) ids.
        images (Sequence[Path]): (n,) files; looked at by `auto` alone.
        groups (Sequence[str | None]): (n,) the group that a CSV names, which counts, or None.
        rule (str): none, folder, video, auto, or a regular expression with one group.

    Raises:
        DataError: the rule is none of these, or the expression matches no id.
    """
    notes: list[str] = []
    if rule == "none":
        ruled = list(ids)
    elif rule == "folder":
        ruled = [PurePosixPath(name).parent.as_posix() for name in ids]
    elif rule == "video":
        ruled = [series_of(name) for name in ids]
    elif rule == "auto":
        videos = look_like_videos(ids, images, AT_MOST)
        ruled = [series if (series := series_of(name)) in videos else name for name in ids]
    else:
        ruled, notes = _matched(ids, rule)
    keys = [group or other for group, other in zip(groups, ruled, strict=True)]
    if rule != "none" or any(groups):
        named = sum(group is not None for group in groups)
        how = ["as the CSV names them"] * (named > 0) + [f"by groups={rule}"] * (named < len(ids))
        notes.insert(0, f"{len(ids)} images in {len(set(keys))} groups ({some(dict.fromkeys(keys))}), {', '.join(how)}")
    return keys, notes


def warnings(ids: Sequence[str], images: Sequence[Path]) -> list[str]:
    """Signs that images which stand for themselves belong together, so that a draw puts one scene in several splits.

    Args:
        ids (Sequence[str]): (n,) ids.
        images (Sequence[Path]): (n,) files, of which a few are looked at.
    """
    folders = dict.fromkeys(PurePosixPath(name).parent.as_posix() for name in ids)
    if 1 < len(folders) < len(ids):
        return [
            f"images of one folder may be in several splits: they lie in {len(folders)} folders ({some(folders)}); "
            "where these are patients or videos, set dataset.options.groups=folder"
        ]
    videos = look_like_videos(ids, images, A_FEW)
    if videos:
        return [
            f"frames of one video may be in several splits: names count up and neighbours look alike "
            f"({some(sorted(videos))}); dataset.options.groups=video keeps them together"
        ]
    return []


def series_of(name: str) -> str:
    """The series that a numbered name belongs to: its last number is replaced by *; the name where it has none.

    Example:
        >>> series_of("p1/v2_frame_007"), series_of("p1/007"), series_of("polyp")
        ('p1/v2_frame_*', 'p1/*', 'polyp')
    """
    folder, slash, stem = name.rpartition("/")
    return folder + slash + re.sub(r"\d+(?!.*\d)", "*", stem)


def look_like_videos(ids: Sequence[str], images: Sequence[Path], pairs: int) -> set[str]:
    """Series of numbered names whose neighbours look alike, judged from a sample.

    Neighbours are near-duplicates where they differ by less than `SAME` grey levels in the median, or by less than
    `ALIKE` times what images differ by that are no neighbours. Files that cannot be read are passed over.

    Args:
        ids (Sequence[str]): (n,) ids.
        images (Sequence[Path]): (n,) files.
        pairs (int): pairs of neighbours to look at, over all series.
    """
    members: dict[str, list[int]] = {}
    for row, name in enumerate(ids):
        members.setdefault(series_of(name), []).append(row)
    series = {
        name: sorted(rows, key=lambda row: natural(ids[row]))
        for name, rows in members.items()
        if len(rows) > 1 and name != ids[rows[0]]
    }
    if not series:
        return set()
    chosen = [list(series)[position] for position in _spread(len(series), pairs)]
    each = max(2, pairs // len(chosen))
    sampled: dict[str, list[tuple[int, int]]] = {}
    for name in chosen:
        rows = series[name]
        sampled[name] = [(rows[start], rows[start + 1]) for start in _spread(len(rows) - 1, each)]
    wanted = {row for near in sampled.values() for both in near for row in both}
    seen = {row: thumb for row in sorted(wanted) if (thumb := thumbnail(images[row])) is not None}
    distance = {
        name: [float(np.abs(seen[a] - seen[b]).mean()) for a, b in near if a in seen and b in seen]
        for name, near in sampled.items()
    }
    firsts = [seen[a] for near in sampled.values() for a, _ in near if a in seen]
    apart = [float(np.abs(x - y).mean()) for i, x in enumerate(firsts) for y in firsts[i + 1 :]]
    bound = max(SAME, ALIKE * float(np.median(apart)) if apart else 0.0)
    if len(series) <= EACH:
        return {name for name, near in distance.items() if near and float(np.median(near)) < bound}
    every = [value for near in distance.values() for value in near]
    return set(series) if every and float(np.median(every)) < bound else set()


def thumbnail(path: Path) -> NDArray[np.float32] | None:
    """(256,) grey means of 16 x 16 blocks, in grey levels of 8 bits; None where Pillow cannot read the file."""
    try:
        with Image.open(path) as image:
            image.draft("L", (8 * SIDE, 8 * SIDE))
            if image.mode.startswith(("I", "F")):
                values = np.asarray(image, dtype=np.float32)
                grey = Image.fromarray(values / max(1.0, float(values.max()) / 255))
            else:
                grey = image.convert("L")
            return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float32).ravel()
    except Exception:
        return None


def _spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` of the numbers below `count`, evenly spread."""
    return sorted(set(np.linspace(0, count - 1, min(wanted, count)).astype(int).tolist()))


def _matched(ids: Sequence[str], rule: str) -> tuple[list[str], list[str]]:
    """Groups by the part of an id that an expression's group matches."""
    expected = "expected none, folder, video, auto, or a regular expression with one group such as '(patient\\d+)'"
    try:
        expression = re.compile(rule)
    except re.error as error:
        raise DataError(f"dataset.options.groups={rule!r}: {expected} ({error})") from None
    if expression.groups != 1:
        near = difflib.get_close_matches(rule.lower(), CHOICES, n=1)
        raise DataError(f"dataset.options.groups={rule!r}: {expected}" + (f"; nearest: {near[0]}" if near else ""))
    found = [match.group(1) if (match := expression.search(name)) else None for name in ids]
    bare = [name for name, group in zip(ids, found, strict=True) if not group]
    if len(bare) == len(ids):
        raise DataError(f"dataset.options.groups={rule!r}: matches no id, such as {ids[0]!r}")
    stand = many(len(bare), "id does not match and stands for itself", "ids do not match and stand for themselves")
    notes = [f"groups={rule}: {stand} ({some(bare)})"] if bare else []
    return [group or name for group, name in zip(found, ids, strict=True)], notes
