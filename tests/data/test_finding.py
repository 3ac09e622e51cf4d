"""Finding and pairing files: order, names that clash, layouts in a folder of their own, tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from dataset_trees import grey, save

from al_lightning.data.dataset import DataError
from al_lightning.data.files import by_stem, find_images, locate, pair, read_table, stems

REMEDY = "do something"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("frame10.png", "frame2.PNG", "b/frame1.jpg", "mask_7.bmp"):
        save(tmp_path / "images" / name, grey(0))
    (tmp_path / "images" / "notes.txt").write_text("no image")
    (tmp_path / "images" / "._frame2.png").write_bytes(b"left by an archive of another system")
    return tmp_path / "images"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["frame2.PNG", "frame10.png", "mask_7.bmp"]),
        ({"order": "name"}, ["frame10.png", "frame2.PNG", "mask_7.bmp"]),
        ({"recursive": True}, ["b/frame1.jpg", "frame2.PNG", "frame10.png", "mask_7.bmp"]),
        ({"pattern": r"^frame\d+$"}, ["frame2.PNG", "frame10.png"]),
        ({"pattern": "7$"}, ["mask_7.bmp"]),
    ],
)
def test_images_are_found_in_the_order_that_is_asked_for(images, options, expected):
    assert [path.relative_to(images).as_posix() for path in find_images(images, REMEDY, **options)] == expected


def test_what_is_not_found_is_named_with_the_remedy(images):
    with pytest.raises(FileNotFoundError, match=r"absent: no such folder; do something"):
        find_images(images / "absent", REMEDY)
    with pytest.raises(DataError, match=r"images: holds no image named 'x\$' \(\.jpg, .*\); do something"):
        find_images(images, REMEDY, "x$")


def test_two_files_of_one_name_but_for_the_suffix_are_named(images):
    assert stems([images / "a.jpg", images / "b.v2.png"]) == ["a", "b.v2"]
    assert stems([images / "b" / "a.jpg", images / "a.jpg"], images) == ["b/a", "a"]
    with pytest.raises(DataError, match=r"a\.png: a\.jpg has the same name but for its suffix; keep one of the two"):
        by_stem([images / "a.jpg", images / "a.png"])


def test_each_image_gets_the_target_of_its_key(images):
    masks = {"a": Path("m/a.png"), "b": Path("m/b.png")}
    assert pair([Path("b.jpg"), Path("a.jpg")], ["b", "a"], masks, Path("m")) == [masks["b"], masks["a"]]
    message = r"x\.jpg: no depth map 'x' in m \(1 of 2 images have none\); add the depth maps or remove the images"
    with pytest.raises(DataError, match=message):
        pair([Path("x.jpg"), Path("a.jpg")], ["x", "a"], masks, Path("m"), "depth map")


def test_the_first_layout_that_is_there_is_located_in_the_folder_or_one_below(tmp_path):
    layouts = (("Original", "Ground Truth"), ("images", "masks"))
    assert locate(tmp_path / "nowhere", *layouts) == (tmp_path / "nowhere", layouts[0])
    for name in layouts[1]:
        (tmp_path / "inner" / name).mkdir(parents=True)
    assert locate(tmp_path, *layouts) == (tmp_path / "inner", layouts[1])
    (tmp_path / "images").mkdir()
    assert locate(tmp_path, *layouts) == (tmp_path / "inner", layouts[1]), "half a layout is none"
    for name in layouts[0]:
        (tmp_path / name).mkdir(parents=True)
    assert locate(tmp_path, *layouts) == (tmp_path, layouts[0])


def test_tables_are_read_without_spaces_and_byte_order_mark(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes("name, patient ID\na, 1 \nb\n".encode("utf-8-sig"))
    assert read_table(path) == (
        ["name", "patient ID"],
        [{"name": "a", "patient ID": "1"}, {"name": "b", "patient ID": ""}],
    )
    path.write_bytes("name\nbö\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"table\.csv, line 2: not in UTF-8"):
        read_table(path)
