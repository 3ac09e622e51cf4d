"""Where the images and the targets of a folder lie: by the usual names of such folders, or as an option says."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from al_lightning.data.depth_files import ARRAYS
from al_lightning.data.errors import DataError
from al_lightning.data.files import IMAGE_SUFFIXES, natural, nfc
from al_lightning.data.own.globs import base_of, is_glob, key_of, matcher, split_glob
from al_lightning.data.pictures.dicom import SUFFIXES as DICOM
from al_lightning.data.walk import Found, sub_folders, walk

IMAGES = (*IMAGE_SUFFIXES, *DICOM)
SUFFIXES = {"segmentation": IMAGES, "depth": (*IMAGES, *ARRAYS)}
"""Task -> suffixes of the files that may hold targets."""
IMAGE_FOLDERS = (
    *("images", "image", "imgs", "img", "original", "originals", "frames", "frame", "rgb"),
    *("input", "inputs"),
)
TARGET_FOLDERS = {
    "segmentation": (
        *("masks", "mask", "groundtruth", "labels", "label", "gt", "annotations", "annotation"),
        *("segmentations", "segmentation", "targets", "target"),
    ),
    "depth": (
        *("depth", "depths", "depthmaps", "depthmap", "groundtruth", "gt", "targets", "target"),
        *("labels", "label"),
    ),
}
"""Names of folders, the likeliest first; case does not count, and "Ground Truth" is groundtruth."""
DEEPEST = 3
"""Folders below root in which they are looked for."""


@dataclass
class Side:
    """The files of one kind, images or targets."""

    files: dict[str, Path] = field(default_factory=dict)
    """Key -> file. A key is the path without suffix, below the folder that holds the kind."""
    where: dict[str, None] = field(default_factory=dict)
    """Where they lie, relative to root, with {} for the name, in the order of reading."""
    found: Found | None = None
    """What the walks found, these files and others."""

    def add(self, found: Found, keys: Iterable[tuple[str, Path]], where: str) -> None:
        """Take in what a walk found.

        Raises:
            DataError: two files have one key.
        """
        for key, path in sorted(keys, key=lambda pair: natural(pair[0])):
            first = self.files.setdefault(key, path)
            if first is not path:
                unlike = "suffix" if first.suffix != path.suffix else "folder or its Unicode form"
                raise DataError(f"{path}: {first.name} has the same name but for its {unlike}; keep one of the two")
        self.where[where] = None
        if self.found is None:
            self.found = found
        else:
            self.found.take(found)

    def real(self, path: Path) -> str:
        """The file with all links resolved."""
        return self.found.real[path] if self.found else str(path)

    def notes(self) -> list[str]:
        """What was left out of the folders."""
        return self.found.notes() if self.found else []


class Part(NamedTuple):
    """A folder of images and the folder of their targets beside it."""

    prefix: str
    """What the keys of its files begin with, such as the patient's folder."""
    images: Path
    targets: Path | None


def role(name: str, task: str) -> tuple[str, int, str] | None:
    """(images or targets, rank of the word, the name without it) of a folder that is named for what it holds.

    Example:
        >>> role("Ground Truth", "segmentation"), role("train_images", "depth"), role("results", "depth")
        (('targets', 2, ''), ('images', 0, 'train'), None)
    """
    low = re.sub(r"(ground|depth)[ _-](truth|maps?)\b", r"\1\2", nfc(name).lower())
    words = [word for word in re.split(r"[ _-]+", low) if word]
    for kind, known in (("targets", TARGET_FOLDERS[task]), ("images", IMAGE_FOLDERS)):
        ranks = [known.index(word) for word in words if word in known]
        if ranks:
            every = {*IMAGE_FOLDERS, *TARGET_FOLDERS[task]}
            return kind, min(ranks), "_".join(word for word in words if word not in every)
    return None


def by_role(root: Path, task: str) -> dict[str, dict[str, list[Path]]]:
    """Rest of the name -> kind -> the sub-folders that are named for it, the likeliest first."""
    found: dict[str, dict[str, list[tuple[int, str, Path]]]] = {}
    for child in sub_folders(root):
        if named := role(child.name, task):
            kind, rank, rest = named
            found.setdefault(rest, {}).setdefault(kind, []).append((rank, child.name, child))
    return {
        rest: {kind: [child for _, _, child in sorted(folders)] for kind, folders in kinds.items()}
        for rest, kinds in sorted(found.items())
    }


def find_parts(
    root: Path, task: str, deepest: int = DEEPEST, seen: frozenset[str] = frozenset()
) -> tuple[list[Part], list[Path]]:
    """(parts, folders that are not read) of a folder, or of the folders below it.

    Where a folder holds images and targets under the usual names, these are read and nothing else of it; where it
    holds targets so and images beside them, all of it is read; where neither, each of its sub-folders is a part or
    holds parts.

    Args:
        root (Path): where to look.
        task (str): segmentation or depth.
        deepest (int): levels of sub-folders to look in. Default 3.
        seen (frozenset[str]): folders above, which a link may lead back to. Default frozenset(): none.
    """
    seen |= {os.path.realpath(root)}
    named = by_role(root, task)
    parts = [
        Part(
            f"{rest}/" if rest else "",
            first_with_files(kinds["images"], IMAGES),
            first_with_files(kinds["targets"], SUFFIXES[task]),
        )
        for rest, kinds in named.items()
        if {"images", "targets"} <= set(kinds)
    ]
    children = sub_folders(root)
    kinds = named.get("", {})
    if "targets" in kinds and "images" not in kinds and walk(root, IMAGES, recursive=False).files:
        return [Part("", root, first_with_files(kinds["targets"], SUFFIXES[task]))], []
    if parts:
        return parts, [child for child in children if not any(child in part for part in parts)]
    unread = []
    for child in children if deepest else []:
        if os.path.realpath(child) in seen:
            continue
        inner, other = find_parts(child, task, deepest - 1, seen)
        above = "" if child in kinds.get("images", []) else f"{nfc(child.name)}/"
        parts += [part._replace(prefix=above + part.prefix) for part in inner]
        unread += other if inner else [child]
    alone = kinds.get("images")
    if alone and not any(part.targets for part in parts):
        parts = [Part("", first_with_files(alone, IMAGES), None)]
        unread = [child for child in children if child not in parts[0]]
    return parts, unread


def first_with_files(folders: Sequence[Path], suffixes: Sequence[str]) -> Path:
    """The first folder that holds a file of these suffixes; the first of all where none does."""
    if len(folders) == 1:
        return folders[0]
    return next((folder for folder in folders if walk(folder, suffixes).files), folders[0])


def read_folder(folder: Path, suffixes: Sequence[str], where: str, prefix: str = "", into: Side | None = None) -> Side:
    """The files of one kind in a folder and below it.

    Args:
        folder (Path): an existing folder.
        suffixes (Sequence[str]): of the files.
        where (str): what a note calls the files, such as "masks/{}".
        prefix (str): what the keys begin with. Default "".
        into (Side | None): takes them in. Default None: a new side.

    Raises:
        DataError: two files have one name but for the suffix.
    """
    side = Side() if into is None else into
    found = walk(folder, suffixes)
    keys = ((prefix + nfc(path.relative_to(folder).with_suffix("").as_posix()), path) for path in found.files)
    side.add(found, keys, where)
    return side


def read_option(root: Path, option: str, kind: str, suffixes: Sequence[str]) -> Side:
    """The files that an option names: a folder, or a pattern such as "*/Original/*.png", relative to root or absolute.

    Args:
        root (Path): the option root.
        option (str): the option's value.
        kind (str): images or targets, which is also the option's name.
        suffixes (Sequence[str]): of the files.

    Raises:
        FileNotFoundError: the folder is not there.
        DataError: it holds no such file.
    """
    text = option.replace("\\", "/").rstrip("/")
    is_pattern = is_glob(text) and not base_of(root, text).is_dir()
    head, pattern = split_glob(text) if is_pattern else (text, "")
    folder = base_of(root, head)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder}: no such folder; dataset.options.{kind}={option!r} is a folder or a pattern such as "
            f"'*/Original/*.png', absolute or relative to {root}"
        )
    if not is_pattern:
        side = read_folder(folder, suffixes, f"{text}/{{}}")
    else:
        found, side = walk(folder, suffixes), Side()
        for whole in (pattern, f"{pattern}/**"):
            expression = matcher(whole)
            keys = ((key_of(path.relative_to(folder).as_posix(), expression), path) for path in found.files)
            matched = [(nfc(key), path) for key, path in keys if key is not None]
            if matched:
                side.add(found, matched, option)
                break
    if not side.files:
        raise DataError(f"{folder / pattern}: no such {kind} ({', '.join(suffixes)}); see dataset.options.{kind}")
    return side
