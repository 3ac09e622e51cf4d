"""A user's own images and targets, without code: two folders, or a CSV."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Rows
from al_lightning.core.task import Task
from al_lightning.data.dataset import DataError, DatasetInfo, DenseDataset
from al_lightning.data.files import by_stem, find_images, read_table, stems
from al_lightning.data.options import Evaluation, evaluation, height_width
from al_lightning.data.reading import class_map, depth_map, threshold_map
from al_lightning.data.splits import SPLIT_SEED, draw_groups, split_count

INFO = DatasetInfo(
    title="Your own images",
    source="a folder of yours",
    licence="yours",
    citation="yours",
    layout="""\
images/**/<name>.*
masks/**/<name>.*     8 or 16 bits; or depth/**/<name>.*
or a CSV with the columns image, target[, group][, split]""",
)
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
    """Images of one group never straddle two splits."""
    splits: list[str]
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
    whoever the oracle asks. A group (a patient, a video) never straddles two splits. The column split holds
    train (or pool, or nothing), val or test; a split that it names nowhere is drawn from the pool by fraction,
    with a fixed seed. Where a drawn group holds images without target, those are left out.

    What a mask means is a rule for the whole set and not guessed by file: with `masks: threshold` any grey level
    above half of the range is class 1; with `masks: index` a pixel holds its class number, and 255 is void.
    `auto` is threshold for two classes and index for more. A depth map is grey, 8 or 16 bits, and its full
    range stands for `maximum_cm`.

    Args:
        root (str): the folder. Default "data/folder".
        task (str): segmentation or depth. Default "segmentation".
        classes (list[str]): names by class number, the background first; unused by depth. Default
            ["background", "foreground"].
        masks (str): what a mask's pixels mean: auto, threshold or index. Default "auto".
        maximum_cm (float): depth in cm that 255 (or 65535) stands for, above 0; unused by segmentation. Default 20.
        invert (bool): near is bright; unused by segmentation. Default False.
        size (int | list[int]): pixels that the learner sees, one number or [height, width]. Default 256.
        csv (str | None): the file, absolute or relative to `root`. Default None: the two folders are read.
        groups (str): folder makes a group of each sub-folder of images/; a column group of the CSV always counts.
            Default "none".
        validation (float): fraction of the images with target, in (0, 1). Default 0.1.
        test (float): the same for the test split. Default 0.2.
        evaluate_at (str): compare test predictions at the targets' own size (native) or at `size` (resized). Default
            "auto": native.

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
        size=height_width(size),
        decode_target=decode,
        evaluate_at=evaluation(evaluate_at, "clean"),
        facts={
            "groups": len(set(listing.groups)),
            "pool_images_without_target": int((~labelled[pool]).sum()),
            "left_out": len(listing.ids) - len(pool) - len(held_out) - len(tested),
        },
    )


def read_folders(root: Path, task: str, groups: str) -> Listing:
    """images/ and masks/ or depth/, by equal relative paths but for the suffix.

    Raises:
        FileNotFoundError: a folder is missing.
        DataError: a folder is empty, two files have one name, or a target has no image.
    """
    images_folder, targets_folder = root / "images", root / ("depth" if task == "depth" else "masks")
    remedy = (
        f"put your images in {images_folder} and their targets of the same names in {targets_folder}, or name the "
        "folder above with dataset.options.root, or list them in a CSV and set dataset.options.csv"
    )
    images = find_images(images_folder, remedy, recursive=True)
    targets = by_stem(find_images(targets_folder, remedy, recursive=True), targets_folder)
    ids = stems(images, images_folder)
    orphans = sorted(set(targets) - set(ids))
    if orphans:
        raise DataError(
            f"{targets[orphans[0]]}: no image of the same name in {images_folder} ({len(orphans)} of {len(targets)} "
            "targets have none); give both the same name, or remove the target"
        )
    by_folder = [PurePosixPath(name).parent.as_posix() if groups == "folder" else f"image {name}" for name in ids]
    return Listing(ids, images, [targets.get(name) for name in ids], by_folder, ["pool"] * len(ids))


def read_csv(root: Path, path: Path, groups: str) -> Listing:
    """The columns image, target, group and split of a CSV.

    Raises:
        FileNotFoundError: the file is missing.
        DataError: a line contradicts another or names a file that is not there; the message names the line.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; dataset.options.csv is absolute or relative to {root}")
    columns, records = read_table(path)
    if "image" not in columns or not records:
        raise DataError(f"{path}: {len(records)} lines, columns {columns}; expected image, target[, group][, split]")
    listing = Listing([], [], [], [], [])
    seen: dict[str, int] = {}
    for number, record in enumerate(records, start=2):
        where = f"{path}, line {number}"
        image, target = root / record["image"], record.get("target", "")
        for file_name in (record["image"], target):
            if file_name and not (root / file_name).is_file():
                raise DataError(f"{where}: {root / file_name}: no such file; paths are absolute or relative to {root}")
        if not record["image"]:
            raise DataError(f"{where}: no image; fill the cell or remove the line")
        given = PurePosixPath(record["image"].replace("\\", "/")).with_suffix("")
        name = given.as_posix()
        if name in seen:
            raise DataError(f"{where}: {name!r} is already in line {seen[name]}; keep one of the two")
        seen[name] = number
        split_name = SPLIT_NAMES.get(record.get("split", "").lower())
        if split_name is None:
            raise DataError(f"{where}: split={record['split']!r}; expected train, val or test, or nothing")
        by_folder = given.parent.as_posix() if groups == "folder" else f"image {name}"
        listing.ids.append(name)
        listing.images.append(image)
        listing.targets.append(root / target if target else None)
        listing.groups.append(f"group {record['group']}" if record.get("group") else by_folder)
        listing.splits.append(split_name)
    return listing


def split(
    listing: Listing, labelled: NDArray[np.bool_], validation: float, test: float, what: str
) -> tuple[Rows, Rows, Rows]:
    """(pool, validation, test) rows: as the listing names them, and the splits that it does not name drawn.

    Args:
        listing (Listing): n images.
        labelled (NDArray): (n,) whether an image has a target.
        validation (float): fraction of the images with target, in (0, 1), where the listing names none.
        test (float): the same for the test split.
        what (str): names the data in an error.

    Raises:
        DataError: a group straddles two splits, a held-out image has no target, or there are too few images.
    """
    splits = np.array(listing.splits)
    straddling = _straddling(listing.groups, listing.splits)
    if straddling:
        raise DataError(f"{what}: {straddling} is in two splits of the column split; give all its lines the same")
    unlabelled = np.flatnonzero(~labelled & (splits != "pool"))
    if len(unlabelled):
        row = int(unlabelled[0])
        raise DataError(
            f"{listing.images[row]}: an image of {splits[row]} needs a target ({len(unlabelled)} have none); add it, "
            "or move the image to the pool"
        )
    candidates = np.flatnonzero(labelled & (splits == "pool"))
    draw = [(name, split_count(name, f, len(candidates))) for name, f in (("test", test), ("validation", validation))]
    draw = [(name, count) for name, count in draw if not (splits == name).any()]
    distinct = len({listing.groups[row] for row in candidates})
    if draw and (distinct <= len(draw) or sum(count for _, count in draw) >= len(candidates)):
        raise DataError(
            f"{what}: {len(candidates)} images with target in {distinct} groups are too few to draw "
            f"{' and '.join(f'{count} for {name}' for name, count in draw)} and leave some for the pool; add images, "
            "or name the splits in a column split of a CSV"
        )
    rng = np.random.default_rng(SPLIT_SEED)
    for left, (name, count) in zip(range(len(draw), 0, -1), draw, strict=True):
        candidates = np.flatnonzero(labelled & (splits == "pool"))
        drawn = candidates[draw_groups([listing.groups[row] for row in candidates], count, rng, what, left)]
        held_out = {listing.groups[row] for row in drawn}
        same = np.array([group in held_out for group in listing.groups])
        splits = np.where(same, np.where(labelled, name, "none"), splits)
    pool, held, tested = (np.flatnonzero(splits == name) for name in ("pool", "validation", "test"))
    return pool, held, tested


def _straddling(groups: Sequence[str], splits: Sequence[str]) -> str | None:
    """The first group that is in two splits."""
    first: dict[str, str] = {}
    pairs = zip(groups, splits, strict=True)
    return next((group for group, split in pairs if first.setdefault(group, split) != split), None)
