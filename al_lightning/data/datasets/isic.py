"""ISIC 2017, part 1 (Codella et al. 2018): skin lesions in dermoscopy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from al_lightning.core.task import Task
from al_lightning.data.dataset import DatasetInfo, DenseDataset
from al_lightning.data.files import by_stem, find_images, locate, pair, remedy_for, stems
from al_lightning.data.options import Evaluation, ProtocolName, evaluation, height_width
from al_lightning.data.reading import binary_mask
from al_lightning.data.splits import SPLIT_SEED, draw_groups, split_count

INFO = DatasetInfo(
    title="ISIC 2017, part 1: lesion segmentation",
    source="https://challenge.isic-archive.com/data/#2017",
    licence="see the source",
    citation="Codella et al.: Skin lesion analysis toward melanoma detection: A challenge at the 2017 International "
    "Symposium on Biomedical Imaging. ISBI 2018",
    layout="""\
ISIC-2017_{Training,Validation,Test_v2}_Data/ISIC_<n>.jpg
ISIC-2017_{Training,Validation,Test_v2}_Part1_GroundTruth/ISIC_<n>_segmentation.png""",
)
GORRIZ = (192, 240)
"""(H, W) of Gorriz et al. 2017."""


def isic2017(
    root: str = "data/ISIC2017",
    size: int | list[int] | None = None,
    protocol: ProtocolName = "clean",
    held_out: float = 0.2,
    evaluate_at: Evaluation = "auto",
) -> DenseDataset:
    """Dermoscopic images with lesion masks: 2,000 training, 150 validation, 600 test.

    Layout: `ISIC-2017_{Training,Validation,Test_v2}_Data/ISIC_<n>.jpg` (beside `_superpixels.png`, which are
    left out) and `ISIC-2017_{...}_Part1_GroundTruth/ISIC_<n>_segmentation.png`, each folder in `root`.

    `clean` is the official split. `paper` is that of Gorriz et al. 2017: 1,600 of the training images are the
    pool and 400 the test set. Their list is not published, so the 400 are drawn here with a fixed seed; they
    name no validation set, so the official one serves, and the official test set is not read.

    Args:
        root (str): the folder that holds the published folders. Default "data/ISIC2017".
        size (int | list[int] | None): pixels that the learner sees, one number or [height, width]. Default None:
            [192, 240].
        protocol (str): clean or paper. Default "clean".
        held_out (float): fraction of the training images, in (0, 1), that `paper` tests on. Default 0.2.
        evaluate_at (str): compare test predictions at the masks' own size (native) or at `size` (resized). Default
            "auto": native for clean, resized for paper.

    Raises:
        FileNotFoundError: a folder is missing.
        DataError: a folder is empty, or an image has no mask.
    """
    published = ("Training", "Validation") if protocol == "paper" else ("Training", "Validation", "Test_v2")
    folder, _ = locate(Path(root), [f"ISIC-2017_{split}_Data" for split in published])
    remedy = remedy_for(Path(root), INFO.source)
    ids: list[str] = []
    images: list[Path] = []
    targets: list[Path] = []
    ends = [0]
    for split in published:
        truth = folder / f"ISIC-2017_{split}_Part1_GroundTruth"
        found = find_images(folder / f"ISIC-2017_{split}_Data", remedy, r"^ISIC_\d+$", recursive=True)
        masks = by_stem(find_images(truth, remedy, r"^ISIC_\d+_segmentation$", recursive=True))
        names = stems(found)
        images += found
        targets += pair(found, [f"{name}_segmentation" for name in names], masks, truth)
        ids += [f"{split.removesuffix('_v2').lower()}/{name}" for name in names]
        ends.append(len(ids))
    training, validation = np.arange(ends[1]), np.arange(ends[1], ends[2])
    if protocol == "paper":
        count = split_count("held_out", held_out, len(training))
        drawn = draw_groups(range(len(training)), count, np.random.default_rng(SPLIT_SEED), str(folder))
        pool, test = training[~drawn], training[drawn]
    else:
        pool, test = training, np.arange(ends[2], ends[3])
    names = [name.split("/")[1] for name in ids]
    pooled = {names[i] for i in pool}
    return DenseDataset(
        name="isic2017",
        task=Task("segmentation", ("background", "lesion")),
        ids=tuple(ids),
        images=tuple(images),
        targets=tuple(targets),
        pool=pool,
        validation=validation,
        test=test,
        size=GORRIZ if size is None else height_width(size),
        decode_target=binary_mask,
        evaluate_at=evaluation(evaluate_at, protocol),
        protocol=protocol,
        facts={
            "test_names_in_pool": sum(names[i] in pooled for i in test),
            "validation_names_in_pool": sum(names[i] in pooled for i in validation),
        },
    )
