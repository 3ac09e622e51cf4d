"""BDD100K (Yu et al. 2020), the 10K images with semantic labels: road scenes with the 19 classes of Cityscapes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from al_lightning.core.task import Task
from al_lightning.data.dataset import DatasetInfo, DenseDataset
from al_lightning.data.datasets.cityscapes import CLASSES, split_training
from al_lightning.data.files import find_images, locate, pair, remedy_for, stems
from al_lightning.data.options import Evaluation, evaluation, height_width
from al_lightning.data.reading import class_map

INFO = DatasetInfo(
    title="BDD100K, semantic segmentation of the 10K images",
    source="https://doc.bdd100k.com/download.html",
    licence="Copyright 2018 The Regents of the University of California: educational, research and not-for-profit use; "
    "the full text is at https://doc.bdd100k.com/license.html",
    citation="Yu et al.: BDD100K: A diverse driving dataset for heterogeneous multitask learning. CVPR 2020",
    layout="""\
images/10k/{train,val}/<name>.jpg
labels/sem_seg/masks/{train,val}/<name>.png     train ids of Cityscapes
or the older
seg/images/{train,val}/<name>.jpg
seg/labels/{train,val}/<name>_train_id.png""",
)
LAYOUTS = (("images/10k", "labels/sem_seg/masks"), ("seg/images", "seg/labels"))


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
    drawn from train; names with the same text before the dash (one video) stay together.

    Args:
        root (str): the folder that holds images and labels, or seg. Default "data/bdd100k".
        size (int | list[int] | None): pixels that the learner sees, one number or [height, width]. Default None:
            [360, 640].
        validation (float): fraction of the training images, in (0, 1), met as nearly as whole videos allow. Default
            0.1.
        evaluate_at (str): compare test predictions at the labels' own size (native) or at `size` (resized). Default
            "auto": native.

    Raises:
        FileNotFoundError: a folder is missing.
        DataError: an image has no labels.
    """
    folder, (image_folder, label_folder) = locate(Path(root), *LAYOUTS)
    remedy = remedy_for(Path(root), INFO.source)
    ids: list[str] = []
    images: list[Path] = []
    targets: list[Path] = []
    train = 0
    for split in ("train", "val"):
        truth = folder / label_folder / split
        found = find_images(folder / image_folder / split, remedy)
        labels = {path.stem.removesuffix("_train_id"): path for path in find_images(truth, remedy)}
        names = stems(found)
        ids += [f"{split}/{name}" for name in names]
        images += found
        targets += pair(found, names, labels, truth, "label image")
        train = train or len(ids)
    videos = [name.split("-")[0] for name in ids[:train]]
    pool, held_out = split_training(videos, validation, "bdd100k")
    return DenseDataset(
        name="bdd100k",
        task=Task("segmentation", CLASSES),
        ids=tuple(ids),
        images=tuple(images),
        targets=tuple(targets),
        pool=pool,
        validation=held_out,
        test=np.arange(train, len(ids)),
        size=(360, 640) if size is None else height_width(size),
        decode_target=partial(class_map, classes=len(CLASSES)),
        evaluate_at=evaluation(evaluate_at, "clean"),
        facts={"validation_videos": len({videos[row] for row in held_out})},
    )
