"""Kvasir-SEG (Jha et al. 2020) with the sessile-196 test set of the papers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from al_lightning.data.base import (
    DataError,
    DenseDataset,
    binary_mask,
    list_images,
    pair_by_stem,
    two_numbers,
)
from al_lightning.data.download import download as fetch
from al_lightning.data.splits import SPLIT_SEED
from al_lightning.types import Rows, Task

PARTS = ("images", "masks")
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
    protocol: Literal["clean", "paper"] = "clean",
    sessile: str | None = None,
    validation: int = 100,
    evaluate_at: Literal["auto", "native", "resized"] = "auto",
    download: bool = False,
) -> DenseDataset:
    """1,000 colonoscopy images: 900 pool, 100 validation; test on the 196 of sessile-Kvasir-SEG.

    All 196 test images are among the 1,000. `clean` takes their names out of pool and validation, and the one image
    that shows a test frame under another name, which leaves 803; `paper` leaves them in, as both papers did, and the
    results carry the overlap.

    Args:
        root: the folder as published, with images/ and masks/ of equal names.
        size: pixels that the learner sees, one number or [height, width].
        protocol: clean or paper.
        sessile: the folder of the 196; `sessile-main-Kvasir-SEG` beside root when left out.
        validation: images drawn for validation from the sorted names.
        evaluate_at: test at the masks' own size or at `size`; auto is native for clean, resized for paper.
        download: fetch what is missing and verify a digest of the contents.

    Raises:
        FileNotFoundError: a folder is missing.
        DataError: a folder is empty or an image has no mask.
    """
    folder = Path(root)
    test_folder = Path(sessile) if sessile else folder.parent / "sessile-main-Kvasir-SEG"
    remedy = (
        f"put the published folders at {folder} and {test_folder} (see https://datasets.simula.no/kvasir-seg), "
        "or name them with dataset.options.root and dataset.options.sessile, or set "
        "dataset.options.download=true; to run the same experiment on the built-in set: dataset.name=synthetic"
    )
    if download:
        for target, url, digest in ((folder, URL, DIGEST), (test_folder, URL_SESSILE, DIGEST_SESSILE)):
            if not all((target / part).is_dir() for part in PARTS):
                fetch(url, target, PARTS, digest, remedy)
    return read_layout("kvasir", folder, test_folder, size, protocol, validation, evaluate_at, remedy)


def read_layout(
    name: str,
    folder: Path,
    test_folder: Path,
    size: int | list[int],
    protocol: Literal["clean", "paper"],
    validation: int | Iterable[str],
    evaluate_at: Literal["auto", "native", "resized"],
    remedy: str,
) -> DenseDataset:
    """Any set in the layout of Kvasir-SEG and its sessile sibling; `validation` is a number or the ids."""
    train = list_images(folder / "images", remedy)
    test = list_images(test_folder / "images", remedy)
    targets = pair_by_stem(train, folder / "masks") + pair_by_stem(test, test_folder / "masks")
    stems = [path.stem for path in train]
    if isinstance(validation, int):
        if not 0 < validation < len(stems):
            raise DataError(
                f"validation={validation}: expected between 1 and {len(stems) - 1}, as {folder} holds "
                f"{len(stems)} images"
            )
        drawn = np.random.default_rng(SPLIT_SEED).permutation(len(stems))[:validation]
        held_out = {stems[i] for i in drawn}
    else:
        held_out = set(validation)
    tested = {path.stem for path in test}
    in_validation = np.array([stem in held_out for stem in stems])
    overlapping = np.array([stem in tested for stem in stems])
    twin = np.isin(stems, TWINS)
    keep = ~(overlapping | twin) if protocol == "clean" else np.ones(len(stems), dtype=bool)
    pool: Rows = np.flatnonzero(~in_validation & keep)
    facts: dict[str, Any] = {
        "test_names_in_pool": int((overlapping & ~in_validation & keep).sum()),
        "test_names_in_validation": int((overlapping & in_validation & keep).sum()),
        "removed_from_pool": int((overlapping & ~in_validation & ~keep).sum()),
        "removed_from_validation": int((overlapping & in_validation & ~keep).sum()),
    }
    if evaluate_at == "auto":
        evaluate_at = "native" if protocol == "clean" else "resized"
    return DenseDataset(
        name=name,
        task=Task("segmentation", ("background", "polyp")),
        # A name can occur in both folders; the prefix keeps ids unique.
        ids=(*stems, *(f"test/{path.stem}" for path in test)),
        images=(*train, *test),
        targets=tuple(targets),
        pool=pool,
        validation=np.flatnonzero(in_validation & keep),
        test=np.arange(len(train), len(train) + len(test)),
        size=two_numbers(size),
        decode_target=binary_mask,
        evaluate_at=evaluate_at,
        protocol=protocol,
        facts=facts,
    )
