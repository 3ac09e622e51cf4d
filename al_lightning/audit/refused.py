"""The files of a dataset that its loader refuses, as far as they can be listed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from al_lightning.audit.subject import Subject
from al_lightning.core.task import Task
from al_lightning.data.depths import depth_reading
from al_lightning.data.files import IMAGE_SUFFIXES, natural
from al_lightning.data.images import ImageReading, image_reading
from al_lightning.data.masks import MaskOptions, mask_reading
from al_lightning.data.own.folder_listing import read_folders
from al_lightning.data.own.listing import Listing
from al_lightning.data.own.tables import read_tables
from al_lightning.data.walk import walk

Kind = Literal["segmentation", "depth"]


def refused(name: str, options: Mapping[str, Any], problem: str) -> Subject:
    """What is there of a dataset that cannot be built: images with targets, or loose files, or nothing.

    Args:
        name (str): of the dataset.
        options (Mapping): all its options, with their defaults.
        problem (str): why the loader refuses it.
    """
    root = Path(os.path.abspath(os.path.expanduser(str(options.get("root", "")))))
    kind: Kind = "depth" if options.get("task", name.rpartition("-")[2]) == "depth" else "segmentation"
    page = options.get("page")
    listing = _listed(root, kind, options)
    loose = listing is None
    if listing is None:
        listing = _found(root)
    reading = _image_reading(listing, page, options.get("window", "auto"))
    classes = tuple(options.get("classes") or ()) or ("background", "foreground")
    return Subject(
        name=name,
        task=Task(kind, () if kind == "depth" else classes, options.get("maximum_cm", 20.0)),
        ids=tuple(listing.ids),
        images=tuple(listing.images),
        targets=tuple(listing.targets),
        split_of=np.full(len(listing.ids), "no split", dtype=object),
        image_reading=reading,
        decode_target=_decode(listing, kind, classes, options) if name == "folder" else None,
        protocol="refused",
        notes=tuple(listing.notes),
        problem=problem,
        loose=loose,
    )


def _listed(root: Path, kind: Kind, options: Mapping[str, Any]) -> Listing | None:
    """Images with their targets, by the CSV or by the usual names; None where these do not fit."""
    csv = options.get("csv")
    try:
        if csv:
            return read_tables(csv, root, kind)
        return read_folders(root, kind, options.get("images"), options.get("targets"))
    except (ValueError, OSError):
        return None


def _found(root: Path) -> Listing:
    """All files of pictures below a folder, which may be images or targets."""
    try:
        found = walk(root, IMAGE_SUFFIXES) if root.is_dir() else None
    except (ValueError, OSError):
        found = None
    files = [] if found is None else found.files
    files = sorted(files, key=lambda path: natural(path.relative_to(root).as_posix()))
    ids = [path.relative_to(root).as_posix() for path in files]
    return Listing(ids, files, [None] * len(files), [None] * len(files), notes=[] if found is None else found.notes())


def _image_reading(listing: Listing, page: int | None, window: str | Sequence[float]) -> ImageReading:
    try:
        return image_reading(listing.images, listing.targets, page, window)[0]
    except (ValueError, OSError):
        return ImageReading(page)


def _decode(
    listing: Listing, kind: Kind, classes: tuple[str, ...], options: Mapping[str, Any]
) -> Callable[[Path], NDArray[Any]] | None:
    """How the targets are read, where that is not what the loader refuses."""
    files = [path for path in listing.targets if path is not None]
    if not files:
        return None
    given = {key: options.get(key, default) for key, default in vars(MaskOptions()).items()}
    try:
        if kind == "depth":
            keys = ("unit", "scale", "invalid", "invert", "page")
            return depth_reading(files, options["maximum_cm"], *(options[key] for key in keys))[0].decode
        return mask_reading(files, classes, MaskOptions(**given | {"allow_missing_classes": True}))[0].decode
    except (ValueError, OSError):
        return None
