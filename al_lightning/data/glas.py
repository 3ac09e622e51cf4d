"""GlaS (Sirinukunwattana et al. 2017): glands in colon histology, with object numbers for the object metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from al_lightning.data.base import DataError, DenseDataset, two_numbers
from al_lightning.data.decoders import object_foreground
from al_lightning.data.decoders import object_map as decode_objects
from al_lightning.data.files import find_images, pair, read_table, remedy, stems
from al_lightning.data.splits import SPLIT_SEED, Evaluation, draw_groups, evaluation, share
from al_lightning.types import Task

SOURCE = "https://warwick.ac.uk/fac/cross_fac/tia/data/glascontest/"
PARTS = {"A": ("testA",), "B": ("testB",), "both": ("testA", "testB")}


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
    one folder. A mask holds the number of the gland at each pixel; the learner sees gland or not, and
    `decode_objects` gives the numbers to the object metrics, of the whole test set and of its parts A and B apart.

    Args:
        root: the folder.
        size: pixels that the learner sees, one number or [height, width].
        part: test part, A, B or both.
        validation: fraction of the training images, 5 % in Yang et al. 2017.
        validation_by: draw single images as they did, or whole patients, which Grade.csv names.
        evaluate_at: test at the masks' own size or at `size`; auto is native.

    Raises:
        FileNotFoundError: the folder, or Grade.csv where it is needed, is missing.
        DataError: images of a part are missing, or an image has no mask.
    """
    folder = Path(root)
    help_ = remedy(folder, SOURCE)
    files = {path.stem: path for path in find_images(folder, help_, r"^(train|testA|testB)_\d+(_anno)?$", True)}
    images: list[Path] = []
    for prefix in ("train", *PARTS[part]):
        images += find_images(folder, help_, rf"^{prefix}_\d+$", recursive=True)
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
    count = share("validation", validation, train)
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
        size=two_numbers(size),
        decode_target=object_foreground,
        decode_objects=decode_objects,
        part_of={row: ids[row][4] for row in range(train, len(ids))} if parts else {},
        evaluate_at=where,
        facts=facts,
    )


def read_patients(folder: Path) -> dict[str, str] | None:
    """name -> patient from Grade.csv, or None where there is no such file."""
    path = next((p for p in sorted(folder.rglob("*.csv")) if p.name.lower() == "grade.csv"), None)
    if path is None:
        return None
    columns, rows = read_table(path)
    if not {"name", "patient ID"} <= set(columns):
        raise DataError(f"{path}: expected the columns name and patient ID; take the published file")
    return {row["name"]: row["patient ID"] for row in rows}


__all__ = ["decode_objects", "glas"]
