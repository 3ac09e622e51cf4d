"""Cityscapes (Cordts et al. 2016) and BDD100K (Yu et al. 2020): road scenes with 19 classes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from al_lightning.data.base import DenseDataset, two_numbers
from al_lightning.data.decoders import class_map, index_map
from al_lightning.data.files import find_images, locate, pair, remedy, stems
from al_lightning.data.splits import SPLIT_SEED, Evaluation, draw_groups, evaluation, share
from al_lightning.types import IGNORE, Rows, Task

CITYSCAPES = "https://www.cityscapes-dataset.com/downloads/"
BDD100K = "https://doc.bdd100k.com/download.html"
CLASSES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"),
    *("terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Label id of each class in `_labelIds.png` (cityscapesScripts, helpers/labels.py); the other ids are void."""
TRAIN_IDS: NDArray[np.uint8] = np.full(256, IGNORE, dtype=np.uint8)
TRAIN_IDS[list(LABEL_IDS)] = np.arange(len(CLASSES))
IMAGE, TRAIN_ID_FILE, LABEL_ID_FILE = "_leftImg8bit", "_gtFine_labelTrainIds", "_gtFine_labelIds"


def cityscapes(
    root: str = "data/cityscapes",
    size: int | list[int] | None = None,
    validation: float = 0.1,
    evaluate_at: Evaluation = "auto",
) -> DenseDataset:
    """2,975 training images of 18 cities (pool and validation) and the 500 of val as test, 1024 x 2048.

    Layout: `leftImg8bit/{train,val}/{city}/{city}_{seq:06}_{frame:06}_leftImg8bit.png` and
    `gtFine/{train,val}/{city}/..._gtFine_labelTrainIds.png`, or `..._gtFine_labelIds.png`, whose ids are mapped
    by the published table; where every image has `..._gtFine_polygons.json` beside it, clicks are its vertices. The
    labels of the published test split are hidden, so val is the test set, and
    validation is drawn from train, in whole cities, so that no street is on both sides.

    Args:
        root: the folder that holds leftImg8bit and gtFine.
        size: pixels that the learner sees, one number or [height, width]; [512, 1024] when left out.
        validation: fraction of the training images, met as nearly as whole cities allow.
        evaluate_at: test at the labels' own size or at `size`; auto is native.

    Raises:
        FileNotFoundError: a folder is missing.
        DataError: an image has no labels; there is only one training city.
    """
    folder, _ = locate(Path(root), ["leftImg8bit", "gtFine"])
    help_ = remedy(Path(root), CITYSCAPES)
    ids: list[str] = []
    images: list[Path] = []
    targets: list[Path] = []
    train = 0
    for split in ("train", "val"):
        truth = folder / "gtFine" / split
        found = find_images(folder / "leftImg8bit" / split, help_, f"{IMAGE}$", recursive=True)
        files = find_images(truth, help_, "_gtFine_label(Train)?Ids$", recursive=True)
        labels = {path.stem.removesuffix(LABEL_ID_FILE): path for path in files}
        # Where both are there, train ids replace label ids.
        labels |= {path.stem.removesuffix(TRAIN_ID_FILE): path for path in files}
        names = [name.removesuffix(IMAGE) for name in stems(found)]
        ids += names
        images += found
        targets += pair(found, names, labels, truth, "label image")
        train = train or len(ids)
    return _road_scenes(
        "cityscapes",
        (ids, images, targets),
        [name.split("_")[0] for name in ids[:train]],
        validation,
        (512, 1024) if size is None else two_numbers(size),
        evaluate_at,
        "cities",
    )


def bdd100k(
    root: str = "data/bdd100k",
    size: int | list[int] | None = None,
    validation: float = 0.1,
    evaluate_at: Evaluation = "auto",
) -> DenseDataset:
    """7,000 training images (pool and validation) and the 1,000 of val as test, 720 x 1280.

    Layouts: `images/10k/{train,val}/<name>.jpg` with `labels/sem_seg/masks/{train,val}/<name>.png`, or the older
    `seg/images/{train,val}/<name>.jpg` with `seg/labels/{train,val}/<name>_train_id.png`. Labels are the train
    ids of Cityscapes. Those of the published test split are hidden, so val is the test set, and validation is
    drawn from train; names with the same part before the dash stay together.

    Args:
        root: the folder that holds images and labels, or seg.
        size: pixels that the learner sees, one number or [height, width]; [360, 640] when left out.
        validation: fraction of the training images.
        evaluate_at: test at the labels' own size or at `size`; auto is native.

    Raises:
        FileNotFoundError: a folder is missing.
        DataError: an image has no labels.
    """
    layouts = (("images/10k", "labels/sem_seg/masks"), ("seg/images", "seg/labels"))
    folder, (image_part, label_part) = locate(Path(root), *layouts)
    help_ = remedy(Path(root), BDD100K)
    ids: list[str] = []
    images: list[Path] = []
    targets: list[Path] = []
    train = 0
    for split in ("train", "val"):
        truth = folder / label_part / split
        found = find_images(folder / image_part / split, help_)
        labels = {path.stem.removesuffix("_train_id"): path for path in find_images(truth, help_)}
        names = stems(found)
        ids += [f"{split}/{name}" for name in names]
        images += found
        targets += pair(found, names, labels, truth, "label image")
        train = train or len(ids)
    return _road_scenes(
        "bdd100k",
        (ids, images, targets),
        [name.split("-")[0] for name in ids[:train]],
        validation,
        (360, 640) if size is None else two_numbers(size),
        evaluate_at,
        "videos",
    )


def decode_cityscapes(path: Path) -> NDArray[np.uint8]:
    """(H, W) train ids 0 to 18 and 255; `_labelIds.png` files are mapped, all others hold train ids already."""
    if path.stem.endswith("_labelIds"):
        labels: NDArray[np.uint8] = TRAIN_IDS[index_map(path)]
        return labels
    return class_map(path, len(CLASSES))


def polygon_file(target: Path) -> Path:
    """a_gtFine_labelIds.png, a_gtFine_labelTrainIds.png -> a_gtFine_polygons.json."""
    stem = target.stem.removesuffix(LABEL_ID_FILE).removesuffix(TRAIN_ID_FILE)
    return target.with_name(f"{stem}_gtFine_polygons.json")


def _road_scenes(
    name: str,
    files: tuple[Sequence[str], Sequence[Path], Sequence[Path]],
    groups: Sequence[str],
    validation: float,
    size: tuple[int, int],
    evaluate_at: Evaluation,
    noun: str,
) -> DenseDataset:
    """The first len(groups) files are pool and validation, the rest test."""
    ids, images, targets = files
    count = share("validation", validation, len(groups))
    held_out = draw_groups(groups, count, np.random.default_rng(SPLIT_SEED), f"{name}, train")
    rows: Rows = np.arange(len(groups))
    return DenseDataset(
        name=name,
        task=Task("segmentation", CLASSES),
        ids=tuple(ids),
        images=tuple(images),
        targets=tuple(targets),
        pool=rows[~held_out],
        validation=rows[held_out],
        test=np.arange(len(groups), len(ids)),
        size=size,
        decode_target=decode_cityscapes if name == "cityscapes" else partial(class_map, classes=len(CLASSES)),
        polygons=polygon_file if name == "cityscapes" else None,
        evaluate_at=evaluation(evaluate_at, "clean"),
        facts={f"validation_{noun}": len({groups[i] for i in rows[held_out]})},
    )
