"""GlaS (Sirinukunwattana et al. 2017): glands in colon histology, with object numbers for the object metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from al_lightning.core.task import Task
from al_lightning.data.dataset import DataError, DatasetInfo, DenseDataset
from al_lightning.data.files import by_stem, find_images, pair, read_table, remedy_for, stems
from al_lightning.data.options import Evaluation, evaluation, height_width
from al_lightning.data.reading import object_foreground, object_map
from al_lightning.data.splits import SPLIT_SEED, draw_groups, split_count

INFO = DatasetInfo(
    title="GlaS, the gland segmentation contest of MICCAI 2015 (Warwick-QU)",
    source="https://warwick.ac.uk/fac/cross_fac/tia/data/glascontest/",
    licence="research purposes only, no commercial use",
    citation="Sirinukunwattana et al.: Gland segmentation in colon histology images: The GlaS challenge contest. "
    "Medical Image Analysis 35, 2017",
    layout="""\
train_<i>.bmp, testA_<i>.bmp, testB_<i>.bmp    images
<name>_anno.bmp                                number of the gland at each pixel
Grade.csv                                      patients, optional""",
)
PREFIXES = {"A": ("testA",), "B": ("testB",), "both": ("testA", "testB")}
"""Test part -> how the names of its images begin."""


def glas(
    root: str = "data/Warwick QU Dataset (Released 2016_07_08)",
    size: int | list[int] = 256,
    part: Literal["A", "B", "both"] = "both",
    validation: float = 0.05,
    validation_by: Literal["image", "patient"] = "image",
    evaluate_at: Evaluation = "auto",
) -> DenseDataset:
    """85 training images (pool and validation), 60 of test part A, 20 of part B.

    Layout: `train_<i>.bmp`, `testA_<i>.bmp`, `testB_<i>.bmp`, each with `<name>_anno.bmp`, and `Grade.csv`, in
    one folder. A mask holds the number of the gland at each pixel; the learner sees gland or not, and the object
    metrics get the numbers, of the whole test set and of its parts A and B apart.

    Args:
        root (str): the folder. Default "data/Warwick QU Dataset (Released 2016_07_08)".
        size (int | list[int]): pixels that the learner sees, one number or [height, width]. Default 256.
        part (str): test part, A, B or both. Default "both".
        validation (float): fraction of the training images, in (0, 1); 0.05 in Yang et al. 2017. Default 0.05.
        validation_by (str): draw single images, as Yang et al. 2017 did (image), or whole patients, which Grade.csv
            names (patient). Default "image".
        evaluate_at (str): compare test predictions at the masks' own size (native) or at `size` (resized); objects
            are scored at native alone. Default "auto": native.

    Raises:
        FileNotFoundError: the folder, or Grade.csv where it is needed, is missing.
        DataError: images of a test part are missing, or an image has no mask.
    """
    folder = Path(root)
    remedy = remedy_for(folder, INFO.source)
    files = by_stem(find_images(folder, remedy, r"^(train|testA|testB)_\d+(_anno)?$", recursive=True))
    images: list[Path] = []
    for prefix in ("train", *PREFIXES[part]):
        images += find_images(folder, remedy, rf"^{prefix}_\d+$", recursive=True)
    ids = stems(images)
    targets = pair(images, [f"{name}_anno" for name in ids], files, folder)
    train = sum(name.startswith("train") for name in ids)
    patients = read_patients(folder)
    if validation_by == "patient" and patients is None:
        raise FileNotFoundError(
            f"{folder / 'Grade.csv'}: no such file, which names the patients; add it, or set "
            "dataset.options.validation_by=image"
        )
    of = [(patients or {}).get(name, f"? {name}") for name in ids]
    groups: list[Any] = of[:train] if validation_by == "patient" else list(range(train))
    count = split_count("validation", validation, train)
    held_out = draw_groups(groups, count, np.random.default_rng(SPLIT_SEED), str(folder))
    pool = np.flatnonzero(~held_out)
    facts: dict[str, Any] = {}
    if patients is not None:
        in_pool = {of[i] for i in pool}
        facts["test_images_with_patient_in_pool"] = sum(name in in_pool for name in of[train:])
        facts["validation_images_with_patient_in_pool"] = sum(of[i] in in_pool for i in np.flatnonzero(held_out))
    where = evaluation(evaluate_at, "clean")
    parts = ("A", "B") if part == "both" and where == "native" else ()
    return DenseDataset(
        name="glas",
        task=Task("segmentation", ("background", "gland"), objects=where == "native", parts=parts),
        ids=tuple(ids),
        images=tuple(images),
        targets=tuple(targets),
        pool=pool,
        validation=np.flatnonzero(held_out),
        test=np.arange(train, len(ids)),
        size=height_width(size),
        decode_target=object_foreground,
        decode_objects=object_map,
        part_of={row: ids[row][4] for row in range(train, len(ids))} if parts else {},
        evaluate_at=where,
        facts=facts,
    )


def read_patients(folder: Path) -> dict[str, str] | None:
    """name -> patient from Grade.csv, or None where there is no such file.

    Raises:
        DataError: it lacks a column.
    """
    path = next((p for p in sorted(folder.rglob("*.csv")) if p.name.lower() == "grade.csv"), None)
    if path is None:
        return None
    columns, records = read_table(path)
    if not {"name", "patient ID"} <= set(columns):
        raise DataError(f"{path}: expected the columns name and patient ID; take the published file")
    return {record["name"]: record["patient ID"] for record in records}
