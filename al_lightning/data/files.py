"""Finding and pairing the files of a published layout, however it was unpacked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from csv import DictReader
from pathlib import Path
from typing import Literal

from al_lightning.data.errors import DataError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
Order = Literal["natural", "name"]
"""natural: by the numbers in the path below the folder, 2 before 10; name: character by character, 10 before 2."""


def remedy_for(folder: Path, source: str) -> str:
    """The end of each error about a missing dataset: where to put it, and what runs without it.

    Example:
        >>> remedy_for(Path("data/CamVid"), "https://example.org").split(", or ")[0]
        'put the published folder at data/CamVid (see https://example.org)'
    """
    return (
        f"put the published folder at {folder} (see {source}), or name it with dataset.options.root; "
        "to run the same experiment on the built-in set: dataset.name=synthetic"
    )


def locate(root: Path, *layouts: Sequence[str]) -> tuple[Path, Sequence[str]]:
    """The folder that holds every sub-folder of a layout, and that layout; the first layout that is there wins.

    Looks in `root` and one folder below it, because archives are often unpacked into a folder of their own.

    Returns:
        (folder, layout). Where no layout is found, (root, first layout), so that the error that follows names the
        published one.
    """
    below = sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    for folder in (root, *below):
        for layout in layouts:
            if all((folder / name).is_dir() for name in layout):
                return folder, layout
    return root, layouts[0]


def natural(text: str) -> list[tuple[int, str]]:
    """Sort key that puts 2 before 10.

    Example:
        >>> sorted(["frame10", "frame2"], key=natural)
        ['frame2', 'frame10']
    """
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in re.split(r"(\d+)", text) if piece]


def find_images(
    folder: Path, remedy: str, pattern: str = "", recursive: bool = False, order: Order = "natural"
) -> list[Path]:
    """Images of a folder whose stem matches a pattern; files that start with a dot are left out.

    Args:
        folder (Path): where to look.
        remedy (str): the end of an error's message.
        pattern (str): regular expression that re.search finds in the stem. Default "": all images.
        recursive (bool): look in sub-folders too. Default False.
        order (Order): of the files that are returned. Default "natural".

    Raises:
        FileNotFoundError: the folder is not there.
        DataError: it holds no such image.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; {remedy}")
    found = folder.rglob("*") if recursive else folder.iterdir()
    images = [
        path
        for path in found
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and re.search(pattern, path.stem)
    ]
    if not images:
        named = f" named {pattern!r}" if pattern else ""
        raise DataError(f"{folder}: holds no image{named} ({', '.join(IMAGE_SUFFIXES)}); {remedy}")
    if order == "name":
        return sorted(images)
    return sorted(images, key=lambda path: natural(path.relative_to(folder).as_posix()))


def stems(files: Sequence[Path], root: Path | None = None) -> list[str]:
    """File names without suffix, with their path below `root` where one is given.

    Raises:
        DataError: two files share one, such as a.jpg and a.png.

    Example:
        >>> stems([Path("images/a.jpg"), Path("images/b.png")])
        ['a', 'b']
        >>> stems([Path("images/patient1/a.jpg")], Path("images"))
        ['patient1/a']
    """
    return list(by_stem(files, root))


def by_stem(files: Sequence[Path], root: Path | None = None) -> dict[str, Path]:
    """stem -> file, in the order of `files`; the stem is the name without suffix, below `root` where one is given.

    Raises:
        DataError: two files share one, such as a.jpg and a.png.
    """
    found: dict[str, Path] = {}
    for path in files:
        stem = (path.relative_to(root) if root else Path(path.name)).with_suffix("").as_posix()
        if stem in found:
            raise DataError(f"{path}: {found[stem].name} has the same name but for its suffix; keep one of the two")
        found[stem] = path
    return found


def pair(
    images: Sequence[Path], keys: Sequence[str], targets: Mapping[str, Path], where: Path, noun: str = "mask"
) -> list[Path]:
    """targets[key] for each image.

    Args:
        images (Sequence[Path]): (n,) the images, for an error's message.
        keys (Sequence[str]): (n,) the key of each image's target.
        targets (Mapping[str, Path]): key -> file.
        where (Path): folder in which the targets were looked for, for an error's message.
        noun (str): what a target is called in an error's message. Default "mask".

    Raises:
        DataError: an image has no target.

    Example:
        >>> pair([Path("images/a.jpg")], ["a"], {"a": Path("masks/a.png")}, Path("masks"))[0].as_posix()
        'masks/a.png'
    """
    missing = [(path, key) for path, key in zip(images, keys, strict=True) if key not in targets]
    if missing:
        path, key = missing[0]
        raise DataError(
            f"{path}: no {noun} {key!r} in {where} ({len(missing)} of {len(images)} images have none); "
            f"add the {noun}s or remove the images"
        )
    return [targets[key] for key in keys]


def read_table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Column names and records of a CSV in UTF-8, spaces around cells removed; a record is column -> cell.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = DictReader(file, skipinitialspace=True)
            names = reader.fieldnames or []
            columns = [(name or "").strip() for name in names]
            records = [[record.get(name) or "" for name in names] for record in reader]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not in UTF-8 ({error.reason}); save it as CSV UTF-8") from None
    return columns, [dict(zip(columns, (cell.strip() for cell in record), strict=True)) for record in records]
