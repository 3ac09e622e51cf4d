"""A rendered data set on disk, in the layouts of Kvasir-SEG and of the colonoscopy depth set."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from al_lightning.data.synthetic.draw import draw_sequence
from al_lightning.data.synthetic.scene import MODES
from al_lightning.data.synthetic.trace import MAX_DEPTH, render_frame

RENDERER = "1"
"""Version of the pictures: it changes whenever the same seed gives other files."""
FOLDERS = {"pool": "Kvasir-SEG", "validation": "Kvasir-SEG", "test": "sessile-main-Kvasir-SEG"}
"""Split -> folder of its pictures and masks."""
TEXTURES = ("T1", "T2", "T3")
"""Folders of the depth set."""

Results = tuple[dict[str, Any], dict[str, Any]]


class _Job(NamedTuple):
    """One sequence to render and write."""

    sequence: int
    split: str
    mode: str
    frames: int
    """Frames to write, of the `per_sequence` that the camera's path is divided into."""
    per_sequence: int
    texture: str
    first: int
    """Number of the first frame in the texture's folder."""


def _plan(seed: int, per_sequence: int, counts: dict[str, int]) -> list[_Job]:
    """The sequences of all splits; each has the same fractions of the rare modes, as far as its size allows."""
    jobs: list[_Job] = []
    numbers = [0] * len(TEXTURES)
    edges = np.cumsum(list(MODES.values()))
    for purpose, (split, count) in enumerate(counts.items()):
        total = math.ceil(count / per_sequence)
        rng = np.random.default_rng([seed, 0, purpose])
        levels = (np.arange(total) + rng.random()) / max(total, 1)  # systematic sampling
        which = np.minimum(np.searchsorted(edges, levels, side="right"), len(MODES) - 1)
        modes = [list(MODES)[i] for i in which]
        for k, position in enumerate(rng.permutation(total)):
            index, frames = len(jobs), min(per_sequence, count - k * per_sequence)
            texture = index % len(TEXTURES)
            jobs.append(_Job(index, split, modes[position], frames, per_sequence, TEXTURES[texture], numbers[texture]))
            numbers[texture] += frames
    return jobs


def _boxes(mask: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Boxes of the connected regions as in kavsir_bboxes.json; xmax and ymax are one past the last pixel."""
    found = ndimage.find_objects(ndimage.label(mask)[0])
    sides = [(columns.start, rows.start, columns.stop, rows.stop) for rows, columns in found]
    return [{"label": "polyp", "xmin": a, "ymin": b, "xmax": c, "ymax": d} for a, b, c, d in sides]


def _write_sequence(root: Path, seed: int, size: int, job: _Job) -> Results:
    """Render and write one sequence; returns entries of the manifest and of the boxes, by id."""
    sequence = draw_sequence(np.random.default_rng([seed, 1, job.sequence]), job.mode)
    folder = root / FOLDERS[job.split]
    entries, boxes = {}, {}
    for number in range(job.frames):
        name, serial = f"s{job.sequence:03d}f{number:02d}", f"{job.first + number:04d}.png"
        frame = render_frame(sequence, number / max(1, job.per_sequence - 1), size)
        Image.fromarray(frame.rgb).save(folder / "images" / f"{name}.jpg", quality=92)
        white = np.repeat(frame.mask[:, :, None] * np.uint8(255), 3, axis=2)
        Image.fromarray(white).save(folder / "masks" / f"{name}.jpg", quality=95)
        grey = np.clip(np.rint(frame.depth * (255 / MAX_DEPTH)), 0, 255).astype(np.uint8)
        depth_folder = root / "ColonoscopyDepth" / job.texture
        Image.fromarray(frame.rgb).save(depth_folder / f"FrameBuffer_{serial}")
        Image.fromarray(grey).save(depth_folder / f"Depth_{serial}")
        entries[name] = {
            "split": job.split,
            "sequence": f"s{job.sequence:03d}",
            "mode": job.mode,
            "polyps": [polyp.kind for polyp in sequence.polyps],
            "polyp_share": round(float(frame.mask.mean()), 6),
            "depth_frame": f"{job.texture}/FrameBuffer_{serial}",
        }
        boxes[name] = {"height": size, "width": size, "bbox": _boxes(frame.mask)}
    return entries, boxes


def _render_all(root: Path, seed: int, size: int, jobs: list[_Job], workers: int) -> Generator[Results, None, None]:
    """`_write_sequence` over all jobs, in any order, in this process or in several."""
    if workers == 1:
        for job in jobs:
            yield _write_sequence(root, seed, size, job)
        return
    # Forked workers need no re-import of the main script, and they only compute with numpy.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as executor:
        futures = [executor.submit(_write_sequence, root, seed, size, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            executor.shutdown(cancel_futures=True)


def render_dataset(
    root: Path,
    *,
    pool: int,
    validation: int,
    test: int,
    size: int = 128,
    frames_per_sequence: int = 8,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Render a data set into `root`, which appears only when it is complete.

    * `Kvasir-SEG/{images,masks}/<id>.jpg` and `kavsir_bboxes.json` (pool and validation),
      `sessile-main-Kvasir-SEG/{images,masks}` (test). No sequence is in two splits.
    * `ColonoscopyDepth/T1..T3/{FrameBuffer,Depth}_####.png`: all frames again, sequences dealt to the three
      folders in turn and whole; Depth is 8 bit, 255 at 20 cm, 0 outside the aperture.
    * `manifest.json`: {"renderer", "seed", "size", "frames_per_sequence", "counts", "frames": {id: {"split",
      "sequence", "mode", "polyps", "polyp_share", "depth_frame"}}}; polyp_share is the fraction of the mask's pixels
      that show a polyp.

    The same arguments give the same bytes, whatever `workers` is. On other systems than Linux a script that
    calls this with several workers needs `if __name__ == "__main__":`.

    Args:
        root (Path): folder to make; it must not exist, or be empty.
        pool (int): number of images, at least 0; the sequences of the splits are disjoint.
        validation (int): number of images, at least 0.
        test (int): number of images, at least 0.
        size (int): pixels a side, at least 8. Default 128.
        frames_per_sequence (int): frames that a sequence is divided into. Default 8.
        seed (int): fixes the set. Default 0.
        workers (int | None): processes. Default None: the number of processors.
        progress (Callable | None): called with the number of frames written so far. Default None.

    Raises:
        ValueError: a number is out of range, or `root` already holds something.
    """
    counts = {"pool": pool, "validation": validation, "test": test}
    if min(counts.values()) < 0 or sum(counts.values()) == 0:
        raise ValueError(f"pool, validation, test are {pool}, {validation}, {test}: expected 0 or more, one > 0")
    workers = workers if workers is not None else os.cpu_count() or 1
    given = {"size": (size, 8), "frames_per_sequence": (frames_per_sequence, 1)}
    for name, (value, least) in (given | {"seed": (seed, 0), "workers": (workers, 1)}).items():
        if value < least:
            raise ValueError(f"{name} is {value}: expected at least {least}")
    root = Path(root)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ValueError(f"root {root} exists: name another folder or remove this one")
    root.parent.mkdir(parents=True, exist_ok=True)
    jobs = _plan(seed, frames_per_sequence, counts)
    building = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        folders = [f"{folder}/{kind}" for folder in set(FOLDERS.values()) for kind in ("images", "masks")]
        for name in (*folders, *(f"ColonoscopyDepth/{texture}" for texture in TEXTURES)):
            (building / name).mkdir(parents=True)
        frames: dict[str, Any] = {}
        boxes: dict[str, Any] = {}
        # Closing waits for the workers, so that none still writes when the folder is removed.
        with closing(_render_all(building, seed, size, jobs, min(workers, len(jobs)))) as results:
            for entries, found in results:
                frames |= entries
                boxes |= found
                if progress is not None:
                    progress(len(frames))
        published = {name: boxes[name] for name in sorted(boxes) if frames[name]["split"] != "test"}
        (building / FOLDERS["pool"] / "kavsir_bboxes.json").write_text(json.dumps(published), encoding="utf-8")
        manifest = {
            "renderer": RENDERER,
            "seed": seed,
            "size": size,
            "frames_per_sequence": frames_per_sequence,
            "counts": counts,
            "frames": dict(sorted(frames.items())),
        }
        (building / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        building.chmod(0o755)  # mkdtemp makes it private
        _move(building, root)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _move(building: Path, root: Path) -> None:
    """Rename to `root`; where another process has just put the same set there, keep that one."""
    try:
        os.replace(building, root)
    except OSError:
        mine, other = building / "manifest.json", root / "manifest.json"
        if not other.is_file() or other.read_bytes() != mine.read_bytes():
            raise
