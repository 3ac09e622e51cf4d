"""A user's own folders: where images and targets lie, what is left out, and what is said about it."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from dataset_trees import clinicdb_tree, depth_tree, folder_tree, glas_tree, grey, half, save, split_ids

from al_lightning.data.dataset import DataError, DenseDataset
from al_lightning.data.datasets.folder import folder

NAMES = [str(i) for i in range(20)]


def tree(
    root: Path, images: str, targets: str, names: Iterable[str] = NAMES, masks: Iterable[str] | None = None
) -> Path:
    """Files named by a pattern with {}, such as "images/{}.png"."""
    names = list(names)
    for i, name in enumerate(names):
        save(root / images.format(name), grey(i))
    for name in names if masks is None else masks:
        save(root / targets.format(name), half())
    return root


def read(root: Path, **options: object) -> DenseDataset:
    data = folder(str(root), size=8, groups="none", **options)
    split_ids(data)
    return data


def said(data: DenseDataset) -> tuple[str, ...]:
    """The notes but for those on what masks mean."""
    return tuple(note for note in data.notes if not note.startswith("masks: "))


def paired(data: DenseDataset) -> int:
    """Rows with a target, which is named for its image."""
    return sum(target is not None for target in data.targets)


@pytest.mark.parametrize(
    ("images", "targets", "note"),
    [
        ("images/{}.png", "masks/{}.gif", None),
        ("images/{}.jpeg", "masks/{}_segmentation.png", "images/<name> with masks/<name>_segmentation"),
        ("Original/{}.tif", "Ground Truth/{}.tif", "Original/<name> with Ground Truth/<name>"),
        ("imgs/{}.webp", "Labels/{}.png", "imgs/<name> with Labels/<name>"),
        ("frames/{}.png", "annotations/{}.bmp", "frames/<name> with annotations/<name>"),
        ("input/{}.png", "targets/{}.png", "input/<name> with targets/<name>"),
        ("RGB/img_{}.png", "gt/gt_{}.png", "RGB/img_<name> with gt/gt_<name>"),
        ("pkg/images/{}.png", "pkg/masks/{}.png", "*/images/<name> with */masks/<name>"),
        ("{}.png", "masks/{}.png", "<name> with masks/<name>"),
        ("{}.png", "{}_mask.png", "<name> with <name>_mask"),
        ("images/{}.png", "images/{}_mask.png", "images/<name> with images/<name>_mask"),
        ("images/{}.png", "images/masks/{}.png", "<name> with masks/<name>"),
        ("p1/{}.png", "p1/masks/{}.png", "*/<name> with */masks/<name>"),
        ("p1/{}.png", "masks/p1/{}.png", "<name> with masks/<name>"),
        ("images/{}.png", "masks/{}_1.png", "images/<name> with masks/<name>_<number>"),
        ("images/A{}.png", "masks/a{}.png", "images/<name> with masks/<name>, whatever the case"),
        ("images/p1/{}.png", "masks/{}.png", "images/<name> with masks/<name>, whatever the folder"),
    ],
)
def test_usual_names_are_found_and_said(tmp_path, images, targets, note):
    data = read(tree(tmp_path, images, targets))
    assert paired(data) == len(data.ids) == 20
    for image, target in zip(data.images, data.targets, strict=True):
        number, of_target = (re.search(r"\d+", path.stem)[0] for path in (image, target))
        assert number == of_target
    assert [text for text in data.notes if "paired by" in text] == ([f"masks paired by: {note}"] if note else [])


def test_published_layouts_are_read_as_they_are(tmp_path):
    assert paired(read(glas_tree(tmp_path / "glas", {"train": 10, "testA": 5}), foreground=[1, 7])) == 15
    assert paired(read(clinicdb_tree(tmp_path / "clinic", 15))) == 15
    data = read(depth_tree(tmp_path / "depth", {"T1": 6, "T2": 6}), task="depth")
    assert paired(data) == len(data.ids) == 12
    assert data.ids[0] == "T1/FrameBuffer_0000"
    assert data.targets[0] == tmp_path / "depth" / "T1" / "Depth_0000.png"


def test_depth_may_be_arrays_beside_their_images(tmp_path):
    for way, (image, depth) in enumerate(
        [("images/{}.png", "depth/{}.npy"), ("{}.png", "{}.npy"), ("a_{}.png", "d_{}.npy")]
    ):
        root = tree(tmp_path / str(way), image, "", masks=())
        for i, name in enumerate(NAMES):
            (root / depth.format(name)).parent.mkdir(exist_ok=True)
            np.save(root / depth.format(name), np.full((6, 8), i + 1, np.float32))
        if way < 2:
            data = read(root, task="depth", unit="cm")
            assert [float(data.read_target(row).max()) for row in range(20)] == [*range(1, 21)]
    with pytest.raises(DataError, match=r"no rule pairs the images 'a_0', .* with the depth maps 'd_0'"):
        read(root, task="depth")
    with pytest.raises(FileNotFoundError, match="holds no folder of masks"):
        read(tmp_path / "1")


def test_a_folder_for_each_patient(tmp_path):
    for patient in range(6):
        tree(tmp_path, f"p{patient}/images/{{}}.png", f"p{patient}/Masks/{{}}.png", NAMES[:4])
    tree(tmp_path, "p7/images/{}.png", "", ["x"], masks=())
    save(tmp_path / "sketches" / "a.png", grey(0))
    data = folder(str(tmp_path), size=8, groups="folder")
    assert len(data.ids) == 25
    assert data.ids[:2] == ("p0/0", "p0/1")
    assert data.targets[data.ids.index("p7/x")] is None
    assert set(data.groups) == {*(f"p{i}" for i in range(6)), "p7"}
    assert f"{tmp_path}: not read: sketches" in data.notes
    # Another patient leaves the ids as they are.
    tree(tmp_path, "p8/images/{}.png", "p8/masks/{}.png", NAMES[:4])
    assert set(data.ids) < set(folder(str(tmp_path), size=8).ids)


def test_splits_by_folders_are_kept(tmp_path):
    of = {"train": NAMES[:12], "val": NAMES[12:15], "test": NAMES[15:]}
    for way, (images, targets) in enumerate(
        [
            ("{split}/images/{{}}.png", "{split}/masks/{{}}.png"),
            ("images/{split}/{{}}.png", "masks/{split}/{{}}.png"),
            ("{split}_images/{{}}.png", "{split}_masks/{{}}.png"),
            ("{split}Dataset/image/{{}}.png", "{split}Dataset/mask/{{}}.png"),
        ]
    ):
        for split, names in of.items():
            tree(tmp_path / str(way), *(text.format(split=split.title()) for text in (images, targets)), names)
        data = read(tmp_path / str(way))
        assert [len(ids) for ids in split_ids(data)] == [12, 3, 5]
        assert "splits as the folders say: pool, test, validation" in data.notes
    # A test folder whose masks nobody has: its images are in no split, and a test split is drawn.
    for mask in (tmp_path / "1" / "masks" / "Test").iterdir():
        mask.unlink()
    pool, validation, test = split_ids(read(tmp_path / "1"))
    assert len(validation) == 3
    assert not any(name.startswith("Test") for name in (*pool, *test))


def test_options_name_folders_and_patterns(tmp_path):
    for patient in "ab":
        tree(tmp_path, f"{patient}/shots/{{}}.png", f"{patient}/drawn by hand/{{}}.png", NAMES[:10])
    for images, targets in (
        ("*/shots/*.png", "*/drawn by hand/*.png"),
        ("*/shots", "*/drawn by hand"),
        (f"{tmp_path}/*/shots/*", "*\\drawn by hand\\*.PNG"),
        ("**/shots/*.png", "**/drawn by hand/*"),
    ):
        data = read(tmp_path, images=images, targets=targets)
        assert paired(data) == 20
        assert data.ids[:2] == ("a/0", "a/1")
    data = read(tmp_path / "a", images="shots", targets=str(tmp_path / "a" / "drawn by hand"))
    assert paired(data) == 10
    flat = tree(tmp_path / "flat", "{}.png", "{}_x.png")
    data = read(flat, images="*.png", targets="*_x.png")
    assert paired(data) == len(data.ids) == 20, "what is a target is no image"
    odd = tree(tmp_path / "odd", "im{{x}}/{}.png", "[old] masks/{}.png")
    data = read(odd, images="im{x}", targets="[old] masks")
    assert "masks paired by: im{x}/<name> with [old] masks/<name>" in data.notes
    with pytest.raises(DataError, match="odd: images and masks are the same files"):
        read(odd, images="im{x}", targets="im{x}")
    usual = tree(tmp_path / "usual", "shots/{}.png", "masks/{}.png")
    assert paired(read(usual, images="shots")) == 20
    for options, kind, message in (
        (
            {"images": "nope"},
            FileNotFoundError,
            r"usual/nope: no such folder; dataset\.options\.images='nope' is a folder",
        ),
        ({"targets": "no/*/x.png"}, FileNotFoundError, r"no folder of images|usual/no: no such folder"),
        ({"images": "*/*.bmp"}, DataError, r"usual/\*/\*\.bmp: no such images .*dataset\.options\.images"),
        ({"targets": "masks"}, FileNotFoundError, r"no folder of images; name it with dataset\.options\.images"),
    ):
        with pytest.raises(kind, match=message):
            read(usual, **options)


def test_what_is_left_out_is_counted_and_named(tmp_path):
    root = folder_tree(tmp_path, NAMES)
    save(root / "images" / ".ipynb_checkpoints" / "0-checkpoint.png", grey(0))
    save(root / "images" / ".Trash-1000" / "files" / "old.png", grey(0))
    save(root / "masks" / "@eaDir" / "0.png", half())
    (root / "images" / "notes.txt").write_text("x")
    (root / "images" / "7.nii.gz").write_text("x")
    (root / "images" / "gone.png").symlink_to("nowhere.png")
    save(root / "images" / "5_superpixels.png", grey(0))
    save(root / "images" / "alone.png", grey(0))
    save(root / "masks" / "lost.png", half())
    save(root / "images2" / "x.png", grey(0))
    data = read(root)
    assert sorted(data.ids) == sorted([*NAMES, "alone"])
    assert said(data)[:6] == (
        f"{root}/images: 2 files left out: 1 .gz, 1 .txt; 2 hidden files and folders left out (.Trash-1000, "
        ".ipynb_checkpoints); 1 broken link left out (gone.png)",
        f"{root}/masks: 1 hidden file or folder left out (@eaDir)",
        f"{root}: not read: images2",
        "1 file left out, shown elsewhere (5_superpixels)",
        "masks without image: 1 of 21 (lost)",
        "images without mask: 1 of 21 (alone)",
    )


def test_linked_folders_are_read_and_linked_images_once(tmp_path):
    root = folder_tree(tmp_path / "set", NAMES)
    store = folder_tree(tmp_path / "store", ["x", "y"])
    for part in ("images", "masks"):
        (root / part / "p1").symlink_to(store / part)
    (root / "images" / "again.JPG").symlink_to(root / "images" / "3.JPG")
    (root / "images" / "loop").symlink_to(root)
    data = read(root)
    assert sorted(data.ids) == sorted([*NAMES, "p1/x", "p1/y"])
    assert paired(data) == 22
    assert "1 image left out, links to others (again is 3)" in data.notes
    # Folders of patients that link to each other.
    for name in ("a", "b"):
        tree(tmp_path / "many", f"{name}/images/{{}}.png", f"{name}/masks/{{}}.png")
    (tmp_path / "many" / "0").symlink_to(tmp_path / "many")
    assert len(read(tmp_path / "many").ids) == 40


def test_masks_in_another_form_of_unicode_or_case(tmp_path):
    composed, split = (unicodedata.normalize(form, "ü{}") for form in ("NFC", "NFD"))
    data = read(tree(tmp_path / "a", f"images/{composed}.png", f"masks/{split}.png"))
    assert paired(data) == 20
    assert data.ids[0] == composed.format(0)
    root = tree(tmp_path / "b", "images/{}.png", "masks/{}.png", [*"abcdefgh", *"ABCDEFGH"])
    assert paired(read(root)) == len(read(root).ids) == 16, "names that differ in case alone are two images"


def test_several_masks_are_refused_or_joined(tmp_path):
    root = tree(tmp_path, "images/{}.png", "masks/{}_mask.png")
    other = half()[:, ::-1].copy()
    other[0] = 0
    save(root / "masks" / "3_mask_1.png", other)
    with pytest.raises(
        DataError, match=r"3_mask\.png: its image has 2 targets, also 3_mask_1\.png \(so 1 image\); .*union"
    ):
        read(root)
    data = read(root, several_masks="union")
    row = data.ids.index("3")
    assert np.array_equal(data.read_target(row), half(1) | (other > 0))
    assert np.array_equal(data.read_target(row, root / "masks" / "4_mask.png"), half(1)), "another file stands alone"
    assert any("several masks, of which the union is taken: 1 image" in note for note in data.notes)
    for options in ({"classes": ["a", "b", "c"]}, {"task": "depth", "targets": "masks"}):
        with pytest.raises(DataError, match="keep one, or merge them into one file"):
            read(root, several_masks="union", **options)
    save(root / "masks" / "3_mask_1.png", np.zeros((3, 3), np.uint8))
    with pytest.raises(DataError, match=r"3_mask_1\.png: differs in size from 3_mask\.png"):
        read(root, several_masks="union").read_target(row)


def test_nothing_to_read_is_said_with_what_to_do(tmp_path):
    both = tree(tmp_path / "both", "images/a{}.png", "masks/b{}.png")
    with pytest.raises(DataError, match=r"both: no rule pairs the images 'a0', 'a1', \.\.\. with the masks 'b0', 'b1'"):
        read(both)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no image and no folder of images; put your images in"):
        read(tmp_path / "empty")
    for part in ("images", "masks"):
        (tmp_path / "bare" / part).mkdir(parents=True)
    with pytest.raises(DataError, match="bare/images: holds no image; put your images in"):
        read(tmp_path / "bare")
    tree(tmp_path / "bare", "images/{}.png", "", masks=())
    (tmp_path / "bare" / "masks" / "1.json").write_text("{}")
    with pytest.raises(
        DataError,
        match=r"bare/masks: holds no image; .*: 1 \.json; .* drawn as masks first; put your images",
    ):
        read(tmp_path / "bare")
    same = tree(tmp_path / "same", "images/{}.png", "masks/{}.png")
    save(same / "masks" / "3.tif", half())
    with pytest.raises(DataError, match=r"3\.tif: 3\.png has the same name but for its suffix; keep one"):
        read(same)


def test_root_is_absolute_in_messages_and_a_hash_is_a_sign_like_others(tmp_path, monkeypatch):
    folder_tree(tmp_path / "data #2 [old]", NAMES)
    monkeypatch.chdir(tmp_path)
    assert len(read(Path("data #2 [old]")).ids) == 20
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path}/data: no such folder"):
        read(Path("data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(read(Path("~/data #2 [old]")).ids) == 20


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_not_in_utf8_is_said(tmp_path):
    root = folder_tree(tmp_path, NAMES)
    (root / "images" / os.fsdecode(b"b\xf6.png")).write_bytes(b"x")
    with pytest.raises(DataError, match="the name is not in UTF-8; rename the file"):
        read(root)


@pytest.mark.parametrize("size", [[32], [], [1, 2, 3], 0, -4, [8, 0], [8.5, 8], "32", True, None, [True, 8]])
def test_a_size_that_is_none_is_refused_by_name(tmp_path, size):
    with pytest.raises(
        DataError, match=r"dataset\.options\.size=.*: expected a number of pixels of at least 1, or \[height"
    ):
        folder(str(tmp_path), size=size)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("p{p}/visit{i}/s1/image.png", "p{p}/visit{i}/s1/mask.png"),
        ("p{p}/{i}/IMG.JPG", "p{p}/{i}/GT.png"),
        ("images/p{p}/{i}/image.png", "masks/p{p}/{i}/mask.png"),
    ],
)
def test_a_folder_for_each_image_whose_files_are_named_for_what_they_are(tmp_path, image, mask):
    for i in range(12):
        save(tmp_path / image.format(p=i % 3, i=i), grey(i))
        save(tmp_path / mask.format(p=i % 3, i=i), half())
    data = folder(str(tmp_path), size=8)
    for path, target in zip(data.images, data.targets, strict=True):
        number = int(re.search(r"(\d+)(?=/(s1/)?\w+\.\w+$)", path.as_posix())[1])  # type: ignore[index]
        assert target == tmp_path / mask.format(p=number % 3, i=number)
    assert len(data.ids) == 12
    assert any("paired by: " in note and "<folder>/" in note for note in data.notes)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("v.mp4", ".mp4 is a video, whose frames have to be saved as images first"),
        ("images/a.nii.gz", ".gz is a volume"),
        ("images/a.HEIC", ".heic is an image of a kind that is not read"),
        ("../set.zip", "is a file; .zip is an archive, which has to be unpacked first"),
    ],
)
def test_files_that_are_not_read_are_named_with_what_helps(tmp_path, file, message):
    root = tmp_path / "set"
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    root.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        folder(str(root if ".." not in file else tmp_path / "set.zip"))
