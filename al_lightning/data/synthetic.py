"""The built-in set: a rendered colon (`data.render`), read through the loader of Kvasir-SEG."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.progress import Progress

from al_lightning.data.base import DataError, DenseDataset
from al_lightning.data.depth import colonoscopy_depth
from al_lightning.data.kvasir import read_layout
from al_lightning.data.render import render_dataset


def synthetic(
    root: str = "data/synthetic",
    size: int | list[int] = 128,
    render_size: int = 128,
    pool: int = 720,
    validation: int = 80,
    test: int = 196,
    render_seed: int = 0,
    task: Literal["segmentation", "depth"] = "segmentation",
    protocol: Literal["clean", "paper"] = "clean",
    evaluate_at: Literal["auto", "native", "resized"] = "auto",
) -> DenseDataset:
    """Rendered colonoscopy with polyp masks: no download, always the same images for one render_seed.

    Args:
        root: where the rendered sets are kept; each combination of the options below has its own folder.
        size: pixels that the learner sees.
        render_size: pixels that are rendered.
        pool, validation, test: number of images; their sequences are disjoint.
        render_seed: fixes the set; independent of the seed of the experiment.
        task: polyp masks, or depth in cm of the same frames, read through the loader of the UCL set.
        protocol: as for kvasir; nothing overlaps here.
        evaluate_at: as for kvasir.
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
    protocol: Literal["clean", "paper"],
    evaluate_at: Literal["auto", "native", "resized"],
) -> DenseDataset:
    """The same frames in the layout of the UCL set, split by sequence as they were rendered."""
    dataset = colonoscopy_depth(str(folder / "ColonoscopyDepth"), size, protocol, evaluate_at=evaluate_at)
    split_of = {
        Path(f["depth_frame"].replace("FrameBuffer_", "")).with_suffix("").as_posix(): f["split"]
        for f in frames.values()
    }
    parts = np.array([split_of[name] for name in dataset.ids])
    pool, validation, test = (np.flatnonzero(parts == name) for name in ("pool", "validation", "test"))
    return replace(dataset, name="synthetic", pool=pool, validation=validation, test=test, facts={})
