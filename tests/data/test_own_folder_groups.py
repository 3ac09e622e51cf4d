"""Which of a user's images belong together: patients, videos, and warnings where nobody said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_trees import grey, half, save, split_ids

from al_lightning.data.dataset import DataError, DenseDataset
from al_lightning.data.datasets.folder import folder
from al_lightning.data.own.grouping import group_keys, look_like_videos, series_of, thumbnail

SIZE = (32, 40)


def write(root: Path, name: str, values: np.ndarray) -> None:
    save(root / "images" / f"{name}.png", values.clip(0, 255).astype(np.uint8))
    save(root / "masks" / f"{name}.png", half(size=SIZE))


def video(root: Path, stem: str, count: int, seed: int, still: bool = False) -> list[str]:
    """Frames of a scene that moves a little each time; where `still`, frames that have nothing in common."""
    rng = np.random.default_rng(seed)
    scene = np.repeat(np.repeat(rng.uniform(0, 255, (8, 40)), 4, axis=0), 4, axis=1)
    names = [f"{stem}{i:03d}" for i in range(count)]
    for i, name in enumerate(names):
        shown = rng.uniform(0, 255, (8, 10)).repeat(4, axis=0).repeat(4, axis=1) if still else scene[:, i : i + 40]
        write(root, name, np.stack([shown + rng.normal(0, 2, SIZE)] * 3, axis=-1))
    return names


def read(root: Path, **options: object) -> DenseDataset:
    return folder(str(root), size=8, **options)


def test_frames_of_one_video_are_one_group_where_neighbours_look_alike(tmp_path):
    for number in range(6):
        video(tmp_path, f"v{number}_", 8, number)
    stills = video(tmp_path, "still_", 12, 99, still=True)
    data = read(tmp_path, groups="auto")
    of = dict(zip(data.ids, data.groups, strict=True))
    assert {of[f"v{n}_00{i}"] for n in range(6) for i in range(8)} == {f"v{n}_*" for n in range(6)}
    assert [of[name] for name in stills] == stills
    parts = [{of[name] for name in ids} for ids in split_ids(data)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 18
    assert any("60 images in 18 groups (still_000, " in note and "by groups=auto" in note for note in data.notes)


def test_by_name_alone_every_series_is_a_group(tmp_path):
    for number in range(4):
        video(tmp_path, f"p{number}/frame_", 4, number, still=True)
    assert set(read(tmp_path, groups="video").groups) == {f"p{n}/frame_*" for n in range(4)}
    assert set(read(tmp_path, groups="folder").groups) == {f"p{n}" for n in range(4)}
    assert read(tmp_path, groups="auto").groups == read(tmp_path).groups == read(tmp_path).ids


def test_who_draws_frames_one_by_one_is_warned(tmp_path):
    for number in range(3):
        video(tmp_path / "videos", f"v{number}_", 8, number)
        video(tmp_path / "patients", f"p{number}/", 4, number, still=True)
    video(tmp_path / "stills", "s", 12, 7, still=True)

    def warned(root: Path, **options: object) -> list[str]:
        return [note for note in read(root, **options).notes if "may be in several splits" in note]

    (note,) = warned(tmp_path / "videos")
    assert "frames of one video" in note
    assert "v0_*, v1_*, v2_*" in note
    assert "dataset.options.groups=video" in note
    (note,) = warned(tmp_path / "patients")
    assert "they lie in 3 folders (p0, p1, p2)" in note
    assert "dataset.options.groups=folder" in note
    assert warned(tmp_path / "stills") == warned(tmp_path / "videos", groups="video") == []


def test_an_expression_names_the_group(tmp_path):
    for number in range(5):
        video(tmp_path, f"case{number:02d}-view", 3, number, still=True)
    write(tmp_path, "odd", np.zeros((*SIZE, 3)))
    data = read(tmp_path, groups=r"case(\d+)-")
    assert set(data.groups) == {"00", "01", "02", "03", "04", "odd"}
    assert any("1 id does not match and stands for itself (odd)" in note for note in data.notes)
    for rule, message in (
        ("folders", r"groups='folders': expected none, folder, video, auto, or a regular .*; nearest: folder"),
        ("case", r"expected none, folder, video, auto, or a regular expression with one group"),
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


@pytest.mark.parametrize(
    ("name", "series"),
    [("v1_f007", "v1_f*"), ("p1/007", "p1/*"), ("a12b", "a*b"), ("polyp", "polyp"), ("p1/polyp", "p1/polyp")],
)
def test_a_series_is_a_name_without_its_last_number(name, series):
    assert series_of(name) == series


def test_few_images_are_looked_at_and_broken_ones_passed_over(tmp_path, monkeypatch):
    looked: list[Path] = []

    def counted(path: Path) -> np.ndarray | None:
        looked.append(path)
        return thumbnail(path)

    monkeypatch.setattr("al_lightning.data.own.grouping.thumbnail", counted)
    ids = [f"v{n % 300}_{i}" for n, i in enumerate(range(3000))]
    assert look_like_videos(ids, [tmp_path / f"{name}.png" for name in ids], 128) == set()
    assert len(looked) <= 512
    names = video(tmp_path, "v", 6, 0) + video(tmp_path, "w", 6, 1)
    (tmp_path / "images" / f"{names[2]}.png").write_bytes(b"broken")
    files = [tmp_path / "images" / f"{name}.png" for name in names]
    assert look_like_videos(names, files, 128) == {"v*", "w*"}


def test_pictures_of_16_bits_are_compared_by_what_they_show(tmp_path):
    ramp = np.arange(32 * 40, dtype=np.uint16).reshape(SIZE)
    for name, values in (("a", ramp * 50), ("b", 64_000 - ramp * 50)):
        save(tmp_path / f"{name}.png", values)
    a, b = thumbnail(tmp_path / "a.png"), thumbnail(tmp_path / "b.png")
    assert np.abs(a - b).mean() > 50
    assert thumbnail(save(tmp_path / "c.jpg", grey(9, SIZE))) == pytest.approx(9, abs=1)


def test_the_csv_counts_where_it_names_a_group():
    keys, notes = group_keys(["a/1", "a/2", "b/1"], [Path()] * 3, ["g", None, None], "folder")
    assert keys == ["g", "a", "b"]
    assert notes == ["3 images in 3 groups (g, a, b), as the CSV names them, by groups=folder"]
