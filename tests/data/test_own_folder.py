"""The loader of a user's own data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_trees import folder_tree, grey, half, save, split_ids

from al_lightning.data.dataset import DataError, DenseDataset
from al_lightning.data.datasets.folder import folder


def names_of(data: DenseDataset) -> list[set[str]]:
    return [set(ids) for ids in split_ids(data)]


def csv(root: Path, text: str) -> DenseDataset:
    (root / "list.csv").write_text(text)
    return folder(str(root), csv="list.csv", size=8)


def test_two_folders_with_sub_folders_and_an_unlabelled_pool(tmp_path):
    names = [f"p{i // 10}/frame{i % 10}" for i in range(50)]
    unlabelled = ("p0/frame0", "p3/frame9")
    root = folder_tree(tmp_path, names, unlabelled)
    data = folder(str(root), size=8)
    pool, validation, test = names_of(data)
    assert (len(pool), len(validation), len(test)) == (35, 5, 10)
    assert set(unlabelled) <= pool
    assert pool | validation | test == set(names)
    assert data.targets[data.ids.index("p3/frame9")] is None
    with pytest.raises(DataError, match=r"p3/frame9.*has no target"):
        data.read_target(data.ids.index("p3/frame9"))
    assert data.facts == {"groups": 50, "pool_images_without_target": 2, "left_out": 0}
    assert np.array_equal(data.read_target(data.ids.index("p1/frame3")), half(1))
    again = folder(str(root), size=8)
    assert np.array_equal(data.test, again.test)


def test_sub_folders_as_groups_never_straddle_and_their_unlabelled_images_are_left_out(tmp_path):
    names = [f"patient{i // 10}/{i % 10}" for i in range(100)]
    unlabelled = tuple(f"patient{p}/0" for p in range(10))
    data = folder(str(folder_tree(tmp_path, names, unlabelled)), size=8, groups="folder")
    patients = [{name.split("/")[0] for name in ids} for ids in names_of(data)]
    assert [len(p) for p in patients] == [7, 1, 2]
    assert len(set.union(*patients)) == 10
    assert (len(data.pool), len(data.validation), len(data.test)) == (70, 9, 18)
    assert data.facts["left_out"] == 3


def test_depth_of_8_and_16_bits_in_cm(tmp_path):
    names = [str(i) for i in range(10)]
    root = folder_tree(tmp_path, names, targets="depth")
    save(root / "depth" / "3.png", np.array([[0, 32767, 65535] * 2] * 6 * 1, dtype=np.uint16)[:, :6])
    save(root / "images" / "3.JPG", grey(0, (6, 6)), format="JPEG")
    data = folder(str(root), task="depth", maximum_cm=10, size=8)
    assert data.task.kind == "depth"
    assert data.read_target(3)[0, :3].tolist() == pytest.approx([0, 5, 10], abs=1e-3)
    assert data.read_target(4)[0, [0, -1]].tolist() == pytest.approx([0, 10])
    inverted = folder(str(root), task="depth", maximum_cm=10, invert=True, size=8)
    assert inverted.read_target(4)[0, [0, -1]].tolist() == pytest.approx([10, 0])


def test_masks_follow_one_rule_for_the_whole_set(tmp_path):
    root = folder_tree(tmp_path, [str(i) for i in range(10)])
    save(root / "masks" / "0.png", half(200))
    save(root / "masks" / "1.png", half(100))
    save(root / "masks" / "2.png", half().astype(bool))
    save(root / "masks" / "3.png", half(1))
    save(root / "masks" / "4.png", half(0))
    data = folder(str(root), size=8)
    assert [int(data.read_target(row).max()) for row in (0, 1, 2, 4, 5)] == [1, 0, 1, 0, 1]
    with pytest.raises(DataError, match=r"3\.png.*only 0 and 1.*masks=index"):
        data.read_target(3)
    index = folder(str(root), masks="index", size=8)
    assert [int(index.read_target(row).max()) for row in (2, 3, 4, 5)] == [1, 1, 0, 255]
    with pytest.raises(DataError, match=r"0\.png: holds 200; expected class numbers 0 to 1"):
        index.read_target(0)
    three = folder(str(root), classes=["ground", "polyp", "tool"], size=8)
    save(root / "masks" / "3.png", half(2))
    assert set(np.unique(three.read_target(3))) == {0, 2}
    with pytest.raises(DataError, match="masks=threshold: needs two classes"):
        folder(str(root), classes=["a", "b", "c"], masks="threshold")
    with pytest.raises(DataError, match="at least two different names"):
        folder(str(root), classes=["polyp"])


def test_csv_with_groups_and_splits(tmp_path):
    names = [str(i) for i in range(12)]
    folder_tree(tmp_path, names)
    lines = [f"images/{n}.JPG,masks/{n}.png,v{int(n) // 2}" for n in names]
    splits = ["train"] * 6 + ["VAL"] * 2 + ["test"] * 2 + ["", ""]
    save(tmp_path / "images" / "extra.JPG", grey(3), format="JPEG")
    assigned = [f"{line},{split}" for line, split in zip(lines, splits, strict=True)]
    data = csv(tmp_path, "\n".join(["image, target, group, split", *assigned, "images/extra.JPG,,,"]))
    pool, validation, test = names_of(data)
    assert validation == {"images/6", "images/7"}
    assert test == {"images/8", "images/9"}
    assert len(pool) == 9
    assert "images/extra" in pool
    # Without the column, groups are drawn whole.
    data = csv(tmp_path, "image,target,group\n" + "\n".join(lines))
    videos = [{int(name.split("/")[1]) // 2 for name in ids} for ids in names_of(data)]
    assert sum(len(v) for v in videos) == len(set.union(*videos)) == 6
    # A split that the column does not name is drawn from the pool.
    lines = [f"images/{n}.JPG,masks/{n}.png,{'test' if int(n) > 9 else 'train'}" for n in names]
    data = csv(tmp_path, "\n".join(["image,target,split", *lines]))
    assert [len(ids) for ids in names_of(data)] == [9, 1, 2]


def test_mistakes_in_a_csv_are_named_by_line(tmp_path):
    folder_tree(tmp_path, [str(i) for i in range(8)])
    splits = ["train"] * 4 + ["val", "test"]
    good = [f"images/{n}.JPG,masks/{n}.png,g{n},{split}" for n, split in enumerate(splits)]
    head = "image,target,group,split\n"
    assert len(csv(tmp_path, head + "\n".join(good)).pool) == 4
    for line, message in (
        ("images/99.JPG,masks/6.png,,", r"line 8: .*99\.JPG: no such file"),
        ("images/6.JPG,masks/99.png,,", r"line 8: .*masks/99\.png: no such file"),
        ("images/0.JPG,masks/6.png,,", "line 8: 'images/0' is already in line 2"),
        ("images/6.JPG,masks/6.png,,tset", "line 8: split='tset'; expected train, val or test"),
        (",masks/6.png,,", "line 8: no image"),
        ("images/6.JPG,,,test", r"6\.JPG: an image of test needs a target"),
        ("images/6.JPG,masks/6.png,g0,test", "group g0 is in two splits"),
    ):
        with pytest.raises(DataError, match=message):
            csv(tmp_path, head + "\n".join([*good, line]))
    with pytest.raises(DataError, match=r"columns \['picture'\]; expected image, target"):
        csv(tmp_path, "picture\nx\n")
    with pytest.raises(FileNotFoundError, match=r"dataset\.options\.csv is absolute or relative"):
        folder(str(tmp_path), csv="no.csv")
    (tmp_path / "list.csv").write_bytes("image,target\nbö.png,\n".encode("latin-1"))
    with pytest.raises(DataError, match="not in UTF-8"):
        folder(str(tmp_path), csv="list.csv")


def test_mistakes_in_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError) as info:
        folder(str(tmp_path / "mine"))
    for text in (str(tmp_path / "mine" / "images"), "dataset.options.root", "dataset.options.csv"):
        assert text in str(info.value)
    root = folder_tree(tmp_path / "mine", ["a", "b"], unlabelled=("a", "b"))
    with pytest.raises(FileNotFoundError, match="masks"):
        folder(str(root))
    (root / "masks").mkdir()
    with pytest.raises(DataError, match="masks: holds no image"):
        folder(str(root))
    save(root / "masks" / "a.png", half())
    with pytest.raises(DataError, match="1 images with target in 1 groups are too few"):
        folder(str(root))
    save(root / "masks" / "b_mask.png", half())
    with pytest.raises(DataError, match=r"b_mask\.png: no image of the same name"):
        folder(str(root))
    (root / "masks" / "b_mask.png").unlink()
    save(root / "images" / "a.png", grey(0))
    with pytest.raises(DataError, match=r"a\.(png|JPG) has the same name but for its suffix"):
        folder(str(root))


def test_a_target_of_another_size_is_found_when_read(tmp_path):
    root = folder_tree(tmp_path, [str(i) for i in range(10)])
    data = folder(str(root), size=8)
    save(root / "masks" / "4.png", half(size=(9, 8)))
    with pytest.raises(DataError, match=r"the target is 8 x 9 pixels but its image 4\.JPG is 8 x 6"):
        data.read_target(4)


def test_real_kvasir_as_a_folder(real_data):
    data = folder(str(real_data / "Kvasir-SEG"), size=32)
    assert [len(ids) for ids in names_of(data)] == [700, 100, 200]
    assert set(np.unique(data.read_target(0))) == {0, 1}
