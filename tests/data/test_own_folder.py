"""The loader of a user's own data."""

from __future__ import annotations

import numpy as np
import pytest
from dataset_trees import folder_tree, grey, half, save, split_ids

from al_lightning.data.dataset import DataError, DenseDataset
from al_lightning.data.datasets.folder import folder
from al_lightning.data.splits import unit


def names_of(data: DenseDataset) -> list[set[str]]:
    return [set(ids) for ids in split_ids(data)]


def test_two_folders_with_sub_folders_and_an_unlabelled_pool(tmp_path):
    names = [f"p{i // 10}/frame{i % 10}" for i in range(50)]
    unlabelled = ("p0/frame0", "p3/frame9")
    root = folder_tree(tmp_path, names, unlabelled)
    data = folder(str(root), size=8)
    pool, validation, test = names_of(data)
    out = {name for name in unlabelled if unit(name) < 0.3}
    assert test == {name for name in names if unit(name) < 0.2} - out
    assert validation == {name for name in names if 0.2 <= unit(name) < 0.3} - out
    assert pool == {name for name in names if unit(name) >= 0.3}
    assert data.targets[data.ids.index("p3/frame9")] is None
    with pytest.raises(DataError, match=r"p3/frame9.*has no target"):
        data.read_target(data.ids.index("p3/frame9"))
    counts = {"groups": 50, "pool_images_without_target": 2 - len(out), "left_out": len(out)}
    assert {name: data.facts[name] for name in counts} == counts
    assert np.array_equal(data.read_target(data.ids.index("p1/frame3")), half(1))
    again = folder(str(root), size=8)
    assert np.array_equal(data.test, again.test)


def test_depth_of_8_or_16_bits_in_cm(tmp_path):
    names = [str(i) for i in range(10)]
    root = folder_tree(tmp_path, names, targets="depth")
    data = folder(str(root), task="depth", maximum_cm=10, size=8)
    assert data.task.kind == "depth"
    assert data.read_target(4)[0, [0, -1]].tolist() == pytest.approx([0, 10])
    inverted = folder(str(root), task="depth", maximum_cm=10, invert=True, size=8)
    assert inverted.read_target(4)[0, [0, -1]].tolist() == pytest.approx([10, 0])
    deep = np.tile(np.array([0, 32767, 65535, 0], np.uint16), (6, 2))
    save(root / "depth" / "3.png", deep)
    with pytest.raises(DataError, match=r"3\.png: holds uint16 and the other depth files uint8"):
        data.read_target(3)
    for name in names:
        save(root / "depth" / f"{name}.png", deep)
    data = folder(str(root), task="depth", maximum_cm=10, size=8)
    assert data.read_target(3)[0, :3].tolist() == pytest.approx([0, 5, 10], abs=1e-3)


def test_masks_follow_one_rule_for_the_whole_set(tmp_path):
    root = folder_tree(tmp_path, [str(i) for i in range(10)])
    save(root / "masks" / "2.png", half().astype(bool))
    save(root / "masks" / "4.png", half(0))
    data = folder(str(root), size=8)
    assert (
        data.notes[0]
        == "masks: 1- and 8-bit grey, values 0 and 255, foreground 45.0 % of pixels; 1 of 10 masks is empty"
    )
    assert [int(data.read_target(row).max()) for row in (2, 4, 5)] == [1, 0, 1]
    save(root / "masks" / "3.png", half(1))
    with pytest.raises(DataError, match=r"3\.png.*only 0 and 1.*\{masks: index\}"):
        data.read_target(3)
    with pytest.raises(DataError, match=r"3\.png: .*save all alike"):
        folder(str(root), size=8)
    index = folder(str(root), masks="index", size=8)
    assert [int(index.read_target(row).max()) for row in (2, 3, 4, 5)] == [1, 1, 0, 255]
    save(root / "masks" / "0.png", half(200))
    with pytest.raises(DataError, match=r"0\.png: holds 200; expected class numbers 0 to 1"):
        index.read_target(0)
    for name in range(10):
        save(root / "masks" / f"{name}.png", half(1 + name % 2))
    three = folder(str(root), classes=["ground", "polyp", "tool"], size=8)
    assert set(np.unique(three.read_target(3))) == {0, 2}
    with pytest.raises(DataError, match="masks=threshold: needs two classes"):
        folder(str(root), classes=["a", "b", "c"], masks="threshold")
    with pytest.raises(DataError, match="at least two different names"):
        folder(str(root), classes=["polyp"])


def test_mistakes_in_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError) as info:
        folder(str(tmp_path / "mine"))
    for text in (str(tmp_path / "mine" / "images"), "dataset.options.root", "dataset.options.csv"):
        assert text in str(info.value)
    root = folder_tree(tmp_path / "mine", ["a", "b"], unlabelled=("a", "b"))
    with pytest.raises(FileNotFoundError, match="mine: holds no folder of masks; put your images in"):
        folder(str(root))
    (root / "masks").mkdir()
    with pytest.raises(DataError, match="masks: holds no image"):
        folder(str(root))
    save(root / "masks" / "a.png", half())
    with pytest.raises(DataError, match=r"1 images with target in 1 groups are too few to draw 2 parts .* at least 3"):
        folder(str(root))
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
    assert [note for note in data.notes if not note.startswith("masks: ")] == []
    pool, validation, test = names_of(data)
    assert pool | validation | test == set(data.ids)
    assert len(data.ids) == 1000
    assert 160 < len(test) < 240
    assert 70 < len(validation) < 130
    assert set(np.unique(data.read_target(0))) == {0, 1}


def test_reports_call_the_set_by_its_title_or_its_folder(tmp_path):
    root = folder_tree(tmp_path / "polyps", [f"f{i:02d}" for i in range(20)])
    assert folder(str(root), size=8).facts["title"] == root.name
    assert folder(str(root), size=8, title="Polyps of the clinic").facts["title"] == "Polyps of the clinic"
