"""What lies in a folder on a real disk: links, hidden files, litter of systems, files of other kinds."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from dataset_trees import grey, save

from al_lightning.data.errors import DataError
from al_lightning.data.files import IMAGE_SUFFIXES, by_stem, find_images, natural
from al_lightning.data.walk import is_litter, sub_folders, walk

LITTER = (
    *(".a.png", "._a.png", "~$a.png", ".ipynb_checkpoints/a-checkpoint.png", ".Trash-1000/files/old.png"),
    *("@eaDir/a.png/thumb.png", "__MACOSX/images/a.png", "#recycle/a.png", "lost+found/a.png", "Thumbs.db"),
    *(".DS_Store", "desktop.ini", "$RECYCLE.BIN/a.png", "@Recycle/a.png"),
)


def names(folder: Path, **options: bool) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in walk(folder, IMAGE_SUFFIXES, **options).files)


def test_litter_is_left_out_and_said(tmp_path):
    for name in LITTER:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for name in ("a.png", "sub/b.PNG", "sub/Thumbnails.png", "x.y/c.JPeG", "a~.png", "lost.png"):
        save(tmp_path / name, grey(0), format="PNG")
    assert names(tmp_path) == ["a.png", "a~.png", "lost.png", "sub/Thumbnails.png", "sub/b.PNG", "x.y/c.JPeG"]
    (note,) = walk(tmp_path, IMAGE_SUFFIXES).notes()
    assert "14 hidden files and folders left out (" in note
    assert not any(map(is_litter, ("a.png", "trash.png", "@home.png", "#1.png", "Thumbs.png", "a.db")))
    assert [path.name for path in sub_folders(tmp_path)] == ["sub", "x.y"]


def test_files_of_other_kinds_are_counted_by_suffix(tmp_path):
    for name in ("a.txt", "b.TXT", "sub/c.txt", "d.nii.gz", "README"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "folder.png").mkdir()
    save(tmp_path / "folder.png" / "a.webp", grey(0))
    found = walk(tmp_path, IMAGE_SUFFIXES)
    assert [path.name for path in found.files] == ["a.webp"], "a folder named like an image is none"
    assert found.notes() == [f"{tmp_path}: 5 files left out: 1 without suffix, 1 .gz, 3 .txt"]
    assert names(tmp_path, recursive=False) == []


def test_every_suffix_of_an_image_counts_in_any_case(tmp_path):
    wanted = (".gif", ".webp", ".jfif", ".jpe", ".jp2", ".tif", ".tiff", ".bmp", ".png", ".jpg", ".jpeg")
    for number, suffix in enumerate(wanted):
        (tmp_path / f"{number}{suffix if number % 2 else suffix.upper()}").write_bytes(b"x")
    assert len(find_images(tmp_path, "")) == len(wanted) == len(IMAGE_SUFFIXES)


def test_links_are_followed_once_and_cycles_end(tmp_path):
    root, store = tmp_path / "images", tmp_path / "store"
    save(root / "p1" / "a.png", grey(0))
    save(store / "b.png", grey(0))
    (root / "0-link-to-p1").symlink_to(root / "p1")
    (root / "p2").symlink_to(store)
    (store / "loop").symlink_to(root)
    (root / "up").symlink_to(tmp_path)
    (root / "self").symlink_to("self")
    (root / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (root / "c.png").symlink_to(store / "b.png")
    found = walk(root, IMAGE_SUFFIXES)
    assert names(root) == ["c.png", "p1/a.png", "p2/b.png"], "a folder that is read twice has the name without link"
    assert found.real[root / "c.png"] == found.real[root / "p2" / "b.png"] == os.path.realpath(store / "b.png")
    (note,) = found.notes()
    assert "2 broken links left out (gone.png, self)" in note
    assert "3 links to folders that were read already left out (0-link-to-p1, p2/loop, up)" in sorted_names(note)
    with pytest.raises(DataError, match=r"gone\.png: a link to a file that is not there"):
        find_images(root, "", recursive=True)
    assert [path.name for path in find_images(root, "", "^[abc]$", recursive=True)] == ["c.png", "a.png", "b.png"]


def sorted_names(note: str) -> str:
    """The note with the names of its last bracket in order."""
    head, _, names = note.rpartition("(")
    return f"{head}({', '.join(sorted(names.rstrip(')').split(', ')))})"


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"cannot be listed \(Permission denied\)"):
        walk(tmp_path, IMAGE_SUFFIXES)


def test_names_are_compared_in_one_form_of_unicode(tmp_path):
    composed, split = (unicodedata.normalize(form, "mü") for form in ("NFC", "NFD"))
    assert by_stem([tmp_path / f"{split}.png"]) == {composed: tmp_path / f"{split}.png"}
    with pytest.raises(DataError, match="has the same name"):
        by_stem([tmp_path / f"{split}.png", tmp_path / f"{composed}.png"])


def test_natural_order_takes_any_name():
    assert sorted(["b²", "10", "²", "9", "x3y"], key=natural) == ["b²", "x3y", "²", "9", "10"]
