"""Folders of images and targets -> Listing: what lies where, and which target belongs to which image."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from al_lightning.data.depth_files import ARRAYS
from al_lightning.data.errors import DataError
from al_lightning.data.own.foreign import advice
from al_lightning.data.own.layout import (
    IMAGES,
    SUFFIXES,
    Side,
    by_role,
    find_parts,
    first_with_files,
    read_folder,
    read_option,
)
from al_lightning.data.own.listing import SPLIT_NAMES, Listing
from al_lightning.data.own.pairing import PLAIN, Pairs, Rule, derived, pair_up, split_flat
from al_lightning.data.splits import NONE
from al_lightning.data.walk import many, some

NO_TARGETS = "none"
"""Value of the option `targets` where no image has one yet."""
NOUN = {"segmentation": "mask", "depth": "depth map"}


def read_folders(root: Path, task: str, image_files: str | None, target_files: str | None) -> Listing:
    """The images of a folder with their targets.

    Args:
        root (Path): the folder.
        task (str): segmentation or depth.
        image_files (str | None): folder or pattern of the images; None: the usual names.
        target_files (str | None): the same of the targets.

    Raises:
        FileNotFoundError: a folder is missing.
        DataError: a folder is empty, two files have one name, or nothing pairs.
    """
    remedy = (
        f"put your images in {root / 'images'} and their targets of the same names in "
        f"{root / ('depth' if task == 'depth' else 'masks')}, or name the folder above with dataset.options.root, or "
        "both with dataset.options.images and .targets, or list them in a CSV and set dataset.options.csv"
    )
    if not root.is_dir():
        told = advice(Counter([root.suffix.lower()]))
        kind = f"is a file{f'; {told}' if told else ''}" if root.exists() else "no such folder"
        raise FileNotFoundError(f"{root}: {kind}; {remedy}")
    notes: list[str] = []
    if image_files or target_files:
        images, targets = _by_option(root, task, image_files, target_files, remedy)
    else:
        images, targets, unread = _by_name(root, task, remedy)
        if unread:
            names = (path.relative_to(root).as_posix() for path in unread)
            notes.append(f"{root}: not read: {some(names)}")
    notes += _leave_out(images, targets)
    if not images.files or not targets.files:
        raise DataError(f"{root}: images and {NOUN[task]}s are the same files; {remedy}")
    pairs = pair_up(list(images.files), list(targets.files), task)
    if pairs is None:
        raise DataError(
            f"{root}: no rule pairs the images {_examples(images)} with the {NOUN[task]}s {_examples(targets)}; give "
            "both the same names, or list them in a CSV and set dataset.options.csv"
        )
    return _listing(images, targets, pairs, task, list(dict.fromkeys((*images.notes(), *targets.notes(), *notes))))


def read_unlabelled(root: Path, task: str, image_files: str | None) -> Listing:
    """The images of a folder that holds no targets: of its folder of images, or of all folders below it.

    Args:
        root (Path): the folder.
        task (str): segmentation or depth.
        image_files (str | None): folder or pattern of the images; None: the usual names, else everything.

    Raises:
        FileNotFoundError: the folder is missing.
        DataError: it holds no image, or two of one name.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; name the folder of your images with dataset.options.root")
    if image_files:
        images = read_option(root, image_files, "images", IMAGES)
    else:
        named = by_role(root, task).get("", {}).get("images", [])
        folder = first_with_files(named, IMAGES) if named else root
        images = read_folder(folder, IMAGES, f"{folder.name}/{{}}" if named else "{}")
    notes = _leave_out(images, Side())
    if not images.files:
        raise DataError(f"{root}: holds no image; {''.join(f'{note}; ' for note in images.notes())}name another folder")
    count = len(images.files)
    nothing: list[None] = [None] * count
    return Listing(
        list(images.files),
        list(images.files.values()),
        list(nothing),
        list(nothing),
        notes=[*images.notes(), *notes, f"no image has a {NOUN[task]}: people will be asked for {NOUN[task]}s"],
    )


def _by_option(
    root: Path, task: str, image_files: str | None, target_files: str | None, remedy: str
) -> tuple[Side, Side]:
    """Both sides where an option names at least one."""
    sides = []
    for kind, option, suffixes in (("images", image_files, IMAGES), ("targets", target_files, SUFFIXES[task])):
        if option:
            sides.append(read_option(root, option, kind, suffixes))
            continue
        named = [folders for rest, kinds in by_role(root, task).items() if not rest and (folders := kinds.get(kind))]
        if not named:
            raise FileNotFoundError(f"{root}: no folder of {kind}; name it with dataset.options.{kind}, or {remedy}")
        folder = first_with_files(named[0], suffixes)
        sides.append(read_folder(folder, suffixes, f"{folder.name}/{{}}"))
    return sides[0], sides[1]


def _by_name(root: Path, task: str, remedy: str) -> tuple[Side, Side, list[Path]]:
    """(images, targets, what is not read) under the usual names, or of folders that hold both kinds."""
    parts, unread = find_parts(root, task)
    if any(part.targets for part in parts):
        images, targets = Side(), Side()
        for part in parts:
            star = "*/" if part.prefix else ""
            inside = part.targets is not None and part.targets.parent == part.images
            where = f"{star}{{}}" if inside else f"{star}{part.images.name}/{{}}"
            read_folder(part.images, IMAGES, where, part.prefix, images)
            if part.targets:
                where = f"{star}{part.targets.name}/{{}}"
                read_folder(part.targets, SUFFIXES[task], where, part.prefix, targets)
        for side, folder in ((images, parts[0].images), (targets, parts[0].targets)):
            if not side.files:
                raise DataError(f"{folder}: holds no image; {''.join(f'{note}; ' for note in _why(side))}{remedy}")
        return images, targets, unread
    folder = parts[0].images if parts else root
    here = f"{folder.name}/" if parts else ""
    mixed = read_folder(folder, IMAGES, here + "{}")
    named = by_role(folder, task).get("", {}).get("targets", [])
    if named and mixed.files:
        inner = first_with_files(named, SUFFIXES[task])
        return mixed, read_folder(inner, SUFFIXES[task], f"{here}{inner.name}/{{}}"), []
    arrays = read_folder(folder, ARRAYS, here + "{}") if task == "depth" else Side()
    if arrays.files and mixed.files:
        return mixed, arrays, []
    found = split_flat(list(mixed.files), task) if mixed.files else None
    if found is None:
        what = f"holds no folder of {NOUN[task]}s" if mixed.files else "holds no image and no folder of images"
        why = "".join(f"{note}; " for note in _why(mixed))
        raise FileNotFoundError(f"{root}: {what}; {why}{remedy}")
    names, pairs = found
    paired = [*pairs.orphans, *(name for several in pairs.targets.values() for name in several)]
    images, targets = (
        Side({name: mixed.files[name] for name in chosen}, mixed.where, mixed.found) for chosen in (names, paired)
    )
    neither = sorted(set(mixed.files) - set(names) - set(paired))
    unread = [mixed.files[name] for name in neither]
    return images, targets, unread


def _why(side: Side) -> list[str]:
    """What was left out of a side that has no file, and what makes it readable."""
    told = advice(side.found.others) if side.found else ""
    return [*side.notes(), *[told] * bool(told)]


def _leave_out(images: Side, targets: Side) -> list[str]:
    """Take away images that are targets, links to other images, or show another image once more; and say so."""
    held = {targets.real(path) for path in targets.files.values()}
    images.files = {key: path for key, path in images.files.items() if images.real(path) not in held}
    linked = []
    if len({images.real(path) for path in images.files.values()}) < len(images.files):
        first: dict[str, str] = {}
        for key, path in sorted(images.files.items(), key=lambda item: item[1].is_symlink()):
            if first.setdefault(images.real(path), key) != key:
                linked.append(f"{key} is {first[images.real(path)]}")
                del images.files[key]
    again = derived(list(images.files))
    for key in again:
        del images.files[key]
    notes = [f"{many(len(linked), 'image')} left out, links to others ({some(linked)})"] if linked else []
    return notes + ([f"{many(len(again), 'file')} left out, shown elsewhere ({some(again)})"] if again else [])


def _listing(images: Side, targets: Side, pairs: Pairs, task: str, notes: list[str]) -> Listing:
    noun = NOUN[task]
    ids = list(images.files)
    rule = pairs.rule
    plain = {"images/{}": None}, {("depth" if task == "depth" else "masks") + "/{}": None}
    if (images.where, targets.where) != plain or rule != Rule() or pairs.indexed:
        counted = "_<number>" * (pairs.indexed > 0)
        liberties = [", whatever the case"] * rule.fold + [", whatever the folder"] * rule.by_name
        first, second = (
            _where(side, rule.describe(affix) + number)
            for side, affix, number in ((images, rule.image, ""), (targets, rule.target, counted))
        )
        notes.append(f"{noun}s paired by: {first} with {second}{''.join(liberties)}")
    if pairs.orphans:
        notes.append(f"{noun}s without image: {len(pairs.orphans)} of {len(targets.files)} ({some(pairs.orphans)})")
    bare = [name for name in ids if name not in pairs.targets]
    if bare:
        notes.append(f"images without {noun}: {len(bare)} of {len(ids)} ({some(bare)})")
    files = {name: [targets.files[key] for key in keys] for name, keys in pairs.targets.items()}
    splits = [_split_of_folders(name) for name in ids]
    named = len(set(splits)) > 1 and None not in splits
    if named:
        notes.append(f"splits as the folders say: {', '.join(sorted(set(map(str, splits))))}")
    return Listing(
        ids,
        list(images.files.values()),
        [files[name][0] if name in files else None for name in ids],
        [None] * len(ids),
        [split or NONE for split in splits] if named else None,
        further={several[0]: tuple(several[1:]) for several in files.values() if len(several) > 1},
        notes=notes,
    )


def _where(side: Side, name: str) -> str:
    """Where the files of a side lie, with what a rule says of their names."""
    return " or ".join(
        where.replace("{}", name) if "{}" in where else where + f" as {name}" * (name != str(PLAIN))
        for where in side.where
    )


def _split_of_folders(key: str) -> str | None:
    """The split that a folder of a key is named for, such as TestDataset; None for none, or several."""
    found = set()
    for folder in key.split("/")[:-1]:
        words = re.findall(r"[a-z]+|[A-Z]+(?![a-z])|[A-Z][a-z]*|\d+", folder)
        named = [word for word in (word.casefold() for word in words) if word not in ("data", "dataset", "set")]
        found |= {SPLIT_NAMES[word] for word in named if len(named) == 1 and word in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else None


def _examples(side: Side) -> str:
    keys: Iterable[str] = sorted(side.files)[:2]
    return ", ".join(repr(key) for key in keys) + ", ..." * (len(side.files) > 2)
