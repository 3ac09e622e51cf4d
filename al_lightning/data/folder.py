"""A user's own images and targets, without code: two folders, or a CSV."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_lightning.data.base import DataError, DenseDataset, two_numbers
from al_lightning.data.decoders import class_map, depth_map, threshold_map
from al_lightning.data.files import find_images, read_table, stems
from al_lightning.data.splits import SPLIT_SEED, Evaluation, draw_groups, evaluation, share
from al_lightning.types import Rows, Task

SPLIT_NAMES = {
    **dict.fromkeys(("", "pool", "train", "training"), "pool"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    "test": "test",
}


class Listing(NamedTuple):
    """What is known of each image before anything is split; all have the length of `ids`."""

    ids: list[str]
    images: list[Path]
    targets: list[Path | None]
    groups: list[str]
    """Images of one group never straddle two parts."""
    parts: list[str]
    """pool, validation or test."""


def folder(
    root: str = "data/folder",
    task: Literal["segmentation", "depth"] = "segmentation",
    classes: list[str] = ["background", "foreground"],  # noqa: B006 - options are read, never changed
    masks: Literal["auto", "threshold", "index"] = "auto",
    maximum_cm: float = 20.0,
    invert: bool = False,
    size: int | list[int] = 256,
    csv: str | None = None,
    groups: Literal["none", "folder"] = "none",
    validation: float = 0.1,
    test: float = 0.2,
    evaluate_at: Evaluation = "auto",
) -> DenseDataset:
    """Your own data.

    Two folders: `root/images/` and `root/masks/` (or `root/depth/`), paired by equal names but for the suffix;
    sub-folders are read, and an id is the path below images/ without suffix. Or a CSV with the columns image
    and target, and if wanted group and split, whose paths are absolute or relative to `root`; an id is then
    the image's path as written, without suffix.

    An image without target (no file of its name, or an empty cell) can be in the pool only, and is labelled by
    whoever the oracle asks. A group (a patient, a video) never straddles two parts. The column split holds
    train (or pool, or nothing), val or test; a part that it names nowhere is drawn from the pool by fraction,
    with a fixed seed. Where a drawn group holds images without target, those are left out.

    What a mask means is a rule for the whole set and not guessed by file: with `masks: threshold` any grey level
    above half of the range is class 1; with `masks: index` a pixel holds its class number, and 255 is void.
    `auto` is threshold for two classes and index for more. A depth map is grey, 8 or 16 bits, and its full
    range stands for `maximum_cm`.

    Args:
        root: the folder.
        task: segmentation or depth.
        classes: names by class number, the background first; unused by depth.
        masks: auto, threshold or index.
        maximum_cm: depth in cm that 255 (or 65535) stands for; unused by segmentation.
        invert: near is bright; unused by segmentation.
        size: pixels that the learner sees, one number or [height, width].
        csv: the file, absolute or relative to `root`; without it the two folders are read.
        groups: folder makes a group of each sub-folder of images/; a column group of the CSV always counts.
        validation, test: fractions of the images with target.
        evaluate_at: test at the targets' own size or at `size`; auto is native.

    Raises:
        FileNotFoundError: a folder or the CSV is missing.
        DataError: anything in them that contradicts the above.
    """
    if task == "segmentation" and (len(classes) < 2 or len(set(classes)) != len(classes)):
        raise DataError(f"classes={classes}: expected at least two different names, the background first")
    if task == "segmentation" and masks == "threshold" and len(classes) != 2:
        raise DataError(f"masks=threshold: needs two classes, but classes={classes}; set masks=index")
    if task == "depth" and maximum_cm <= 0:
        raise DataError(f"maximum_cm={maximum_cm}: expected a depth above 0")
    base = Path(root)
    listing = read_csv(base, base / csv, groups) if csv else read_folders(base, task, groups)
    labelled = np.array([target is not None for target in listing.targets])
    pool, held_out, tested = split(listing, labelled, validation, test, str(base))
    if task == "depth":
        decode: Any = partial(depth_map, maximum=maximum_cm, invert=invert)
    elif masks == "threshold" or (masks == "auto" and len(classes) == 2):
        decode = threshold_map
    else:
        decode = partial(class_map, classes=len(classes))
    return DenseDataset(
        name="folder",
        task=Task("depth", (), maximum_cm) if task == "depth" else Task("segmentation", tuple(classes)),
        ids=tuple(listing.ids),
        images=tuple(listing.images),
        targets=tuple(listing.targets),
        pool=pool,
        validation=held_out,
        test=tested,
        size=two_numbers(size),
        decode_target=decode,
        evaluate_at=evaluation(evaluate_at, "clean"),
        facts={
            "groups": len(set(listing.groups)),
            "pool_images_without_target": int((~labelled[pool]).sum()),
            "left_out": len(listing.ids) - len(pool) - len(held_out) - len(tested),
        },
    )


def read_folders(root: Path, task: str, groups: str) -> Listing:
    """images/ and masks/ or depth/, by equal relative paths but for the suffix."""
    part = "depth" if task == "depth" else "masks"
    help_ = (
        f"put your images in {root / 'images'} and their targets of the same names in {root / part}, or name the "
        "folder above with dataset.options.root, or list them in a CSV and set dataset.options.csv"
    )
    images = find_images(root / "images", help_, recursive=True)
    files = find_images(root / part, help_, recursive=True)
    ids = stems(images, root / "images")
    targets = dict(zip(stems(files, root / part), files, strict=True))
    orphans = sorted(set(targets) - set(ids))
    if orphans:
        raise DataError(
            f"{targets[orphans[0]]}: no image of the same name in {root / 'images'} ({len(orphans)} of {len(files)} "
            "targets have none); give both the same name, or remove the target"
        )
    by_folder = [PurePosixPath(name).parent.as_posix() if groups == "folder" else f"image {name}" for name in ids]
    return Listing(ids, images, [targets.get(name) for name in ids], by_folder, ["pool"] * len(ids))


def read_csv(root: Path, path: Path, groups: str) -> Listing:
    """The columns image, target, group and split."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; dataset.options.csv is absolute or relative to {root}")
    columns, rows = read_table(path)
    if "image" not in columns or not rows:
        raise DataError(f"{path}: {len(rows)} rows, columns {columns}; expected image, target[, group][, split]")
    listing = Listing([], [], [], [], [])
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{path}, line {number}"
        image, target = root / row["image"], row.get("target", "")
        for file_name in (row["image"], target):
            if file_name and not (root / file_name).is_file():
                raise DataError(f"{where}: {root / file_name}: no such file; paths are absolute or relative to {root}")
        if not row["image"]:
            raise DataError(f"{where}: no image; fill the cell or remove the line")
        given = PurePosixPath(row["image"].replace("\\", "/")).with_suffix("")
        name = given.as_posix()
        if name in seen:
            raise DataError(f"{where}: {name!r} is already in line {seen[name]}; keep one of the two")
        seen[name] = number
        part = SPLIT_NAMES.get(row.get("split", "").lower())
        if part is None:
            raise DataError(f"{where}: split={row['split']!r}; expected train, val or test, or nothing")
        by_folder = given.parent.as_posix() if groups == "folder" else f"image {name}"
        listing.ids.append(name)
        listing.images.append(image)
        listing.targets.append(root / target if target else None)
        listing.groups.append(f"group {row['group']}" if row.get("group") else by_folder)
        listing.parts.append(part)
    return listing


def split(
    listing: Listing, labelled: NDArray[np.bool_], validation: float, test: float, what: str
) -> tuple[Rows, Rows, Rows]:
    """(pool, validation, test) rows: as the listing names them, and the parts that it does not name drawn."""
    parts = np.array(listing.parts)
    straddling = _straddling(listing.groups, listing.parts)
    if straddling:
        raise DataError(f"{what}: {straddling} is in two parts of the column split; give all its rows the same")
    unlabelled = np.flatnonzero(~labelled & (parts != "pool"))
    if len(unlabelled):
        row = int(unlabelled[0])
        raise DataError(
            f"{listing.images[row]}: an image of {parts[row]} needs a target ({len(unlabelled)} have none); add it, or "
            "move the image to the pool"
        )
    candidates = np.flatnonzero(labelled & (parts == "pool"))
    draw = [(name, share(name, f, len(candidates))) for name, f in (("test", test), ("validation", validation))]
    draw = [(name, count) for name, count in draw if not (parts == name).any()]
    distinct = len({listing.groups[row] for row in candidates})
    if draw and (distinct <= len(draw) or sum(count for _, count in draw) >= len(candidates)):
        raise DataError(
            f"{what}: {len(candidates)} images with target in {distinct} groups are too few to draw "
            f"{' and '.join(f'{count} for {name}' for name, count in draw)} and leave some for the pool; add images, "
            "or name the parts in a column split of a CSV"
        )
    rng = np.random.default_rng(SPLIT_SEED)
    for left, (name, count) in zip(range(len(draw), 0, -1), draw, strict=True):
        candidates = np.flatnonzero(labelled & (parts == "pool"))
        drawn = candidates[draw_groups([listing.groups[row] for row in candidates], count, rng, what, left)]
        held_out = {listing.groups[row] for row in drawn}
        same = np.array([group in held_out for group in listing.groups])
        parts = np.where(same, np.where(labelled, name, "none"), parts)
    pool, held, tested = (np.flatnonzero(parts == name) for name in ("pool", "validation", "test"))
    return pool, held, tested


def _straddling(groups: Sequence[str], parts: Sequence[str]) -> str | None:
    first: dict[str, str] = {}
    pairs = zip(groups, parts, strict=True)
    return next((group for group, part in pairs if first.setdefault(group, part) != part), None)
