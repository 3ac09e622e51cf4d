"""The built-in set: a rendered colon (`data.synthetic`), read through the loader of Kvasir-SEG."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.progress import Progress

from al_lightning.data.dataset import DataError, DatasetInfo, DenseDataset
from al_lightning.data.datasets.depth import colonoscopy_depth
from al_lightning.data.datasets.kvasir import read_layout
from al_lightning.data.options import Evaluation, ProtocolName
from al_lightning.data.synthetic import render_dataset

INFO = DatasetInfo(
    title="Rendered colonoscopy, built in",
    source="rendered by al_lightning.data.synthetic on first use",
    licence="that of al_lightning: Apache-2.0",
    citation="al_lightning",
    layout="""\
<settings>/manifest.json
<settings>/Kvasir-SEG/{images,masks}/<id>.jpg                  pool and validation
<settings>/sessile-main-Kvasir-SEG/{images,masks}/<id>.jpg     test
<settings>/ColonoscopyDepth/T{1,2,3}/FrameBuffer_####.png      all frames again, for task: depth
<settings>/ColonoscopyDepth/T{1,2,3}/Depth_####.png            255 is 20 cm""",
)


def synthetic(
    root: str = "data/synthetic",
    size: int | list[int] = 128,
    render_size: int = 128,
    pool: int = 720,
    validation: int = 80,
    test: int = 196,
    render_seed: int = 0,
    task: Literal["segmentation", "depth"] = "segmentation",
    protocol: ProtocolName = "clean",
    evaluate_at: Evaluation = "auto",
) -> DenseDataset:
    """Rendered colonoscopy with polyp masks: no download, always the same images for one render_seed.

    Args:
        root (str): where the rendered sets are kept; each combination of render_size, pool, validation, test and
            render_seed has its own folder. Default "data/synthetic".
        size (int | list[int]): pixels that the learner sees, one number or [height, width]. Default 128.
        render_size (int): pixels a side that are rendered, at least 8. Default 128.
        pool (int): number of images; the sequences of the splits are disjoint. Default 720.
        validation (int): number of images. Default 80.
        test (int): number of images. Default 196.
        render_seed (int): fixes the set; independent of the seed of the experiment. Default 0.
        task (str): segmentation (polyp masks), or depth in cm of the same frames, read through the loader of the UCL
            set. Default "segmentation".
        protocol (str): clean or paper; nothing overlaps here, so that only evaluate_at depends on it. Default "clean".
        evaluate_at (str): compare test predictions at `render_size` (native) or at `size` (resized). Default "auto":
            native for clean, resized for paper.

    Raises:
        ValueError: a number is out of range.
        DataError: the folder holds no manifest.
    """
    folder = Path(root) / f"{render_size}px-{pool}-{validation}-{test}-seed{render_seed}"
    if not folder.is_dir():
        with Progress() as progress:
            bar = progress.add_task(f"rendering {folder}", total=pool + validation + test)
            render_dataset(
                folder,
                pool=pool,
                validation=validation,
                test=test,
                size=render_size,
                seed=render_seed,
                progress=lambda done: progress.update(bar, completed=done),
            )
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise DataError(f"{folder}: holds no manifest.json; remove the folder and it is rendered again")
    frames = json.loads(manifest.read_text(encoding="utf-8"))["frames"]
    if task == "depth":
        return _depth(folder, frames, size, protocol, evaluate_at)
    held_out = [name for name, frame in frames.items() if frame["split"] == "validation"]
    return read_layout(
        "synthetic",
        folder / "Kvasir-SEG",
        folder / "sessile-main-Kvasir-SEG",
        size,
        protocol,
        held_out,
        evaluate_at,
        f"remove {folder} and it is rendered again",
    )


def _depth(
    folder: Path,
    frames: dict[str, dict[str, Any]],
    size: int | list[int],
    protocol: ProtocolName,
    evaluate_at: Evaluation,
) -> DenseDataset:
    """The same frames in the layout of the UCL set, split by sequence as they were rendered."""
    dataset = colonoscopy_depth(str(folder / "ColonoscopyDepth"), size, protocol, evaluate_at=evaluate_at)
    split_of = {
        Path(f["depth_frame"].replace("FrameBuffer_", "")).with_suffix("").as_posix(): f["split"]
        for f in frames.values()
    }
    splits = np.array([split_of[name] for name in dataset.ids])
    pool, validation, test = (np.flatnonzero(splits == name) for name in ("pool", "validation", "test"))
    return replace(dataset, name="synthetic", pool=pool, validation=validation, test=test, facts={})
