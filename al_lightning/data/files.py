"""Finding and pairing the files of a published layout, however it was unpacked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from csv import DictReader
from pathlib import Path

from al_lightning.data.base import IMAGE_SUFFIXES, DataError


def remedy(folder: Path, source: str) -> str:
    """The end of each error about a missing set."""
    return (
        f"put the published folder at {folder} (see {source}), or name it with dataset.options.root; "
        "to run the same experiment on the built-in set: dataset.name=synthetic"
    )


def locate(root: Path, *layouts: Sequence[str]) -> tuple[Path, Sequence[str]]:
    """The folder that holds every part of a layout, and that layout; the first layout that is there wins.

    Looks in `root` and one folder below it, because archives are often unpacked into a folder of their own.
    Where no layout is found, (root, first layout), so that the error that follows names the published one.
    """
    below = sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    for folder in (root, *below):
        for layout in layouts:
            if all((folder / part).is_dir() for part in layout):
                return folder, layout
    return root, layouts[0]


def natural(text: str) -> list[tuple[int, str]]:
    """Sort key that puts 2 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text) if part]


def find_images(folder: Path, what: str, pattern: str = "", recursive: bool = False) -> list[Path]:
    """Images whose stem matches `pattern` (re.search), 2 before 10; files that start with a dot are left out.

    Args:
        folder: where to look.
        what: the remedy, for the error.
        pattern: regular expression on the stem; "" takes all.
        recursive: sub-folders too.

    Raises:
        FileNotFoundError: the folder is not there.
        DataError: it holds no such image.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; {what}")
    found = folder.rglob("*") if recursive else folder.iterdir()
    images = [
        path
        for path in found
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and re.search(pattern, path.stem)
    ]
    if not images:
        named = f" named {pattern!r}" if pattern else ""
        raise DataError(f"{folder}: holds no image{named} ({', '.join(IMAGE_SUFFIXES)}); {what}")
    return sorted(images, key=lambda path: natural(path.relative_to(folder).as_posix()))


def pair(
    images: Sequence[Path], keys: Sequence[str], targets: Mapping[str, Path], where: Path, noun: str = "mask"
) -> list[Path]:
    """targets[key] for each image.

    Raises:
        DataError: an image has none; `where` says in which folder it was looked for.
    """
    missing = [(path, key) for path, key in zip(images, keys, strict=True) if key not in targets]
    if missing:
        path, key = missing[0]
        raise DataError(
            f"{path}: no {noun} {key!r} in {where} ({len(missing)} of {len(images)} images have none); "
            f"add the {noun}s or remove the images"
        )
    return [targets[key] for key in keys]


def stems(files: Sequence[Path], root: Path | None = None) -> list[str]:
    """File names without suffix, with their path below `root` where one is given.

    Raises:
        DataError: two files share one, such as a.jpg and a.png.
    """
    names = [(path.relative_to(root) if root else Path(path.name)).with_suffix("").as_posix() for path in files]
    seen: dict[str, Path] = {}
    for name, path in zip(names, files, strict=True):
        if name in seen:
            raise DataError(f"{path}: {seen[name].name} has the same name but for its suffix; keep one of the two")
        seen[name] = path
    return names


def read_table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Column names and rows of a CSV in UTF-8, spaces around cells removed.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = DictReader(file, skipinitialspace=True)
            columns = [(column or "").strip() for column in reader.fieldnames or []]
            rows = [[row.get(name) or "" for name in reader.fieldnames or []] for row in reader]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not in UTF-8 ({error.reason}); save it as CSV UTF-8") from None
    return columns, [dict(zip(columns, (cell.strip() for cell in row), strict=True)) for row in rows]
