"""Published data sets that have a loader of their own, recognised by how their files lie."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from al_lightning.data.files import IMAGE_SUFFIXES
from al_lightning.data.walk import entries, some, sub_folders

SESSILE = "sessile-main-Kvasir-SEG"
"""Folder of the test images of Kvasir-SEG, beside it."""
CLINIC_FRAMES = 612
PART = 300
"""Images up to which a folder holds a part of Kvasir-SEG."""
Options = dict[str, Any]


@dataclass(frozen=True)
class Published:
    """A published set that was recognised."""

    name: str
    """Of its loader."""
    root: Path
    by: str
    """The files or folders that it was recognised by."""
    options: Options = field(default_factory=dict)
    """Of the loader, beside root."""


def recognise(root: Path) -> Published | None:
    """The published set that lies in a folder, by the names of files and folders alone.

    Raises:
        DataError: a folder cannot be listed.
    """
    for name, look in LAYOUTS.items():
        if found := look(root):
            by, options = found
            return Published(name, root, by, options)
    return None


def below(root: Path) -> list[Published]:
    """The published sets in the sub-folders of a folder, as an archive unpacks them.

    Raises:
        DataError: a folder cannot be listed.
    """
    return [found for folder in sub_folders(root) if (found := recognise(folder))]


def sessile(root: Path) -> Path | None:
    """The folder of Kvasir-SEG, where `root` holds its 196 sessile polyps, which the loader takes as the test set."""
    for beside in sub_folders(root.absolute().parent):
        if (found := recognise(beside)) and found.name == "kvasir" and root.absolute().name == SESSILE:
            return beside
    return None


def _stems(folder: Path) -> list[str]:
    """Names of the images in a folder, without suffix; none where it is not there."""
    if not os.path.isdir(folder):  # Path.is_dir raises where a folder above may not be entered
        return []
    names = [os.path.splitext(entry.name) for entry in entries(folder)]
    return [stem for stem, suffix in names if suffix.lower() in IMAGE_SUFFIXES]


def _all_there(root: Path, folders: Sequence[str]) -> bool:
    return all(os.path.isdir(root / folder) for folder in folders)


def _kvasir(root: Path) -> tuple[str, Options] | None:
    """images/ and masks/ with a sessile sibling, most of whose names are here too."""
    test = root.absolute().parent / SESSILE
    folders = [parent / part for parent in (root, test) for part in ("images", "masks")]
    if root.absolute() == test or not all(map(os.path.isdir, folders)):
        return None
    names, tested = set(_stems(folders[0])), _stems(folders[2])
    if 2 * len(names.intersection(tested)) < max(1, len(tested)):
        return None
    # The loader takes 100 of the 1,000 images for validation; of a part of the set a tenth too.
    options: Options = {} if len(names) > PART else {"validation": max(1, len(names) // 10)}
    return f"images/ and masks/, with {SESSILE} beside it", options


def _glas(root: Path) -> tuple[str, Options] | None:
    names = set(_stems(root))
    parts = {
        part: sum(bool(re.fullmatch(rf"{part}_\d+", name)) and f"{name}_anno" in names for name in names)
        for part in ("train", "testA", "testB")
    }
    tests = [part for part in ("testA", "testB") if parts[part]]
    if not parts["train"] or not tests:
        return None
    options: Options = {} if len(tests) == 2 else {"part": tests[0][-1]}
    return f"train_<i> and {' and '.join(f'{part}_<i>' for part in tests)} with <name>_anno", options


def _camvid(root: Path) -> tuple[str, Options] | None:
    folders = [f"{split}{kind}" for split in ("train", "val", "test") for kind in ("", "annot")]
    return (f"{some(folders[:2])}, val, valannot, test, testannot", {}) if _all_there(root, folders) else None


def _clinicdb(root: Path) -> tuple[str, Options] | None:
    truths = ("Ground Truth", "Ground_Truth", "GroundTruth")
    layouts = [(f"{kind}Original", f"{kind}{truth}") for kind in ("", "PNG/", "TIF/") for truth in truths]
    for images, masks in (*layouts, ("images", "masks")):
        if _all_there(root, (images, masks)):
            names = _stems(root / images)
            if {name for name in names if name.isdecimal()} == {str(n + 1) for n in range(CLINIC_FRAMES)}:
                return f"{images} and {masks} with frames 1 to {CLINIC_FRAMES}", {}
    return None


def _isic(root: Path) -> tuple[str, Options] | None:
    def there(split: str) -> bool:
        return _all_there(root, [f"ISIC-2017_{split}_Data", f"ISIC-2017_{split}_Part1_GroundTruth"])

    if not (there("Training") and there("Validation")):
        return None
    # Without the official test set, the protocol of Gorriz et al. 2017 draws one from the training images.
    return "the folders ISIC-2017_<split>_Data", {} if there("Test_v2") else {"protocol": "paper"}


def _cityscapes(root: Path) -> tuple[str, Options] | None:
    folders = [f"{kind}/{split}" for kind in ("leftImg8bit", "gtFine") for split in ("train", "val")]
    return ("leftImg8bit/ and gtFine/", {}) if _all_there(root, folders) else None


def _bdd100k(root: Path) -> tuple[str, Options] | None:
    for kinds in (("images/10k", "labels/sem_seg/masks"), ("seg/images", "seg/labels")):
        if _all_there(root, [f"{kind}/{split}" for kind in kinds for split in ("train", "val")]):
            return " and ".join(kinds), {}
    return None


def _depth(root: Path) -> tuple[str, Options] | None:
    """T1/, T2/, T3/ with frames and depth, directly or in sub-folders."""
    textures = []
    for folder in sub_folders(root):
        if re.fullmatch(r"T\d", folder.name):
            files = [name for _, _, names in os.walk(folder) for name in names]
            if all(any(re.search(rf"{kind}_\d+\.", name) for name in files) for kind in ("FrameBuffer", "Depth")):
                textures.append(folder.name)
    options = {} if textures == ["T1", "T2", "T3"] else {"textures": textures}
    return (f"{', '.join(textures)} with FrameBuffer_<n> and Depth_<n>", options) if textures else None


LAYOUTS: dict[str, Callable[[Path], tuple[str, Options] | None]] = {
    "kvasir": _kvasir,
    "glas": _glas,
    "camvid": _camvid,
    "clinicdb": _clinicdb,
    "isic2017": _isic,
    "cityscapes": _cityscapes,
    "bdd100k": _bdd100k,
    "colonoscopy-depth": _depth,
}
"""Loader -> what recognises its layout: by what, and options beside root; None for another layout."""
