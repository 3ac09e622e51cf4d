"""The renderer: geometry against analytic and brute-force answers, pictures, and the data set on disk."""

from __future__ import annotations

import json
import math
import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from al_lightning.data.synthetic import (
    MAX_DEPTH,
    MODES,
    RENDERER,
    Frame,
    Polyp,
    SequenceParameters,
    camera,
    draw_sequence,
    render_dataset,
    render_frame,
)
from al_lightning.data.synthetic.dataset import _plan
from al_lightning.data.synthetic.draw import _draw
from al_lightning.data.synthetic.field import build_scene

# Two, one and one sequences; the second of the pool is cut short, and the fourth starts over with folder T1.
SIZES: dict[str, Any] = {"pool": 3, "validation": 2, "test": 2, "size": 24, "frames_per_sequence": 2}
THREE: dict[str, Any] = {"pool": 3, "validation": 0, "test": 0, "size": 8, "frames_per_sequence": 1}


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("render") / "set"
    seen: list[int] = []
    render_dataset(root, **SIZES, seed=3, workers=1, progress=seen.append)
    assert seen == [2, 3, 5, 7]
    return root


@pytest.fixture(scope="module")
def frames() -> dict[tuple[int, int], Frame]:
    """Eight sequences of the common mode, three neighbouring frames each."""
    sequences = [draw_sequence(np.random.default_rng([8, k])) for k in range(8)]
    return {(k, n): render_frame(s, n / 7, 32) for k, s in enumerate(sequences) for n in range(3)}


def pinhole(sequence: SequenceParameters, t: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Camera (3,) and directions (size, size, 3) whose component along the optical axis is 1, pixel by pixel."""
    origin, rotation = (a.astype(np.float64) for a in camera(sequence, t))
    f = size / 2 / math.tan(math.radians(sequence.fov) / 2)
    rays = np.empty((size, size, 3))
    for i in range(size):
        for j in range(size):
            rays[i, j] = rotation @ [(j + 0.5 - size / 2) / f, (i + 0.5 - size / 2) / f, 1]
    return origin, rays


def test_camera_is_a_rotation_that_looks_at_the_gaze() -> None:
    sequence = SequenceParameters(position=(0.3, -0.2, 0.5), gaze=(1.0, 0.5, 4.0), roll=0.7)
    origin, rotation = camera(sequence, 0.0)
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-6)
    assert np.linalg.det(rotation) == pytest.approx(1, abs=1e-6)
    ahead = np.array(sequence.gaze) - origin
    np.testing.assert_allclose(rotation[:, 2], ahead / np.linalg.norm(ahead), atol=1e-6)


@pytest.mark.parametrize("size", [24, 30])  # with and without the pass over blocks of 4 × 4
def test_depth_in_a_plain_tube_is_that_of_ray_and_cylinder(size: int) -> None:
    tube = SequenceParameters(radius=2.2, position=(0.5, -0.4, 0.0), gaze=(1.4, 0.6, 4.0), roll=0.4)
    origin, rays = pinhole(tube, 0.25, size)
    # x² + y² = R² along origin + s · ray; s is the depth, as the rays have length 1 along the optical axis.
    a = (rays[..., :2] ** 2).sum(-1)
    b = (rays[..., :2] * origin[:2]).sum(-1)
    c = (origin[:2] ** 2).sum() - tube.radius**2
    expected = np.minimum((-b + np.sqrt(b * b - a * c)) / a, MAX_DEPTH)
    frame = render_frame(tube, 0.25, size)
    np.testing.assert_allclose(frame.depth, expected, rtol=2e-3, atol=2e-3)
    assert not frame.mask.any()
    assert expected.min() < 3
    assert expected.max() == MAX_DEPTH


@pytest.mark.parametrize("mode", ["common", "flat", "soiled"])
def test_depth_and_mask_of_a_drawn_scene_are_those_of_a_dense_search(mode: str) -> None:
    size = 24
    sequence = draw_sequence(np.random.default_rng(21), mode)
    scene = build_scene(sequence)
    origin, rays = pinhole(sequence, 0.5, size)
    # Small steps along every ray; the first that lies inside is the hit. Folds that hide a polyp are in this
    # search by themselves.
    depths = np.linspace(0.02, 8, 1200, dtype=np.float32)

    def points(depth: np.ndarray) -> np.ndarray:
        return (origin + depth[..., None] * rays).reshape(-1, 3).T.astype(np.float32)

    inside = [scene.field(points(some[:, None, None])) < 0 for some in np.split(depths, 24)]
    inside = np.concatenate(inside).reshape(len(depths), size, size)
    hit = depths[inside.argmax(0)]
    gap, polyp = scene.wall_and_polyp(points(hit))
    is_polyp = (polyp < gap).reshape(size, size)
    frame = render_frame(sequence, 0.5, size)
    known = inside.any(0) & (frame.depth > 0)
    assert known.mean() > 0.4
    error = np.abs(frame.depth - hit)[known]
    assert np.median(error) < 0.01
    assert (error > 0.05).mean() < 0.01  # rays that graze an edge
    assert is_polyp[known].any()
    assert (frame.mask != is_polyp)[known].mean() < 0.01


def test_mask_is_where_the_polyp_stands_before_the_wall() -> None:
    tube = SequenceParameters(radius=2.2, gaze=(1.0, 0.0, 4.0))
    polyp = Polyp("sessile", 3.0, 0.0, 0.8, 0.7)
    bare = render_frame(tube, 0.5, 48)
    grown = render_frame(SequenceParameters(radius=2.2, gaze=(1.0, 0.0, 4.0), polyps=(polyp,)), 0.5, 48)
    assert 0.01 < grown.mask.mean() < 0.25
    nearer = bare.depth - grown.depth
    assert (nearer[grown.mask] > 0).mean() > 0.98
    assert nearer[grown.mask].max() > 0.3
    far = ~np.asarray(nearer > 0.01) & ~grown.mask
    assert far.mean() > 0.6
    # The centre of the ellipsoid's base, projected by hand, lies in the mask.
    origin, rotation = camera(tube, 0.5)
    x, y, z = rotation.T @ (np.array([2.2 - 0.5, 0.0, 3.0]) - origin)
    f = 24 / math.tan(math.radians(tube.fov) / 2)
    assert grown.mask[int(24 + f * y / z), int(24 + f * x / z)]


def test_frames_are_plausible(frames: dict[tuple[int, int], Frame]) -> None:
    for frame in frames.values():
        assert frame.rgb.shape == (32, 32, 3)
        assert frame.rgb.dtype == np.uint8
        assert frame.mask.shape == frame.depth.shape == (32, 32)
        assert frame.mask.dtype == bool
        assert frame.depth.dtype == np.float32
        assert np.isfinite(frame.depth).all()
        assert frame.depth.min() >= 0
        assert frame.depth.max() <= MAX_DEPTH
        assert (frame.depth[frame.mask] > 0).all()
    fractions = np.array([frame.mask.mean() for frame in frames.values()])
    assert (fractions > 0).mean() >= 0.8
    assert 0.01 < np.median(fractions) < 0.25


def test_light_falls_off_with_depth(frames: dict[tuple[int, int], Frame]) -> None:
    whole, polyps = [], []
    for frame in frames.values():
        grey = frame.rgb.mean(-1)
        seen = frame.depth > 0
        whole.append(np.corrcoef(grey[seen], np.sqrt(1 / frame.depth[seen] ** 2))[0, 1])
        if frame.mask.sum() > 20:
            # Nearer polyps are brighter than the tissue behind them.
            farther = seen & ~frame.mask & (frame.depth > 1.5 * frame.depth[frame.mask].mean())
            if farther.sum() > 20:
                polyps.append(grey[frame.mask].mean() > grey[farther].mean())
    assert np.mean(whole) > 0.5
    assert min(whole) > 0
    assert len(polyps) > 5
    assert np.mean(polyps) > 0.9


def test_no_threshold_on_colour_finds_the_polyps(frames: dict[tuple[int, int], Frame]) -> None:
    ratio, truth = [], []
    for frame in frames.values():
        seen = frame.depth > 0
        rgb = frame.rgb[seen].astype(float) + 1
        ratio.append(np.stack([rgb[:, 0] / rgb[:, 1], rgb[:, 0] / rgb[:, 2], rgb.mean(-1)], axis=1))
        truth.append(frame.mask[seen])
    values, labels = np.concatenate(ratio), np.concatenate(truth)
    best = 0.0
    for channel in values.T:
        for cut in np.quantile(channel, np.linspace(0.02, 0.98, 40)):
            for said in (channel > cut, channel < cut):
                best = max(best, (said & labels).sum() / (said | labels).sum())
    assert best < 0.5


def test_neighbours_are_alike_and_sequences_are_not(frames: dict[tuple[int, int], Frame]) -> None:
    pictures = {key: frame.rgb.astype(float) for key, frame in frames.items()}
    within = [np.abs(pictures[k, n] - pictures[k, n + 1]).mean() for k in range(8) for n in range(2)]
    across = [np.abs(pictures[a, 0] - pictures[b, 0]).mean() for a in range(8) for b in range(a)]
    assert min(within) > 0.5  # not copies
    assert np.median(within) < 0.5 * np.median(across)


def test_modes_differ_as_named(frames: dict[tuple[int, int], Frame]) -> None:
    drawn = {mode: [_draw(np.random.default_rng([8, k]), mode) for k in range(3)] for mode in MODES}
    assert all(not s.polyps for s in drawn["none"])
    assert all(p.kind == "flat" and p.height < 0.35 * p.radius for s in drawn["flat"] for p in s.polyps)
    assert all(p.radius < 0.3 for s in drawn["tiny"] for p in s.polyps)
    assert all(s.soil > 0 for s in drawn["soiled"])
    for k, dark in enumerate(drawn["dark"][:2]):  # the same scene as that of the common mode, with less light
        assert render_frame(dark, 0.0, 32).rgb.mean() < 0.7 * frames[k, 0].rgb.mean()
    red, green, _ = render_frame(drawn["narrow-band"][0], 0.5, 24).rgb.reshape(-1, 3).mean(0)
    assert red < 1.15 * green
    with pytest.raises(ValueError, match="mode is 'flta'"):
        draw_sequence(np.random.default_rng(0), "flta")


def test_same_seed_same_bytes_in_one_process_or_two(rendered: Path, tmp_path: Path) -> None:
    render_dataset(tmp_path / "again", **SIZES, seed=3, workers=2)
    assert tree(tmp_path / "again") == tree(rendered)


def test_another_seed_gives_other_pictures(rendered: Path, tmp_path: Path) -> None:
    render_dataset(tmp_path / "pool", **(SIZES | {"validation": 0, "test": 0}), seed=4, workers=1)
    mine, other = tree(rendered / "Kvasir-SEG" / "images"), tree(tmp_path / "pool" / "Kvasir-SEG" / "images")
    assert sorted(other) == ["s000f00.jpg", "s000f01.jpg", "s001f00.jpg"]
    assert all(mine[name] != picture for name, picture in other.items())
    assert len({*mine.values(), *other.values()}) == len(mine) + len(other)


def test_layout_and_manifest(rendered: Path) -> None:
    manifest = json.loads((rendered / "manifest.json").read_text())
    entries = manifest["frames"]
    assert manifest["counts"] == {"pool": 3, "validation": 2, "test": 2}
    assert (manifest["seed"], manifest["size"], manifest["renderer"]) == (3, 24, RENDERER)
    of = {split: {i for i, e in entries.items() if e["split"] == split} for split in manifest["counts"]}
    assert {split: len(ids) for split, ids in of.items()} == manifest["counts"]
    sequences = [{entries[i]["sequence"] for i in ids} for ids in of.values()]
    assert sum(map(len, sequences)) == len(set().union(*sequences)) == 2 + 1 + 1
    for folder, ids in (
        ("Kvasir-SEG", of["pool"] | of["validation"]),
        ("sessile-main-Kvasir-SEG", of["test"]),
    ):
        for kind in ("images", "masks"):
            assert {p.name for p in (rendered / folder / kind).iterdir()} == {f"{i}.jpg" for i in ids}
    assert "s000f01" in entries
    boxes = json.loads((rendered / "Kvasir-SEG" / "kavsir_bboxes.json").read_text())
    assert set(boxes) == of["pool"] | of["validation"]
    for name, entry in entries.items():
        folder = "sessile-main-Kvasir-SEG" if entry["split"] == "test" else "Kvasir-SEG"
        mask = np.asarray(Image.open(rendered / folder / "masks" / f"{name}.jpg").convert("L")) > 127
        assert mask.mean() == pytest.approx(entry["polyp_share"], abs=1e-6)
        if name in boxes:
            covered = np.zeros_like(mask)
            assert boxes[name]["height"] == boxes[name]["width"] == 24
            for box in boxes[name]["bbox"]:
                assert box["label"] == "polyp"
                covered[box["ymin"] : box["ymax"], box["xmin"] : box["xmax"]] = True
                assert mask[box["ymin"], box["xmin"] : box["xmax"]].any()
                assert mask[box["ymax"] - 1, box["xmin"] : box["xmax"]].any()
            assert not (mask & ~covered).any()


def test_depth_layout(rendered: Path) -> None:
    folder = rendered / "ColonoscopyDepth"
    entries = json.loads((rendered / "manifest.json").read_text())["frames"]
    assert sorted(p.name for p in folder.iterdir()) == ["T1", "T2", "T3"]
    pairs = {str(p.relative_to(folder)) for p in folder.rglob("FrameBuffer_*.png")}
    assert pairs == {entry["depth_frame"] for entry in entries.values()}
    for texture in folder.iterdir():
        count = len(list(texture.glob("Depth_*.png")))
        expected = {f"{kind}_{n:04d}.png" for kind in ("Depth", "FrameBuffer") for n in range(count)}
        assert {p.name for p in texture.iterdir()} == expected
    homes: dict[str, set[str]] = {}
    for entry in entries.values():
        homes.setdefault(entry["sequence"], set()).add(entry["depth_frame"][:2])
    assert all(len(home) == 1 for home in homes.values())
    # The stored depth is what the renderer says, to half a grey level (20 cm / 255 / 2).
    name, entry = next(iter(entries.items()))
    sequence = draw_sequence(np.random.default_rng([3, 1, 0]), entry["mode"])
    frame = render_frame(sequence, int(name[-2:]), 24)
    with Image.open(folder / entry["depth_frame"].replace("FrameBuffer", "Depth")) as image:
        assert image.mode == "L"
        stored = np.asarray(image, dtype=float) * 20 / 255
    np.testing.assert_allclose(stored, frame.depth, atol=20 / 255 / 2 + 1e-4)
    with Image.open(folder / entry["depth_frame"]) as image:
        np.testing.assert_array_equal(np.asarray(image), frame.rgb)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_render_leaves_nothing(tmp_path: Path, workers: int) -> None:
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    before = set(multiprocessing.active_children())
    with pytest.raises(KeyboardInterrupt):
        render_dataset(tmp_path / "set", **THREE, workers=workers, progress=stop)
    assert list(tmp_path.iterdir()) == []
    assert set(multiprocessing.active_children()) <= before


def test_two_processes_may_render_the_same_set(tmp_path: Path) -> None:
    one = THREE | {"pool": 1}
    render_dataset(tmp_path / "first", **one, workers=1)

    def other_process(done: int) -> None:
        shutil.copytree(tmp_path / "first", tmp_path / "set")

    render_dataset(tmp_path / "set", **one, workers=1, progress=other_process)
    assert tree(tmp_path / "set") == tree(tmp_path / "first")
    assert {p.name for p in tmp_path.iterdir()} == {"first", "set"}


def test_each_split_has_the_same_fractions_of_the_rare_modes() -> None:
    jobs = _plan(0, 8, {"pool": 800, "validation": 80, "test": 320})
    for split, total in (("pool", 100), ("test", 40)):
        modes = [job.mode for job in jobs if job.split == split]
        assert len(modes) == total
        for mode, fraction in MODES.items():
            assert abs(modes.count(mode) - fraction * total) <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pool": -1}, "-1, 2, 2"),
        ({"size": 4}, "size is 4"),
        ({"frames_per_sequence": 0}, "frames_per_sequence is 0"),
        ({"workers": 0}, "workers is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_impossible_numbers_are_named(tmp_path: Path, change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render_dataset(tmp_path / "set", **(SIZES | change))
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_never_overwritten(rendered: Path) -> None:
    before = tree(rendered)
    with pytest.raises(ValueError, match="exists"):
        render_dataset(rendered, **SIZES)
    assert tree(rendered) == before


def test_frame_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="size is 4"):
        render_frame(SequenceParameters(), 0.0, 4)
    with pytest.raises(ValueError, match=r"t is 1\.5"):
        render_frame(SequenceParameters(), 1.5, 16)
