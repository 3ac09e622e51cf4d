"""A user's own images and targets, without code: two folders, or a CSV."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np

from al_lightning.core.task import Task
from al_lightning.data.dataset import SPLITS, DataError, DatasetInfo, DenseDataset
from al_lightning.data.depths import Unit
from al_lightning.data.masks import MaskOptions, Masks
from al_lightning.data.options import Evaluation, evaluation, height_width
from al_lightning.data.own.drawing import draw, unlabelled
from al_lightning.data.own.folder_listing import NO_TARGETS, read_folders, read_unlabelled
from al_lightning.data.own.grouping import folders_apart, group_keys, within_splits
from al_lightning.data.own.listing import check_names
from al_lightning.data.own.meaning import DepthOptions, check_held_out, check_unused, meaning
from al_lightning.data.own.tables import read_tables
from al_lightning.data.own.union import check_several, one_target
from al_lightning.data.splits import NONE, SPLIT_SEED

INFO = DatasetInfo(
    title="Your own images",
    source="a folder of yours",
    licence="yours",
    citation="yours",
    layout="""\
images/**/<name>.*
masks/**/<name>.*     or depth/**/<name>.*
or the same two folders in a folder for each patient, under other usual names, or where options say,
or a CSV with the columns image, target[, group][, split]""",
)


def folder(
    root: str = "data/folder",
    task: Literal["segmentation", "depth"] = "segmentation",
    classes: list[str] = ["background", "foreground"],  # noqa: B006 - options are read, never changed
    masks: Masks = "auto",
    maximum_cm: float = 20.0,
    invert: bool = False,
    size: int | list[int] = 256,
    csv: str | None = None,
    groups: str = "auto",
    validation: float = 0.1,
    test: float = 0.2,
    evaluate_at: Evaluation = "auto",
    images: str | None = None,
    targets: str | None = None,
    several_masks: Literal["refuse", "union"] = "refuse",
    split_seed: int = SPLIT_SEED,
    threshold: float | None = None,
    foreground: list[int] | None = None,
    void: list[int] = [],  # noqa: B006
    colours: dict[str, list[int]] | None = None,
    allow_missing_classes: bool = False,
    unit: Unit = "auto",
    scale: float = 1.0,
    invalid: list[float] = [],  # noqa: B006
    page: int | None = None,
    window: str | list[int | float] = "auto",
    title: str | None = None,
) -> DenseDataset:
    """Your own data.

    Two folders: `root/images/` and `root/masks/` (or `root/depth/`), paired by equal names but for the suffix;
    sub-folders and links are read, and an id is the path below images/ without suffix. Other usual names of the two
    folders are found (Original and "Ground Truth", imgs and labels), also in a folder for each patient, whose name an
    id then begins with; so are both kinds in one folder (`1.png` beside `1_mask.png`). Names that differ in more than
    the suffix are paired by the one rule that pairs most (`_segmentation`, `mask_`, `Depth_` with `FrameBuffer_`).
    The options `images` and `targets` say where the files are otherwise. What was decided, paired, left out or not
    read is in the dataset's notes.

    Or a CSV with a column for the image and one for its target, and if wanted for group and split; usual names of
    columns are understood in any case (mask, label, patient, fold), and commas, semicolons, tabs or bars between
    cells. Its paths are absolute, or relative to the CSV's folder, to `root` or to the working folder; an id is the
    image's path as written, without suffix.

    The split of an image depends on its group alone (a patient, a video; on its id where it has none), so that it
    stays where it is when images or targets are added: with u = the first 64 bits of SHA-256 of
    "<split_seed>:<group>" / 2^64, it is in test where u < `test`, in validation where u < `test` + `validation`, and
    else in the pool. Only in a small set, where a split would come out empty, it takes the group of the nearest u. A
    column split holds train (or pool, or nothing), val or test, and counts; so do folders named train, val and test
    where all images are in them. A split that these name nowhere is drawn. An image without target (no file of its
    name, or an empty cell) can be in the pool only, and is labelled by whoever the oracle asks; where it is held out,
    it is in no split.

    What masks mean is decided once for the whole set, before anything is drawn, from up to 200 of them, evenly
    spaced; the first note says what was found, and a file that does not fit it is an error when it is read. Masks of
    two classes are read as black and white (0 and 255, also of 1 bit, 12 or 16 bits, JPEG, or three equal channels),
    as class numbers (0 and 1, with 255 for void), by the index of a palette of colours, or from an alpha channel that
    alone varies; anything else needs an option. Masks of more classes hold class numbers, and 255 for void. Masks that
    are empty one by one are normal; a class that no mask holds is an error.

    Depth is a grey picture of 8, 16 or 32 bits, a float TIFF, .npy, .npz of one array, or (with OpenEXR installed)
    .exr, all of one kind. The full range of 8 and 16 bits stands for `maximum_cm` unless `unit` says otherwise. Pixels
    that are not measured (`invalid`, NaN, infinite) count in no loss and no metric. A set whose largest depth is below
    0.5 cm or 1/40 of maximum_cm (the smaller of the two), or above twice maximum_cm, is an error.

    Images are turned upright by their EXIF orientation, unless the targets of the set fit them only as they are stored.
    Grey, palettes and CMYK become RGB; an alpha channel is dropped where all is opaque, and an error where not. Files
    of more than 8 bits are scaled by `window`; files of several pages need `page`.

    Args:
        root (str): the folder. Default "data/folder".
        task (str): segmentation or depth. Default "segmentation".
        classes (list[str]): names by class number, the background first; unused by depth. Default
            ["background", "foreground"].
        masks (str): what a mask's pixels mean: auto; threshold (grey levels above half of the range, or above
            `threshold`, are class 1); index (a pixel holds its class number, 255 is void); palette (the same of files
            with a palette, all others are errors); colours (as `colours` says); alpha (as threshold, of the alpha
            channel); or outline (closed lines, that are filled). Default "auto".
        maximum_cm (float): largest depth in cm, by which the learner scales, above 0; unused by segmentation. Default
            20.
        invert (bool): of depth: near is bright; of two classes: exchange them, as white is outside of the object.
            Default False.
        size (int | list[int]): pixels that the learner sees, one number or [height, width]. Default 256.
        csv (str | None): the file, absolute or relative to `root` or to the working folder; or a pattern such as
            "*.csv" for one table a split, of which train.csv, val.csv and test.csv say it by their names. Default
            None: folders are read.
        groups (str): auto; none, each image for itself; folder, a group for each folder of images; video, for the
            images of one folder whose names differ in the last number alone; or a regular expression with one group
            that names it, such as "(patient\\d+)_". auto is as video, but only for names whose neighbours are
            near-duplicates by the rule of `check` (up to 128 pairs are looked at), and each image for itself
            otherwise; a single video is cut where its scene changes. A column group of the CSV always counts.
            Default "auto".
        validation (float): fraction of the groups, in (0, 1). Default 0.1.
        test (float): the same for the test split. Default 0.2.
        evaluate_at (str): compare test predictions at the targets' own size (native) or at `size` (resized). Default
            "auto": native.
        images (str | None): where the images are, a folder or a pattern such as "*/Original/*.png", absolute or
            relative to `root`; what its wildcards stand for is the id. Default None: the usual folders.
        targets (str | None): the same of the masks or depth maps; none: there are none yet, and people are asked for
            them (oracle.name=folder, budget.validation, budget.test). Default None: the usual folders.
        several_masks (str): of two classes, where an image has several masks (x_1.png and x_2.png for x.png): refuse,
            or union for what any of them marks. Default "refuse".
        split_seed (int): draws other splits; the seed of the experiment does not. Default 2021.
        threshold (float | None): of two classes: numbers above are class 1. Default None: above half of the range.
        foreground (list[int] | None): of two classes: stored numbers, or indices of a palette, that are class 1; all
            others are class 0. Default None.
        void (list[int]): stored numbers that count in no loss and no metric, beside 255 among class numbers. Default
            [].
        colours (dict[str, list[int]] | None): [red, green, blue] for the name of each class, and of void; any other
            colour is an error. Default None.
        allow_missing_classes (bool): train although a class is in no mask. Default False.
        unit (str): of depth: mm, cm or m, of a file's numbers times `scale`; auto for the full range of 8 or 16 bits as
            maximum_cm. Default "auto".
        scale (float): of depth: see unit. Default 1.
        invalid (list[float]): numbers of depth files that mean not measured, such as [0]. Default [].
        page (int | None): of images and targets in files of several pages: which, from 1. Default None: such files
            are errors.
        window (str | list[int | float]): [low, high]: the numbers that become black and white in images of more than 8
            bits; auto for the percentiles 0.5 and 99.5 of up to 200 images. Default "auto".
        title (str | None): what reports call the set. Default None: the name of the folder `root`.

    Raises:
        FileNotFoundError: a folder or the CSV is missing.
        DataError: anything in them that contradicts the above.
    """
    shown = height_width(size)
    if task == "segmentation" and (len(classes) < 2 or len(set(classes)) != len(classes)):
        raise DataError(f"classes={classes}: expected at least two different names, the background first")
    mask_options = MaskOptions(masks, threshold, foreground, void, colours, invert, allow_missing_classes, page)
    if task == "segmentation":
        mask_options.how(tuple(classes))
        check_unused(task, {"unit": (unit, "auto"), "scale": (scale, 1.0), "invalid": (invalid, [])})
    else:
        given = {"masks": (masks, "auto"), "threshold": (threshold, None), "foreground": (foreground, None)}
        check_unused(task, given | {"void": (void, []), "colours": (colours, None)})
    if task == "depth" and not 0 < maximum_cm < float("inf"):
        raise DataError(f"maximum_cm={maximum_cm}: expected a depth above 0")
    if csv and (images or targets):
        raise DataError("dataset.options.csv names the files already; unset dataset.options.images and .targets")
    base = Path(os.path.abspath(os.path.expanduser(root)))
    if targets == NO_TARGETS:
        listing = read_unlabelled(base, task, images)
    else:
        listing = read_tables(csv, base, task) if csv else read_folders(base, task, images, targets)
    check_names(listing.ids, listing.images)
    union_notes = check_several(listing.further, several_masks, 0 if task == "depth" else len(classes))
    depth = DepthOptions(maximum_cm, unit, scale, invalid, invert)
    what = depth if task == "depth" else tuple(classes)
    found = meaning(listing.images, listing.targets, listing.further, what, mask_options, page, window)
    keys, group_notes = group_keys(listing.ids, listing.images, listing.groups, groups, found.images.decode)
    if groups == "auto" and listing.splits:
        keys, notes = within_splits(keys, listing.splits, listing.groups)
        group_notes += notes
    elif groups == "auto" and not any(listing.groups):
        group_notes += folders_apart(listing.ids, keys)
    remedy = "add images, or name the splits in a column split of a CSV"
    if groups == "auto" and group_notes:
        remedy = f"{remedy}, or set dataset.options.groups=none to draw frames one by one"
    if targets == NO_TARGETS:  # what people are asked for is drawn by the run
        splits, split_notes = unlabelled(listing)
    else:
        splits, split_notes = draw(listing, keys, validation, test, split_seed, str(base), remedy)
    pool, held_out, tested = (np.flatnonzero(np.array(splits) == split) for split in SPLITS)
    dataset = DenseDataset(
        name="folder",
        task=Task("depth", (), maximum_cm) if task == "depth" else Task("segmentation", tuple(classes)),
        ids=tuple(listing.ids),
        images=tuple(listing.images),
        targets=tuple(listing.targets),
        pool=pool,
        validation=held_out,
        test=tested,
        size=shown,
        decode_target=one_target(found.decode, listing.further),
        evaluate_at=evaluation(evaluate_at, "clean"),
        facts={
            "title": title or base.name,
            "groups": len(set(keys)),
            "pool_images_without_target": sum(listing.targets[row] is None for row in pool),
            "left_out": splits.count(NONE),
            **found.facts,
        },
        groups=tuple(keys),
        notes=(*found.notes, *listing.notes, *union_notes, *group_notes, *split_notes),
        image_reading=found.images,
        drawn=tuple(split_notes),
    )
    if dataset.has_targets:
        check_held_out(dataset)
    return dataset
