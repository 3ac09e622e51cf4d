"""Which images belong together (a patient, a video): the option `groups`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from al_lightning.data.errors import DataError
from al_lightning.data.own.videos import Read, find_videos, series_of
from al_lightning.data.walk import many, some

CHOICES = ("auto", "none", "folder", "video")


def group_keys(
    ids: Sequence[str], images: Sequence[Path], groups: Sequence[str | None], rule: str, read: Read
) -> tuple[list[str], list[str]]:
    """(group of each image, notes).

    Args:
        ids (Sequence[str]): (n,) ids.
        images (Sequence[Path]): (n,) files; some are looked at by `auto`, and by no other rule.
        groups (Sequence[str | None]): (n,) the group that a CSV names, which counts, or None.
        rule (str): auto, none, folder, video, or a regular expression with one group.
        read (Callable): image file -> (H, W, 3).

    Raises:
        DataError: the rule is none of these, or the expression matches no id.
    """
    notes: list[str] = []
    why = ""
    if rule == "none":
        ruled = list(ids)
    elif rule == "folder":
        ruled = [PurePosixPath(name).parent.as_posix() for name in ids]
    elif rule == "video":
        ruled = [series_of(name) for name in ids]
    elif rule == "auto":
        bare = [row for row, group in enumerate(groups) if not group]
        found, why = _videos([ids[row] for row in bare], [images[row] for row in bare], read)
        ruled = list(ids)
        for row, key in zip(bare, found, strict=True):
            ruled[row] = key
    else:
        ruled, notes = _matched(ids, rule)
    keys = [group or other for group, other in zip(groups, ruled, strict=True)]
    named = sum(group is not None for group in groups)
    by_rule = rule != "none" and named < len(ids) and (rule != "auto" or bool(why))
    if named or by_rule:
        how = ["as the CSV names them"] * (named > 0) + [f"by groups={rule}{why}"] * by_rule
        notes.insert(0, f"{len(ids)} images in {len(set(keys))} groups ({some(dict.fromkeys(keys))}), {', '.join(how)}")
    return keys, notes


def folders_apart(ids: Sequence[str], keys: Sequence[str]) -> list[str]:
    """A note where images lie in folders that groups do not keep together, so that a draw may part them.

    Args:
        ids (Sequence[str]): (n,) ids.
        keys (Sequence[str]): (n,) groups.
    """
    inside: dict[str, set[str]] = {}
    for name, key in zip(ids, keys, strict=True):
        inside.setdefault(PurePosixPath(name).parent.as_posix(), set()).add(key)
    if not 1 < len(inside) < len(ids) or all(len(found) == 1 for found in inside.values()):
        return []
    return [
        f"images of one folder may be in several splits: they lie in {len(inside)} folders ({some(inside)}); "
        "where these are patients or videos, set dataset.options.groups=folder"
    ]


def within_splits(
    keys: Sequence[str], splits: Sequence[str], groups: Sequence[str | None]
) -> tuple[list[str], list[str]]:
    """(groups, notes): groups that looks alone suggest, parted where somebody has named several splits for them.

    Args:
        keys (Sequence[str]): (n,) groups.
        splits (Sequence[str]): (n,) the named split of each image.
        groups (Sequence[str | None]): (n,) the group that a CSV names, which is never parted, or None.

    Example:
        >>> within_splits(["a", "a", "b"], ["pool", "test", "test"], [None] * 3)[0]
        ['a in pool', 'a in test', 'b']
    """
    where: dict[str, set[str]] = {}
    for key, split in zip(keys, splits, strict=True):
        where.setdefault(key, set()).add(split)
    named = {group for group in groups if group}
    apart = [key for key, found in where.items() if len(found) > 1 and key not in named]
    notes = [f"{many(len(apart), 'video')} in several of the named splits, which count ({some(apart)})"] * bool(apart)
    return [f"{key} in {split}" if key in set(apart) else key for key, split in zip(keys, splits, strict=True)], notes


def _videos(ids: Sequence[str], images: Sequence[Path], read: Read) -> tuple[list[str], str]:
    """(groups by names that count up while neighbours look alike, what to say of it; "" where none do)."""
    videos = find_videos(ids, images, read)
    if not videos.series:
        return list(videos.keys), ""
    frames = [key for name, key in zip(ids, videos.keys, strict=True) if series_of(name) in videos.series]
    scenes = f", cut into {many(len(set(frames)), 'scene')}" if videos.cut else ""
    shown = f"{many(len(videos.series), 'video')} ({some(sorted(videos.series))}){scenes}"
    return list(videos.keys), (
        f": {len(frames)} are frames of {shown}, as names count up and neighbours are near-duplicates; "
        "dataset.options.groups=none draws frames one by one"
    )


def _matched(ids: Sequence[str], rule: str) -> tuple[list[str], list[str]]:
    """Groups by the part of an id that an expression's group matches."""
    expected = "expected auto, none, folder, video, or a regular expression with one group such as '(patient\\d+)'"
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
