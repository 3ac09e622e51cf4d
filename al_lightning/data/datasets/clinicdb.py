"""CVC-ClinicDB (Bernal et al. 2015): 612 frames of 29 colonoscopy sequences."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from al_lightning.core.task import Task
from al_lightning.data.dataset import DataError, DatasetInfo, DenseDataset
from al_lightning.data.files import by_stem, find_images, locate, pair, read_table, remedy_for, stems
from al_lightning.data.options import Evaluation, ProtocolName, evaluation, height_width
from al_lightning.data.pictures.tiff import layout
from al_lightning.data.reading import binary_mask, decoded, grey_levels
from al_lightning.data.splits import split_groups

INFO = DatasetInfo(
    title="CVC-ClinicDB",
    source="https://polyp.grand-challenge.org/CVCClinicDB/",
    licence="see the source",
    citation="Bernal et al.: WM-DOVA maps for accurate polyp highlighting in colonoscopy: Validation vs. saliency maps "
    "from physicians. Computerized Medical Imaging and Graphics 43, 2015",
    layout="""\
Original/<n>.tif        frames 1 to 612
Ground Truth/<n>.tif    masks
or the same two folders in PNG/ or TIF/, or
images/<n>.*
masks/<n>.*""",
)
MASKS = ("Ground Truth", "Ground_Truth", "GroundTruth")
LAYOUTS = (
    *((f"{kind}Original", f"{kind}{masks}") for kind in ("", "PNG/", "TIF/") for masks in MASKS),
    ("images", "masks"),
)
FIRST_FRAMES = (
    *(1, 26, 51, 68, 79, 104, 127, 152, 178, 200, 206, 228, 253, 278, 298),
    *(318, 343, 364, 384, 409, 429, 448, 467, 479, 504, 529, 547, 572, 592),
)
"""First frame of each sequence, from the table of the data set's page as `dataset-ninja/cvc-612` has it
(src/convert.py). `metadata.csv` of the PNG distribution holds a sequence_id for each frame."""
FRAMES = 612
HELD_OUT = {"s1": (100, 112), "s2": (55, 62)}
"""split -> (validation, test)."""
CUT = 20.0
"""Mean difference in grey levels between 16 x 16 thumbnails above which a new sequence starts: of random pairs
of Kvasir-SEG images 99 % differ by more, of consecutive frames of rendered colonoscopy none by more than 8."""


def clinicdb(
    root: str = "data/CVC-ClinicDB",
    size: int | list[int] = 256,
    protocol: ProtocolName = "clean",
    split: Literal["s1", "s2"] = "s1",
    sequences: str = "table",
    validation: int | None = None,
    test: int | None = None,
    evaluate_at: Evaluation = "auto",
) -> DenseDataset:
    """612 frames, 288 x 384, with polyp masks; frames of one sequence are near-duplicates.

    Layouts: `Original/<n>.tif` with `Ground Truth/<n>.tif` as published, the same two folders in `PNG/` or
    `TIF/`, or `images/` with `masks/`; the first of these that is there is read.

    `paper` draws frames at random, as Poudel et al. 2024 did (400 pool, 100 validation, 112 test) and Huang et al.
    2024 (550 and 62; a tenth of the 550 becomes validation, as they name none), so that nearly every test frame has
    neighbours in the pool. `clean` draws whole sequences to about the same numbers. The test frames of earlier
    work can be given to the loader `folder` in a CSV.

    Args:
        root (str): the folder that holds one of the layouts. Default "data/CVC-ClinicDB".
        size (int | list[int]): pixels that the learner sees, one number or [height, width]. Default 256.
        protocol (str): clean or paper. Default "clean".
        split (str): whose numbers of images: s1 (Poudel et al.) or s2 (Huang et al.). Default "s1".
        sequences (str): table (the published frame ranges), auto (cuts are found by thumbnails), or the path of a CSV
            with the columns frame and sequence (or frame_id and sequence_id, as metadata.csv has them). Default
            "table".
        validation (int | None): number of images. Default None: that of `split`.
        test (int | None): number of images. Default None: that of `split`.
        evaluate_at (str): compare test predictions at the masks' own size (native) or at `size` (resized). Default
            "auto": native for clean, resized for paper.

    Raises:
        FileNotFoundError: a folder or the CSV is missing.
        DataError: a folder is empty, an image has no mask, a TIFF is of a kind that cannot be read, or a frame
            has no sequence.
    """
    remedy = remedy_for(Path(root), INFO.source)
    folder, (original, truth) = locate(Path(root), *LAYOUTS)
    images = find_images(folder / original, remedy)
    masks = by_stem(find_images(folder / truth, remedy))
    ids = stems(images)
    targets = pair(images, ids, masks, folder / truth)
    check_tiffs([*images, *targets])
    known = sequences != "table" or all(_frame(name) is not None for name in ids)
    groups = sequences_of(images, ids, sequences) if known or protocol == "clean" else None
    default = HELD_OUT[split]
    pool, held_out, tested = split_groups(
        groups if groups is not None and protocol == "clean" else range(len(ids)),
        default[0] if validation is None else validation,
        default[1] if test is None else test,
        str(folder),
    )
    facts: dict[str, Any] = {"sequences_from": sequences if groups is not None else None}
    if groups is not None:
        of = np.array(groups)
        facts["sequences"] = len(set(groups))
        facts["test_frames_with_sequence_in_pool"] = int(np.isin(of[tested], of[pool]).sum())
        facts["validation_frames_with_sequence_in_pool"] = int(np.isin(of[held_out], of[pool]).sum())
    return DenseDataset(
        name="clinicdb",
        task=Task("segmentation", ("background", "polyp")),
        ids=tuple(ids),
        images=tuple(images),
        targets=tuple(targets),
        pool=pool,
        validation=held_out,
        test=tested,
        size=height_width(size),
        decode_target=binary_mask,
        evaluate_at=evaluation(evaluate_at, protocol),
        protocol=protocol,
        facts=facts,
    )


def sequences_of(images: Sequence[Path], ids: Sequence[str], source: str) -> list[int | str]:
    """The sequence of each frame.

    Args:
        images (Sequence[Path]): (n,) the frames.
        ids (Sequence[str]): (n,) their names.
        source (str): as the option `sequences`.

    Raises:
        FileNotFoundError: the CSV is missing.
        DataError: a frame is not in the published table, or not in the CSV.

    Example:
        >>> sequences_of([Path("25.tif"), Path("26.tif")], ["25", "26"], "table")
        [1, 2]
    """
    if source == "auto":
        return [*cut_sequences(images)]
    if source == "table":
        frames = [_frame(name) for name in ids]
        if None in frames:
            raise DataError(
                f"{images[frames.index(None)]}: the published table knows frames 1 to {FRAMES} by number; set "
                "dataset.options.sequences=auto, or to a CSV with the columns frame and sequence"
            )
        return [bisect_right(FIRST_FRAMES, frame) for frame in frames if frame is not None]
    table = read_sequences(Path(source))
    missing = [name for name in ids if name not in table]
    if missing:
        raise DataError(f"{source}: no sequence for frame {missing[0]!r} ({len(missing)} of {len(ids)}); add them")
    return [table[name] for name in ids]


def read_sequences(path: Path) -> dict[str, str]:
    """frame (its name, with or without suffix) -> sequence, from a CSV.

    Raises:
        FileNotFoundError: the file is missing.
        DataError: a column is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"dataset.options.sequences={str(path)!r}: no such file; expected table, auto or the path of a CSV"
        )
    columns, records = read_table(path)
    frame = next((c for c in ("frame", "frame_id") if c in columns), None)
    sequence = next((c for c in ("sequence", "sequence_id") if c in columns), None)
    if frame is None or sequence is None:
        raise DataError(f"{path}: columns {columns}; expected frame and sequence, or frame_id and sequence_id")
    return {Path(record[frame]).stem: record[sequence] for record in records}


def cut_sequences(images: Sequence[Path]) -> list[int]:
    """Number the sequences of frames in order: a cut is a thumbnail that differs by more than `CUT`.

    A missed cut joins two sequences, which no split can then separate: that leaks nothing.

    Raises:
        DataError: a frame cannot be read.
    """

    def thumbnail(path: Path) -> Any:
        small = Image.fromarray(grey_levels(path)).resize((16, 16), Image.Resampling.BOX)
        return np.asarray(small, dtype=np.float32)

    small = np.stack([decoded(path, thumbnail) for path in images])
    cuts = np.abs(np.diff(small, axis=0)).mean(axis=(1, 2)) > CUT
    return [0, *np.cumsum(cuts).tolist()]


def check_tiffs(files: Sequence[Path]) -> None:
    """Refuse, from the headers alone, TIFFs that are not read as they are meant.

    Grey, palette and RGB of at most 8 bits a sample are read, interleaved or planar, uncompressed or packed by any
    codec of Pillow (LZW, Deflate, PackBits, CCITT, JPEG); also RGB that is tagged grey, as the set is published.

    Raises:
        DataError: another kind.
    """
    for path in files:
        if path.suffix.lower() not in (".tif", ".tiff"):
            continue
        advice = f"convert {path.parent} to 8-bit PNG (for example: magick mogrify -format png *.tif)"
        found = decoded(path, lambda file: layout(file, None))
        if found is None:
            raise DataError(f"{path}: cannot be read as a TIFF; replace it, or {advice}")
        if found.bits > 8 or not found.by_pillow:
            raise DataError(f"{path}: a TIFF of {found.kind}, which is not read as RGB or as a mask; {advice}")


def _frame(name: str) -> int | None:
    return int(name) if name.isdecimal() and 1 <= int(name) <= FRAMES else None
