"""UCL's synthetic colonoscopy depth set (Rau et al. 2019): three textures, 8-bit depth."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from al_lightning.core.arrays import Rows
from al_lightning.core.task import Task
from al_lightning.data.dataset import DataError, DatasetInfo, DenseDataset
from al_lightning.data.files import find_images, locate, pair, remedy_for
from al_lightning.data.options import Evaluation, ProtocolName, evaluation, height_width
from al_lightning.data.reading import depth_map
from al_lightning.data.splits import SPLIT_SEED, split_groups

INFO = DatasetInfo(
    title="UCL synthetic colonoscopy depth",
    source="http://cmic.cs.ucl.ac.uk/ColonoscopyDepth/",
    licence="see the source",
    citation="Rau et al.: Implicit domain adaptation with conditional generative adversarial networks for depth "
    "prediction in endoscopy. International Journal of Computer Assisted Radiology and Surgery 14, 2019",
    layout="""\
{T1,T2,T3}/**/FrameBuffer_####.png
{T1,T2,T3}/**/Depth_####.png          8 bits, 255 is 20 cm""",
)
NAME = re.compile(r"^(?P<path>.*?)_?(?P<kind>FrameBuffer|Depth)_(?P<number>\d+)$")


def colonoscopy_depth(
    root: str = "data/ColonoscopyDepth",
    size: int | list[int] = 256,
    protocol: ProtocolName = "clean",
    textures: list[str] = ["T1", "T2", "T3"],  # noqa: B006 - options are read, never changed
    maximum_cm: float = 20.0,
    invert: bool = False,
    evaluate_at: Evaluation = "auto",
) -> DenseDataset:
    """Rendered RGB frames, 256 x 256, with depth; 8 : 1 : 1 within each texture.

    Layout: `T1/`, `T2/`, `T3/` with `FrameBuffer_####.png` and `Depth_####.png`, directly or in sub-folders of
    any depth; matched by the number after the underscore. A sub-folder (or what stands before FrameBuffer in
    a flattened name) is one path: a light and a trajectory.

    `clean` keeps each path in one split. A texture with fewer than three paths is cut into three contiguous
    blocks of its frames in order, so that only frames at the two cuts have neighbours in another split.
    `paper` shuffles the frames of each texture and cuts at the same positions (Thapa et al. 2022), so that
    nearly every test frame has neighbours in the pool.

    Args:
        root (str): the folder that holds the textures. Default "data/ColonoscopyDepth".
        size (int | list[int]): pixels that the learner sees, one number or [height, width]. Default 256.
        protocol (str): clean or paper. Default "clean".
        textures (list[str]): folders to read. Default ["T1", "T2", "T3"].
        maximum_cm (float): depth in cm that white (255) stands for, above 0; 20 in the published set. Default 20.
        invert (bool): near is bright, as in some re-renderings. Default False: far is bright, as in the published set.
        evaluate_at (str): compare test predictions at the maps' own size (native) or at `size` (resized). Default
            "auto": native for clean, resized for paper.

    Raises:
        FileNotFoundError: a folder is missing.
        DataError: a texture is empty or too small, a frame has no depth, or an option is out of range.
    """
    if not 0 < maximum_cm < float("inf"):
        raise DataError(f"maximum_cm={maximum_cm}: expected a depth above 0")
    if not textures:
        raise DataError("textures=[]: expected at least one folder, such as [T1, T2, T3]")
    folder, _ = locate(Path(root), textures)
    remedy = remedy_for(Path(root), INFO.source)
    ids: list[str] = []
    images: list[Path] = []
    targets: list[Path] = []
    splits: tuple[list[Rows], list[Rows], list[Rows]] = ([], [], [])
    cut_by: dict[str, str] = {}
    neighbours = 0
    for stream, texture in enumerate(textures):
        names, frames, depths, paths, numbers = _read_texture(folder / texture, remedy)
        by_path = protocol == "clean" and len(set(paths)) >= 3
        cut_by[texture] = "frame" if protocol == "paper" else "path" if by_path else "block"
        drawn = _split(paths, cut_by[texture], stream, folder / texture)
        pooled = {(paths[i], numbers[i]) for i in drawn[0]}
        neighbours += sum(bool({(paths[i], numbers[i] - 1), (paths[i], numbers[i] + 1)} & pooled) for i in drawn[2])
        for split, positions in zip(splits, drawn, strict=True):
            split.append(positions + len(ids))
        ids += [f"{texture}/{name}" for name in names]
        images += frames
        targets += depths
    pool, validation, test = (np.concatenate(split) for split in splits)
    return DenseDataset(
        name="colonoscopy-depth",
        task=Task("depth", (), maximum_cm),
        ids=tuple(ids),
        images=tuple(images),
        targets=tuple(targets),
        pool=pool,
        validation=validation,
        test=test,
        size=height_width(size),
        decode_target=partial(depth_map, maximum=maximum_cm, invert=invert),
        evaluate_at=evaluation(evaluate_at, protocol),
        protocol=protocol,
        facts={"split_by": cut_by, "test_frames_with_neighbour_in_pool": neighbours},
    )


def _read_texture(folder: Path, remedy: str) -> tuple[list[str], list[Path], list[Path], list[str], list[int]]:
    """(id, image, depth, path, number) of each frame, in order of path and number."""
    files: dict[str, dict[tuple[str, int], Path]] = {"FrameBuffer": {}, "Depth": {}}
    for file in find_images(folder, remedy, r"(FrameBuffer|Depth)_\d+$", recursive=True):
        match: Any = NAME.match(file.stem)
        path = (file.parent.relative_to(folder) / match["path"]).as_posix()
        other = files[match["kind"]].setdefault((path, int(match["number"])), file)
        if other is not file:
            raise DataError(f"{file}: {other.name} beside it has the same number; keep one of the two")
    keys = sorted(files["FrameBuffer"])
    if not keys:
        raise DataError(f"{folder}: holds no FrameBuffer_####.png; {remedy}")
    frames = [files["FrameBuffer"][key] for key in keys]
    digits = [frame.stem.rsplit("_", 1)[1] for frame in frames]
    paths = [path for path, _ in keys]
    names = [d if path == "." else f"{path}/{d}" for path, d in zip(paths, digits, strict=True)]
    depths = {name: files["Depth"][key] for key, name in zip(keys, names, strict=True) if key in files["Depth"]}
    return names, frames, pair(frames, names, depths, folder, "depth map"), paths, [number for _, number in keys]


def _split(paths: list[str], cut_by: str, stream: int, folder: Path) -> tuple[Rows, Rows, Rows]:
    n = len(paths)
    first, second = 8 * n // 10, 9 * n // 10
    if not 0 < first < second < n:
        raise DataError(f"{folder}: {n} frames cannot be split 8 : 1 : 1; at least 6 are needed")
    if cut_by == "path":
        return split_groups(paths, second - first, n - second, str(folder), stream)
    order = np.arange(n)
    if cut_by == "frame":
        order = np.random.default_rng([SPLIT_SEED, stream]).permutation(n)
    return np.sort(order[:first]), np.sort(order[first:second]), np.sort(order[second:])
