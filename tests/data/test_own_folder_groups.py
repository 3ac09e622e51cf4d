"""Which of a user's images belong together: patients, videos, and warnings where nobody said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_trees import half, save, split_ids

from al_lightning.data.dataset import DataError, DenseDataset
from al_lightning.data.datasets.folder import folder
from al_lightning.data.own.grouping import group_keys, within_splits
from al_lightning.data.own.videos import AT_MOST, find_videos, series_of
from al_lightning.data.reading import read_rgb

SIZE = (32, 40)


def write(root: Path, name: str, values: np.ndarray) -> None:
    save(root / "images" / f"{name}.png", values.clip(0, 255).astype(np.uint8))
    save(root / "masks" / f"{name}.png", half(size=SIZE))


def scene(rng: np.random.Generator, width: int) -> np.ndarray:
    """(32, width) grey levels of a ground that no other scene shares."""
    coarse = rng.uniform(40, 230, (8, -(-width // 4)))
    return np.kron(coarse, np.ones((4, 4)))[:, :width]


def video(root: Path, stem: str, count: int, seed: int, still: bool = False, first: int = 0) -> list[str]:
    """Frames of a scene that moves a little each time; where `still`, frames that have nothing in common."""
    rng = np.random.default_rng(seed)
    ground = scene(rng, 40 + count)
    names = [f"{stem}{i:03d}" for i in range(first, first + count)]
    for i, name in enumerate(names):
        shown = scene(rng, 40) if still else ground[:, i : i + 40]
        write(root, name, np.stack([shown + rng.normal(0, 2, SIZE)] * 3, axis=-1))
    return names


def read(root: Path, **options: object) -> DenseDataset:
    return folder(str(root), size=8, **options)


def test_frames_of_one_video_are_one_group_where_neighbours_look_alike(tmp_path):
    for number in range(6):
        video(tmp_path, f"v{number}_", 8, number)
    stills = video(tmp_path, "still_", 12, 99, still=True)
    data = read(tmp_path)
    of = dict(zip(data.ids, data.groups, strict=True))
    assert {of[f"v{n}_00{i}"] for n in range(6) for i in range(8)} == {f"v{n}_*" for n in range(6)}
    assert [of[name] for name in stills] == stills
    parts = [{of[name] for name in ids} for ids in split_ids(data)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 18
    (note,) = [note for note in data.notes if "by groups" in note]
    assert note.startswith("60 images in 18 groups (still_000, ")
    assert "by groups=auto: 48 are frames of 6 videos (v0_*, v1_*, v2_* and 3 more), as names" in note
    assert note.endswith("dataset.options.groups=none draws frames one by one")
    assert read(tmp_path, groups="none").groups == data.ids


def test_by_name_alone_every_series_is_a_group(tmp_path):
    for number in range(4):
        video(tmp_path, f"p{number}/frame_", 4, number, still=True)
    assert set(read(tmp_path, groups="video").groups) == {f"p{n}/frame_*" for n in range(4)}
    assert set(read(tmp_path, groups="folder").groups) == {f"p{n}" for n in range(4)}
    assert read(tmp_path).groups == read(tmp_path).ids


@pytest.mark.parametrize("pattern", ["video_{v:03d}_frame_{i:04d}", "seq{v}/{i:06d}", "{v}_{i:03d}", "{v}-img({i})"])
def test_however_frames_are_numbered(tmp_path, pattern):
    rng = np.random.default_rng(0)
    for v in range(5):
        ground = scene(rng, 60)
        for i in range(9, 13):
            write(tmp_path, pattern.format(v=v, i=i), np.stack([ground[:, i : i + 40]] * 3, axis=-1))
    assert len(set(read(tmp_path).groups)) == 5


def test_frames_that_are_numbered_in_one_go_are_cut_into_scenes(tmp_path):
    names = [name for n in range(7) for name in video(tmp_path, "", 6, n, first=6 * n)]
    data = read(tmp_path)
    assert data.ids == tuple(names)
    assert data.groups == tuple(f"* from {names[6 * (i // 6)]}" for i in range(len(names)))
    (note,) = [note for note in data.notes if "by groups" in note]
    assert "are frames of 1 video (*), cut into 7 scenes, as" in note


def test_images_in_folders_that_are_not_kept_together_are_a_warning(tmp_path):
    for number in range(3):
        video(tmp_path / "patients", f"p{number}/", 4, number, still=True)
        video(tmp_path / "videos", f"p{number}/", 4, number)
    video(tmp_path / "stills", "s", 12, 7, still=True)

    def warned(root: Path, **options: object) -> list[str]:
        return [note for note in read(root, **options).notes if "may be in several splits" in note]

    (note,) = warned(tmp_path / "patients")
    assert "they lie in 3 folders (p0, p1, p2)" in note
    assert "dataset.options.groups=folder" in note
    assert warned(tmp_path / "stills") == warned(tmp_path / "videos") == []
    assert warned(tmp_path / "patients", groups="folder") == warned(tmp_path / "patients", groups="none") == []


def test_splits_that_folders_name_count_more_than_a_guess(tmp_path):
    for split in ("train", "val", "test"):
        video(tmp_path, f"{split}/", 6, 0)
    data = read(tmp_path)
    assert [{name.split("/")[0] for name in ids} for ids in split_ids(data)] == [{"train"}, {"val"}, {"test"}]
    keys, notes = within_splits(["v", "v", "w", "w"], ["pool", "test", "pool", "pool"], [None] * 4)
    assert keys == ["v in pool", "v in test", "w", "w"]
    assert notes == ["1 video in several of the named splits, which count (v)"]


def test_an_expression_names_the_group(tmp_path):
    for number in range(5):
        video(tmp_path, f"case{number:02d}-view", 3, number, still=True)
    write(tmp_path, "odd", np.zeros((*SIZE, 3)))
    data = read(tmp_path, groups=r"case(\d+)-")
    assert set(data.groups) == {"00", "01", "02", "03", "04", "odd"}
    assert any("1 id does not match and stands for itself (odd)" in note for note in data.notes)
    for rule, message in (
        ("folders", r"groups='folders': expected auto, none, folder, video, or a regular .*; nearest: folder"),
        ("case", r"expected auto, none, folder, video, or a regular expression with one group"),
        (r"(a)(b)", "with one group"),
        ("(case", r"with one group .* \(missing \)"),
        ("(patient)", "matches no id, such as 'case00-view000'"),
    ):
        with pytest.raises(DataError, match=message):
            read(tmp_path, groups=rule)


def test_too_few_groups_are_said(tmp_path):
    video(tmp_path, "v", 12, 0)
    with pytest.raises(DataError, match=r"12 images with target in 1 groups are too few .* at least 3 groups"):
        read(tmp_path, groups="video")
    with pytest.raises(DataError, match=r"in 1 groups are too few .* or set dataset.options.groups=none to draw"):
        read(tmp_path)
    assert len(read(tmp_path, groups="none").pool) > 4


@pytest.mark.parametrize(
    ("name", "series"),
    [("v1_f007", "v1_f*"), ("p1/007", "p1/*"), ("a12b", "a*b"), ("polyp", "polyp"), ("p1/polyp", "p1/polyp")],
)
def test_a_series_is_a_name_without_its_last_number(name, series):
    assert series_of(name) == series


def test_few_images_are_looked_at_and_broken_ones_passed_over(tmp_path):
    looked: list[Path] = []

    def unrelated(path: Path) -> np.ndarray:
        looked.append(path)
        return np.random.default_rng(len(looked)).integers(0, 255, (*SIZE, 3), dtype=np.uint8)

    ids = [f"v{n % 300}_{i}" for n, i in enumerate(range(3000))]
    assert find_videos(ids, [tmp_path / f"{name}.png" for name in ids], unrelated).series == set()
    assert len(looked) <= 4 * AT_MOST
    names = video(tmp_path, "v", 6, 0) + video(tmp_path, "w", 6, 1)
    names += video(tmp_path, "x", 6, 2)
    (tmp_path / "images" / f"{names[2]}.png").write_bytes(b"broken")
    files = [tmp_path / "images" / f"{name}.png" for name in names]
    assert find_videos(names, files, read_rgb).series == {"v*", "w*", "x*"}


def test_pictures_of_16_bits_are_compared_by_what_they_show(tmp_path):
    rng = np.random.default_rng(3)
    for number in range(4):
        ground = scene(rng, 50)
        for i in range(5):
            name = f"v{number}_{i}"
            save(tmp_path / "images" / f"{name}.png", (ground[:, i : i + 40] * 16).astype(np.uint16))
            save(tmp_path / "masks" / f"{name}.png", half(size=SIZE))
    assert set(read(tmp_path).groups) == {f"v{n}_*" for n in range(4)}


def test_images_that_are_all_alike_by_chance_are_no_video(tmp_path):
    rng = np.random.default_rng(0)
    layers = scene(rng, 40)
    for i in range(24):
        write(tmp_path, f"us_{i:03d}", np.stack([0.5 * layers + 0.5 * scene(rng, 40)] * 3, axis=-1))
    assert read(tmp_path).groups == read(tmp_path).ids


def test_the_csv_counts_where_it_names_a_group():
    keys, notes = group_keys(["a/1", "a/2", "b/1"], [Path()] * 3, ["g", None, None], "folder", read_rgb)
    assert keys == ["g", "a", "b"]
    assert notes == ["3 images in 3 groups (g, a, b), as the CSV names them, by groups=folder"]
