"""The option `csv`: one table, or one for each split."""

from __future__ import annotations

import os
import re
from pathlib import Path

from al_lightning.data.errors import DataError
from al_lightning.data.files import natural
from al_lightning.data.own.globs import is_glob
from al_lightning.data.own.listing import SPLIT_NAMES, Listing
from al_lightning.data.own.table_listing import locate_csv, read_csv
from al_lightning.data.walk import some


def read_tables(csv: str, root: Path, task: str) -> Listing:
    """The images that a CSV lists, or that all of a pattern such as "*.csv" do, in the order of their names.

    Of several, one that is named for a split (train.csv, polyps_val.csv) says it of every line that names none.

    Args:
        csv (str): the file or the pattern, absolute, below root or below the working folder.
        root (Path): the option root.
        task (str): segmentation or depth.

    Raises:
        FileNotFoundError: there is none.
        DataError: a file contradicts itself or another.
    """
    if not is_glob(csv) or (root / csv).is_file():
        return read_csv(locate_csv(csv, root), root, task)
    paths = _matched(csv, root)
    merged = Listing([], [], [], [], [], must_have_targets=True)
    where: dict[str, Path] = {}
    told = []
    assert merged.splits is not None
    for path in paths:
        listing = read_csv(path, root, task)
        split = split_named(path.stem)
        told += [f"{path.name} = {split}"] if split and listing.splits is None else []
        for name, image in zip(listing.ids, listing.images, strict=True):
            for key in (f"id {name}", os.path.realpath(image)):
                if (other := where.setdefault(key, path)) != path:
                    raise DataError(f"{path}: {name!r} is in {other.name} too; keep one of the two")
        for field in ("ids", "images", "targets", "groups", "notes"):
            getattr(merged, field).extend(getattr(listing, field))
        merged.splits += listing.splits or [split or "pool"] * len(listing.ids)
    if set(merged.splits) == {"pool"}:
        merged.splits = None
    merged.notes.append(f"{len(paths)} tables read ({some(path.name for path in paths)})")
    merged.notes += [f"splits by the names of the tables: {', '.join(told)}"] if told else []
    return merged


def split_named(stem: str) -> str | None:
    """The split that a table is named for; None for none, or several.

    Example:
        >>> split_named("train"), split_named("polyps-Val"), split_named("train_test"), split_named("latest")
        ('pool', 'validation', None, None)
    """
    found = {SPLIT_NAMES[word] for word in re.findall(r"[a-z]+", stem.casefold()) if word in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else None


def _matched(csv: str, root: Path) -> list[Path]:
    text = os.path.expanduser(csv)
    for base in (root, Path.cwd()):
        folder, pattern = (Path(text).parent, Path(text).name) if os.path.isabs(text) else (base, text)
        found = sorted((path for path in folder.glob(pattern) if path.is_file()), key=lambda path: natural(path.name))
        if found:
            return found
    raise FileNotFoundError(f"{root / text}: no such file; dataset.options.csv={csv!r} is a file or a pattern of files")
