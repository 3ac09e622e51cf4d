"""Finding and pairing the files of a published layout, however it was unpacked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from al_lightning.data.errors import DataError
from al_lightning.data.table_file import read_table
from al_lightning.data.walk import sub_folders, walk

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff"),
    *(".gif", ".webp", ".jp2"),
)
"""Files that may hold an image; case does not count."""
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
    below = sub_folders(root) if root.is_dir() else []
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
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in re.split(r"(\d+)", text) if piece]


def nfc(text: str) -> str:
    """The text in the composed form of Unicode, in which two spellings of one name are equal.

    Example:
        >>> nfc("u\\u0308") == "\\u00fc"
        True
    """
    return unicodedata.normalize("NFC", text)


def find_images(
    folder: Path, remedy: str, pattern: str = "", recursive: bool = False, order: Order = "natural"
) -> list[Path]:
    """Images of a folder whose stem matches a pattern; hidden files and litter are left out, links are followed.

    Args:
        folder (Path): where to look.
        remedy (str): the end of an error's message.
        pattern (str): regular expression that re.search finds in the stem. Default "": all images.
        recursive (bool): look in sub-folders too. Default False.
        order (Order): of the files that are returned. Default "natural".

    Raises:
        FileNotFoundError: the folder is not there.
        DataError: it holds no such image, or a link to one that is not there.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; {remedy}")
    found = walk(folder, IMAGE_SUFFIXES, recursive)
    for path in found.broken:
        if path.suffix.lower() in IMAGE_SUFFIXES and re.search(pattern, path.stem):
            raise DataError(f"{path}: a link to a file that is not there; put the file back or remove the link")
    images = [path for path in found.files if re.search(pattern, path.stem)]
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

    Stems are in NFC, the composed form of Unicode, however a file system spells them.

    Raises:
        DataError: two files share one, such as a.jpg and a.png.
    """
    found: dict[str, Path] = {}
    for path in files:
        stem = nfc((path.relative_to(root) if root else Path(path.name)).with_suffix("").as_posix())
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


__all__ = [
    "IMAGE_SUFFIXES",
    "Order",
    "by_stem",
    "find_images",
    "locate",
    "natural",
    "nfc",
    "pair",
    "read_table",
    "remedy_for",
    "stems",
]
