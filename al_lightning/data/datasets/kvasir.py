"""Kvasir-SEG (Jha et al. 2020) with the sessile-196 test set of the papers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from al_lightning.core.arrays import Rows
from al_lightning.core.task import Task
from al_lightning.data.dataset import DataError, DatasetInfo, DenseDataset
from al_lightning.data.download import download as fetch
from al_lightning.data.files import by_stem, find_images, pair, stems
from al_lightning.data.options import Evaluation, ProtocolName, evaluation, height_width
from al_lightning.data.reading import binary_mask
from al_lightning.data.splits import SPLIT_SEED

INFO = DatasetInfo(
    title="Kvasir-SEG and its sessile sibling",
    source="https://datasets.simula.no/kvasir-seg",
    licence="research and educational purposes only; commercial use needs a prior written permission",
    citation="Jha et al.: Kvasir-SEG: A segmented polyp dataset. MultiMedia Modeling 2020",
    layout="""\
Kvasir-SEG/images/<id>.jpg
Kvasir-SEG/masks/<id>.jpg
sessile-main-Kvasir-SEG/images/<id>.jpg    test images
sessile-main-Kvasir-SEG/masks/<id>.jpg""",
)
FOLDERS = ("images", "masks")
URL = "https://datasets.simula.no/downloads/kvasir-seg.zip"
URL_SESSILE = "https://datasets.simula.no/downloads/kvasir-sessile.zip"
DIGEST = "8ebef7947f52ca309c2d5586f0dc8a14906c4fafc3183afeded6832df7e9344e"
DIGEST_SESSILE = "667f566d9ac4f75c280d5d57b91d79cf10479868767f7ca301763778d6235c06"

TWINS = ("cju8amfdtqi4x09871tygrgqe",)
"""Images that show the frame of a test image under another name (here cju886ryxnsl50801r93jai7q), found by
`al-lightning check`; `clean` takes them out too."""


def kvasir(
    root: str = "data/Kvasir-SEG",
    size: int | list[int] = 256,
    protocol: ProtocolName = "clean",
    sessile: str | None = None,
    validation: int = 100,
    evaluate_at: Evaluation = "auto",
    download: bool = False,
) -> DenseDataset:
    """1,000 colonoscopy images: 900 pool, 100 validation; test on the 196 of sessile-Kvasir-SEG.

    All 196 test images are among the 1,000. `clean` takes their names out of pool and validation, and the one image
    that shows a test frame under another name, which leaves 803; `paper` leaves them in, as both papers did, and the
    results carry the overlap.

    Args:
        root (str): the folder as published, with images/ and masks/ of equal names. Default "data/Kvasir-SEG".
        size (int | list[int]): pixels that the learner sees, one number or [height, width]. Default 256.
        protocol (str): clean or paper. Default "clean".
        sessile (str | None): the folder of the 196. Default None: `sessile-main-Kvasir-SEG` beside root.
        validation (int): number of images drawn for validation from the sorted names. Default 100.
        evaluate_at (str): compare test predictions at the masks' own size (native) or at `size` (resized). Default
            "auto": native for clean, resized for paper.
        download (bool): fetch what is missing and verify a digest of the contents. Default False.

    Raises:
        FileNotFoundError: a folder is missing, or cannot be downloaded.
        DataError: a folder is empty, an image has no mask, or what was downloaded is not what was published.
    """
    folder = Path(root)
    test_folder = Path(sessile) if sessile else folder.parent / "sessile-main-Kvasir-SEG"
    remedy = (
        f"put the published folders at {folder} and {test_folder} (see {INFO.source}), "
        "or name them with dataset.options.root and dataset.options.sessile, or set "
        "dataset.options.download=true; to run the same experiment on the built-in set: dataset.name=synthetic"
    )
    if download:
        for target, url, digest in ((folder, URL, DIGEST), (test_folder, URL_SESSILE, DIGEST_SESSILE)):
            if not all((target / name).is_dir() for name in FOLDERS):
                fetch(url, target, FOLDERS, digest, remedy)
    return read_layout("kvasir", folder, test_folder, size, protocol, validation, evaluate_at, remedy)


def read_layout(
    name: str,
    folder: Path,
    test_folder: Path,
    size: int | list[int],
    protocol: ProtocolName,
    validation: int | Iterable[str],
    evaluate_at: Evaluation,
    remedy: str,
) -> DenseDataset:
    """Any dataset in the layout of Kvasir-SEG and its sessile sibling.

    Args:
        name (str): of the dataset.
        folder (Path): holds images/ and masks/ of pool and validation.
        test_folder (Path): the same of the test set.
        size (int | list[int]): as for `kvasir`; so are protocol and evaluate_at.
        validation (int | Iterable[str]): how many images to draw for validation, or their ids.
        remedy (str): the end of an error's message.

    Raises:
        FileNotFoundError: a folder is missing.
        DataError: a folder is empty, an image has no mask, or `validation` leaves no pool.
    """
    train, train_masks = _read_folder(folder, remedy)
    test, test_masks = _read_folder(test_folder, remedy)
    names = stems(train)
    if isinstance(validation, int):
        if not 0 < validation < len(names):
            raise DataError(
                f"validation={validation}: expected between 1 and {len(names) - 1}, as {folder} holds "
                f"{len(names)} images"
            )
        drawn = np.random.default_rng(SPLIT_SEED).permutation(len(names))[:validation]
        held_out = {names[i] for i in drawn}
    else:
        held_out = set(validation)
    tested = set(stems(test))
    in_validation = np.array([stem in held_out for stem in names])
    overlapping = np.array([stem in tested for stem in names])
    twin = np.isin(names, TWINS)
    keep = ~(overlapping | twin) if protocol == "clean" else np.ones(len(names), dtype=bool)
    pool: Rows = np.flatnonzero(~in_validation & keep)
    facts: dict[str, Any] = {
        "test_names_in_pool": int((overlapping & ~in_validation & keep).sum()),
        "test_names_in_validation": int((overlapping & in_validation & keep).sum()),
        "removed_from_pool": int((overlapping & ~in_validation & ~keep).sum()),
        "removed_from_validation": int((overlapping & in_validation & ~keep).sum()),
    }
    return DenseDataset(
        name=name,
        task=Task("segmentation", ("background", "polyp")),
        # A name can occur in both folders; the prefix keeps ids unique.
        ids=(*names, *(f"test/{stem}" for stem in stems(test))),
        images=(*train, *test),
        targets=(*train_masks, *test_masks),
        pool=pool,
        validation=np.flatnonzero(in_validation & keep),
        test=np.arange(len(train), len(train) + len(test)),
        size=height_width(size),
        decode_target=binary_mask,
        evaluate_at=evaluation(evaluate_at, protocol),
        protocol=protocol,
        facts=facts,
    )


def _read_folder(folder: Path, remedy: str) -> tuple[list[Path], list[Path]]:
    """Images and masks in the plain order of their names, on which the drawn validation images depend."""
    images = find_images(folder / "images", remedy, order="name")
    masks = by_stem(find_images(folder / "masks", remedy, order="name"))
    return images, pair(images, stems(images), masks, folder / "masks")
