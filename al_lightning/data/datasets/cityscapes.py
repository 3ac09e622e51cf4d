"""Cityscapes (Cordts et al. 2016): road scenes with 19 classes; `data.datasets.bdd100k` shares them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Rows
from al_lightning.core.task import IGNORE, Task
from al_lightning.data.dataset import DatasetInfo, DenseDataset
from al_lightning.data.files import find_images, locate, pair, remedy_for, stems
from al_lightning.data.options import Evaluation, evaluation, height_width
from al_lightning.data.reading import class_map, index_map
from al_lightning.data.splits import SPLIT_SEED, draw_groups, split_count

INFO = DatasetInfo(
    title="Cityscapes, fine annotations",
    source="https://www.cityscapes-dataset.com/downloads/",
    licence="see the source",
    citation="Cordts et al.: The Cityscapes dataset for semantic urban scene understanding. CVPR 2016",
    layout="""\
leftImg8bit/{train,val}/<city>/<city>_<seq>_<frame>_leftImg8bit.png
gtFine/{train,val}/<city>/<city>_<seq>_<frame>_gtFine_labelTrainIds.png    train ids, or
gtFine/{train,val}/<city>/<city>_<seq>_<frame>_gtFine_labelIds.png         label ids
gtFine/{train,val}/<city>/<city>_<seq>_<frame>_gtFine_polygons.json        optional, for clicks""",
)
CLASSES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"),
    *("terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Label id of each class in `_labelIds.png` (cityscapesScripts, helpers/labels.py); the other ids are void."""
TRAIN_IDS: NDArray[np.uint8] = np.full(256, IGNORE, dtype=np.uint8)
"""Label id -> class index."""
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
        root (str): the folder that holds leftImg8bit and gtFine. Default "data/cityscapes".
        size (int | list[int] | None): pixels that the learner sees, one number or [height, width]. Default None:
            [512, 1024].
        validation (float): fraction of the training images, in (0, 1), met as nearly as whole cities allow. Default
            0.1.
        evaluate_at (str): compare test predictions at the labels' own size (native) or at `size` (resized). Default
            "auto": native.

    Raises:
        FileNotFoundError: a folder is missing.
        DataError: an image has no labels, or there is only one training city.
    """
    folder, _ = locate(Path(root), ["leftImg8bit", "gtFine"])
    remedy = remedy_for(Path(root), INFO.source)
    ids: list[str] = []
    images: list[Path] = []
    targets: list[Path] = []
    train = 0
    for split in ("train", "val"):
        truth = folder / "gtFine" / split
        found = find_images(folder / "leftImg8bit" / split, remedy, f"{IMAGE}$", recursive=True)
        files = find_images(truth, remedy, "_gtFine_label(Train)?Ids$", recursive=True)
        labels = {path.stem.removesuffix(LABEL_ID_FILE): path for path in files}
        # Where both are there, train ids replace label ids.
        labels |= {path.stem.removesuffix(TRAIN_ID_FILE): path for path in files}
        names = [name.removesuffix(IMAGE) for name in stems(found)]
        ids += names
        images += found
        targets += pair(found, names, labels, truth, "label image")
        train = train or len(ids)
    cities = [name.split("_")[0] for name in ids[:train]]
    pool, held_out = split_training(cities, validation, "cityscapes")
    return DenseDataset(
        name="cityscapes",
        task=Task("segmentation", CLASSES),
        ids=tuple(ids),
        images=tuple(images),
        targets=tuple(targets),
        pool=pool,
        validation=held_out,
        test=np.arange(train, len(ids)),
        size=(512, 1024) if size is None else height_width(size),
        decode_target=decode_cityscapes,
        polygons=polygon_file,
        evaluate_at=evaluation(evaluate_at, "clean"),
        facts={"validation_cities": len({cities[row] for row in held_out})},
    )


def split_training(groups: Sequence[str], validation: float, name: str) -> tuple[Rows, Rows]:
    """(pool, validation) rows of the first len(groups) images, validation in whole groups.

    Raises:
        DataError: the fraction is not in (0, 1), or there are fewer than two groups.
    """
    count = split_count("validation", validation, len(groups))
    held_out = draw_groups(groups, count, np.random.default_rng(SPLIT_SEED), f"{name}, train")
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def decode_cityscapes(path: Path) -> NDArray[np.uint8]:
    """(H, W) train ids 0 to 18 and 255; `_labelIds.png` files are mapped, all others hold train ids already.

    Raises:
        DataError: other values, or colours.
    """
    if path.stem.endswith("_labelIds"):
        labels: NDArray[np.uint8] = TRAIN_IDS[index_map(path)]
        return labels
    return class_map(path, len(CLASSES))


def polygon_file(target: Path) -> Path:
    """The file of the annotator's polygons beside a label image.

    Example:
        >>> polygon_file(Path("ulm_0_1_gtFine_labelIds.png")).name
        'ulm_0_1_gtFine_polygons.json'
    """
    stem = target.stem.removesuffix(LABEL_ID_FILE).removesuffix(TRAIN_ID_FILE)
    return target.with_name(f"{stem}_gtFine_polygons.json")
