"""Folders of images and targets -> Listing: what lies where, and which target belongs to which image."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from al_lightning.data.errors import DataError
from al_lightning.data.layout import Side, by_role, find_parts, first_with_files, read_folder, read_option
from al_lightning.data.listing import SPLIT_NAMES, Listing
from al_lightning.data.pairing import Pairs, derived, pair_up, split_flat
from al_lightning.data.walk import some

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
        raise FileNotFoundError(f"{root}: no such folder; {remedy}")
    notes: list[str] = []
    if image_files or target_files:
        images, targets = _by_option(root, task, image_files, target_files, remedy)
    else:
        images, targets, unread = _by_name(root, task, remedy)
        if unread:
            names = (folder.relative_to(root).as_posix() for folder in unread)
            notes.append(f"{root}: folders not read: {some(names)}")
    notes += _leave_out(images, targets)
    pairs = pair_up(list(images.files), list(targets.files), task)
    if pairs is None:
        raise DataError(
            f"{root}: no rule pairs the images {_examples(images)} with the {NOUN[task]}s {_examples(targets)}; give "
            "both the same names, or list them in a CSV and set dataset.options.csv"
        )
    return _listing(images, targets, pairs, task, list(dict.fromkeys((*images.notes, *targets.notes, *notes))))


def _by_option(
    root: Path, task: str, image_files: str | None, target_files: str | None, remedy: str
) -> tuple[Side, Side]:
    """Both sides where an option names at least one."""
    sides = []
    for kind, option in (("images", image_files), ("targets", target_files)):
        if option:
            sides.append(read_option(root, option, kind))
            continue
        named = [folders for rest, kinds in by_role(root, task).items() if not rest and (folders := kinds.get(kind))]
        if not named:
            raise FileNotFoundError(f"{root}: no folder of {kind}; name it with dataset.options.{kind}, or {remedy}")
        folder = first_with_files(named[0], kind)
        sides.append(read_folder(folder, kind, folder.name))
    return sides[0], sides[1]


def _by_name(root: Path, task: str, remedy: str) -> tuple[Side, Side, list[Path]]:
    """(images, targets, folders not read) under the usual names, or of folders that hold both kinds."""
    parts, unread = find_parts(root, task)
    if any(part.targets for part in parts):
        images, targets = Side(), Side()
        for part in parts:
            star = "*/" if part.prefix else ""
            read_folder(part.images, "images", star + part.images.name, part.prefix, images)
            if part.targets:
                read_folder(part.targets, "targets", star + part.targets.name, part.prefix, targets)
        for side, noun in ((images, "images"), (targets, "targets")):
            if not side.files:
                folder = parts[0].images if side is images else parts[0].targets
                raise DataError(f"{folder}: holds no image of the {noun}; {remedy}")
        return images, targets, unread
    folder = parts[0].images if parts else root
    mixed = read_folder(folder, "images", folder.name if parts else ".")
    named = [] if parts else by_role(root, task).get("", {}).get("targets", [])
    if named and mixed.files:
        targets = read_folder(first_with_files(named, "targets"), "targets", named[0].name)
        return mixed, targets, []
    found = split_flat(list(mixed.files), task) if mixed.files else None
    if found is None:
        what = f"holds no folder of {NOUN[task]}s" if mixed.files else "holds no image and no folder of images"
        raise FileNotFoundError(f"{root}: {what}; {remedy}")
    names, pairs = found
    paired = [*pairs.orphans, *(name for several in pairs.targets.values() for name in several)]
    sides = [
        Side({name: mixed.files[name] for name in chosen}, mixed.real, mixed.where, mixed.notes)
        for chosen in (names, paired)
    ]
    neither = sorted(set(mixed.files) - set(names) - set(paired))
    if neither:
        mixed.notes.append(f"{folder}: {len(neither)} files are neither image nor {NOUN[task]} ({some(neither)})")
    return sides[0], sides[1], []


def _leave_out(images: Side, targets: Side) -> list[str]:
    """Take away images that are targets, links to other images, or show another image once more; and say so."""
    held = {targets.real[path] for path in targets.files.values()}
    seen: dict[str, str] = {}
    linked = []
    for key, path in list(images.files.items()):
        real = images.real[path]
        if real in held:
            del images.files[key]
        elif seen.setdefault(real, key) != key:
            del images.files[key]
            linked.append(f"{key} is {seen[real]}")
    again = derived(list(images.files))
    for key in again:
        del images.files[key]
    notes = [f"{len(linked)} images left out that are links to others ({some(linked)})"] if linked else []
    return notes + ([f"{len(again)} files left out that show another image ({some(again)})"] if again else [])


def _listing(images: Side, targets: Side, pairs: Pairs, task: str, notes: list[str]) -> Listing:
    noun = NOUN[task]
    ids = list(images.files)
    first, second = (" or ".join(side.where) for side in (images, targets))
    rule = pairs.rule
    if (first, second, rule) != ("images", "depth" if task == "depth" else "masks", type(rule)()):
        liberties = [", whatever the case"] * rule.fold + [", whatever the folder"] * rule.by_name
        image_part, target_part = str(rule.image), str(rule.target) + "_<number>" * (pairs.indexed > 0)
        notes.append(f"{noun}s paired by: {first}/{image_part} with {second}/{target_part}{''.join(liberties)}")
    if pairs.orphans:
        notes.append(f"{len(pairs.orphans)} of {len(targets.files)} {noun}s have no image ({some(pairs.orphans)})")
    bare = [name for name in ids if name not in pairs.targets]
    if bare:
        notes.append(f"{len(bare)} of {len(ids)} images have no {noun} ({some(bare)})")
    files = {name: [targets.files[key] for key in keys] for name, keys in pairs.targets.items()}
    splits = [SPLIT_NAMES.get(name.partition("/")[0].casefold()) for name in ids]
    by_folder = [split for split in splits if split]
    if len(by_folder) < len(ids) or len(set(by_folder)) < 2:
        by_folder = []
    else:
        notes.append(f"splits as the folders say: {', '.join(sorted({name.partition('/')[0] for name in ids}))}")
    return Listing(
        ids,
        list(images.files.values()),
        [files[name][0] if name in files else None for name in ids],
        [None] * len(ids),
        by_folder or None,
        further={several[0]: tuple(several[1:]) for several in files.values() if len(several) > 1},
        notes=notes,
    )


def _examples(side: Side) -> str:
    keys: Iterable[str] = sorted(side.files)[:2]
    return ", ".join(repr(key) for key in keys) + ", ..." * (len(side.files) > 2)
