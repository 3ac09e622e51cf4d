"""A user's own CSV: columns under usual names, paths, groups, splits, and one clear line for each mistake."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from dataset_trees import folder_tree, grey, half, save, split_ids

from al_lightning.data.dataset import DataError, DenseDataset
from al_lightning.data.datasets.folder import folder
from al_lightning.data.splits import unit

SPLITS = ["train"] * 6 + ["val"] * 3 + ["test"] * 3


def lines_of(splits: list[str], separator: str = ",") -> str:
    cells = ([f"images/{n}.JPG", f"masks/{n}.png", split] for n, split in enumerate(splits))
    return "".join(separator.join(row) + "\n" for row in cells)


def csv(root: Path, text: str, **options: object) -> DenseDataset:
    (root / "list.csv").write_text(text)
    return folder(str(root), csv="list.csv", size=8, **options)


def names_of(data: DenseDataset) -> list[set[str]]:
    return [set(ids) for ids in split_ids(data)]


def said(data: DenseDataset) -> tuple[str, ...]:
    """The notes but for those on what masks mean."""
    return tuple(note for note in data.notes if not note.startswith("masks: "))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return folder_tree(tmp_path / "set", [str(i) for i in range(12)])


def test_groups_and_splits_as_named_and_the_rest_drawn(root):
    names = range(12)
    lines = [f"images/{n}.JPG,masks/{n}.png,v{n // 2}" for n in names]
    splits = ["train"] * 6 + ["VAL"] * 2 + ["test"] * 2 + ["", ""]
    save(root / "images" / "extra.JPG", grey(3), format="JPEG")
    assigned = [f"{line},{split}" for line, split in zip(lines, splits, strict=True)]
    data = csv(root, "\n".join(["image, target, group, split", *assigned, "images/extra.JPG,,,"]))
    pool, validation, test = names_of(data)
    assert validation == {"images/6", "images/7"}
    assert test == {"images/8", "images/9"}
    assert len(pool) == 9
    assert "images/extra" in pool
    assert data.groups == (*(f"v{n // 2}" for n in names), "images/extra")
    # Without the column, groups are drawn whole.
    data = csv(root, "image,target,group\n" + "\n".join(lines))
    videos = [{int(name.split("/")[1]) // 2 for name in ids} for ids in names_of(data)]
    assert sum(len(v) for v in videos) == len(set.union(*videos)) == 6
    # A split that the column does not name is drawn from the pool.
    lines = [f"images/{n}.JPG,masks/{n}.png,{'test' if n > 9 else 'train'}" for n in names]
    pool, validation, test = names_of(csv(root, "\n".join(["image,target,split", *lines])))
    assert test == {"images/10", "images/11"}
    assert validation == {f"images/{n}" for n in range(10) if unit(f"images/{n}") < 0.1}


@pytest.mark.parametrize(
    ("header", "separator", "expected"),
    [
        ("image,target,split", ",", ()),
        ("Image,TARGET,Split", ",", ("image = 'Image', target = 'TARGET', split = 'Split'",)),
        ("File Name;mask;set", ";", ("separated by semicolons", "image = 'File Name', target = 'mask'")),
        ("img\tannotation\tSubset", "\t", ("separated by tabs", "split = 'Subset'")),
        ("path|label|fold", "|", ("separated by bars", "split = 'fold'")),
    ],
)
def test_columns_under_usual_names_and_other_separators(root, header, separator, expected):
    data = csv(root, header + "\n" + lines_of(SPLITS, separator))
    assert [len(ids) for ids in split_ids(data)] == [6, 3, 3]
    assert data.ids[4] == "images/4"
    for note, text in zip(said(data), expected, strict=True):
        assert text in note


def test_words_for_splits(root):
    words = ["Train", "TRAINING", "pool", "", "train ", "train", "Val", "valid", "VALIDATION", "Test", "TEST", "test"]
    assert [len(ids) for ids in split_ids(csv(root, "image,target,split\n" + lines_of(words)))] == [6, 3, 3]


@pytest.mark.parametrize("column", ["group", "Patient", "patient_id", "Patient ID", "case", "video", "sequence"])
def test_a_patient_is_in_one_split_whatever_its_column_is_called(root, column):
    cells = lines_of([f"P{i // 2}" for i in range(12)])
    data = csv(root, f"image,target,{column}\n{cells}")
    assert data.groups == tuple(f"P{i // 2}" for i in range(12))
    assert any("12 images in 6 groups (P0, P1, P2 and 3 more), as the CSV names them" in note for note in data.notes)


def test_columns_that_are_not_read_are_named(root):
    data = csv(root, "image,target,splt\n" + lines_of(SPLITS))
    assert "list.csv: columns not read: 'splt' (nearest: split)" in data.notes
    data = csv(root, ",image,mask,age\n" + "".join(f"7,{line}\n" for line in lines_of(SPLITS).splitlines()))
    assert "list.csv: columns not read: number 1, which has no name, 'age'" in data.notes
    # The mask of a set is no depth map.
    with pytest.raises(DataError, match=r"no target; not read: 'mask' \(read with dataset.options.task=segmentation\)"):
        csv(root, "image,mask,split\n" + lines_of(SPLITS), task="depth")
    assert csv(root, "image,Depth,mask\n" + lines_of(["x.png"] * 12), task="depth").ids[0] == "images/0"


def test_one_table_a_split(tmp_path):
    for i in range(12):
        save(tmp_path / "data" / f"{i}.png", grey(i))
        save(tmp_path / "gt" / f"{i}.png", half())
    parts = {"train": range(6), "my_val": range(6, 9), "test": range(9, 12)}
    for name, numbers in parts.items():
        lines = "".join(f"data/{i}.png,gt/{i}.png\n" for i in numbers)
        (tmp_path / f"{name}.csv").write_text(f"image,mask\n{lines}")
    data = folder(str(tmp_path), size=8, csv="*.csv")
    assert [{int(name.split("/")[1]) for name in ids} for ids in split_ids(data)] == [{*r} for r in parts.values()]
    assert data.targets[data.ids.index("data/7")] == tmp_path / "gt" / "7.png"
    assert any("splits by the names of the tables: my_val.csv = validation, test.csv = test" in n for n in data.notes)
    with (tmp_path / "test.csv").open("a") as table:
        table.write("data/2.png,gt/2.png\n")
    with pytest.raises(DataError, match=r"train\.csv: 'data/2' is in test\.csv too; keep one"):
        folder(str(tmp_path), size=8, csv="*.csv")
    with pytest.raises(FileNotFoundError, match=r"x\*\.csv: no such file; dataset.options.csv='x\*\.csv'"):
        folder(str(tmp_path), csv="x*.csv")


def test_mistakes_are_named_by_line(root):
    splits = ["train"] * 4 + ["val", "test"]
    good = [f"images/{n}.JPG,masks/{n}.png,g{n},{split}" for n, split in enumerate(splits)]
    head = "image,target,group,split\n"
    assert len(csv(root, head + "\n".join(good)).pool) == 4
    save(root / "images" / "0.png", grey(0))
    for line, message in (
        ("images/99.JPG,masks/6.png,,", r"line 8: images/99\.JPG: no such file; tried .*/set/images/99\.JPG"),
        ("images/6.JPG,masks/99.png,,", r"line 8: masks/99\.png: no such file"),
        ("images,masks/6.png,,", "line 8: images: is a folder"),
        ("images/0.JPG,masks/6.png,,", r"line 8: images/0\.JPG: same file as in line 2; keep one of the two"),
        ("images/../images/0.JPG,masks/6.png,,", r"line 8: .*: same file as in line 2"),
        (f"{root}/images/0.JPG,masks/6.png,,", r"line 8: .*: same file as in line 2"),
        ("images\\0.JPG,masks/6.png,,", r"line 8: .*: same file as in line 2"),
        ("images/0.png,masks/6.png,,", r"line 8: 'images/0' is already in line 2"),
        ("images/6.JPG,images/6.JPG,,", "line 8: .* the image and its target are one file"),
        ("images/6.JPG,masks/6.png,,tset", "line 8: split='tset'; expected train, val or test, or nothing$"),
        ("images/6.JPG,masks/6.png,,2", "line 8: split='2'; .*; a number does not say which split it is"),
        (",masks/6.png,,", "line 8: no image"),
        ("images/6.JPG,masks/6.png", "line 8: 2 cells, but the first line names 4 columns; write each separator"),
        ("images/6.JPG,masks/6.png,,,x", "line 8: 5 cells, but the first line names 4 columns; quote a path"),
        ("images/6.JPG,,,test", r"6\.JPG: an image of test needs a target"),
        ("images/6.JPG,masks/6.png,g0,test", "group g0 is in two splits"),
    ):
        with pytest.raises(DataError, match=message):
            csv(root, head + "\n".join([*good, line]))
    for text, message in (
        ("picture\nx\n", r"columns \['picture'\]; expected image, target.*no image and no target"),
        ("image,target\n", "names columns and no image"),
        ("image,mask,label\na,b,c\n", "the columns 'mask' and 'label' both mean target; rename or remove one"),
        ("image,mask,case,Patient ID\na,b,c,d\n", "the columns 'case' and 'Patient ID' both mean group"),
    ):
        with pytest.raises(DataError, match=message):
            csv(root, text)
    with pytest.raises(DataError, match=r"unset dataset\.options\.images"):
        csv(root, head + "\n".join(good), images="images")


def test_a_shared_target_is_said(root):
    data = csv(root, "image,target,split\n" + lines_of(SPLITS).replace("masks/3.png", "masks/1.png"))
    assert said(data) == (f"list.csv: more than one image has the same target: lines 3, 5: {root}/masks/1.png",)


def test_paths_start_from_the_csv_from_root_or_from_the_working_folder(root, tmp_path, monkeypatch):
    text = "image,target,split\n" + lines_of(SPLITS)
    lists, elsewhere = tmp_path / "lists", tmp_path / "elsewhere"
    lists.mkdir()
    elsewhere.mkdir()
    (lists / "list.csv").write_text(text)
    (root / "list.csv").write_text(text)
    monkeypatch.chdir(elsewhere)
    expected = tuple(root / "images" / f"{n}.JPG" for n in range(12))
    assert folder(str(elsewhere), csv=str(root / "list.csv")).images == expected, "the folder of the CSV"
    assert folder(str(root), csv=str(lists / "list.csv")).images == expected, "root"
    with pytest.raises(DataError, match=r"line 2: images/0\.JPG: no such file; tried .*lists.* and .*elsewhere"):
        folder(str(elsewhere), csv=str(lists / "list.csv"))
    monkeypatch.chdir(root)
    assert folder(str(elsewhere), csv=str(lists / "list.csv")).images == expected, "the working folder"
    # A CSV and root that are relative themselves.
    monkeypatch.chdir(tmp_path)
    assert folder("set", csv="list.csv").images == expected
    assert folder("set", csv="lists/list.csv").images == expected
    with pytest.raises(FileNotFoundError, match=rf"tried {root}/no\.csv and {tmp_path}/no\.csv"):
        folder("set", csv="no.csv")
    with pytest.raises(DataError, match=f"{root}/images: is a folder"):
        folder("set", csv="images")
    # Which of two different files is meant is not guessed.
    save(lists / "images" / "3.JPG", grey(9), format="JPEG")
    with pytest.raises(DataError, match=r"line 5: images/3\.JPG: is both .* and .*; write the absolute path"):
        folder("set", csv="lists/list.csv")


def test_names_in_either_form_of_unicode(root):
    composed, split = (unicodedata.normalize(form, "mü") for form in ("NFC", "NFD"))
    save(root / "images" / f"{split}.png", grey(0))
    save(root / "masks" / f"{composed}.png", half())
    line = f"images/{composed}.png,masks/{split}.png,train\n"
    data = csv(root, "image,target,split\n" + lines_of(SPLITS) + line)
    assert data.ids[-1] == f"images/{composed}"
    assert data.images[-1].is_file()
    assert data.targets[-1].is_file()
