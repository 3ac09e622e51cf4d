"""The loaders of CamVid, Cityscapes and BDD100K."""

from __future__ import annotations

import numpy as np
import pytest
from dataset_trees import (
    CITIES,
    FINE,
    bdd_tree,
    camvid_tree,
    cityscapes_tree,
    grey,
    half,
    read_targets,
    save,
    split_ids,
)

from al_lightning.data.dataset import DataError
from al_lightning.data.datasets.bdd100k import bdd100k
from al_lightning.data.datasets.camvid import camvid
from al_lightning.data.datasets.cityscapes import cityscapes


def test_camvid_void_lists_and_frames_near_the_held_out_ones(tmp_path):
    root = camvid_tree(tmp_path / "CamVid")
    save(root / "train" / "unlisted.png", grey(0))
    clean, paper = camvid(str(root)), camvid(str(root), protocol="paper")
    assert clean.size == (360, 480)
    assert [len(ids) for ids in split_ids(paper)] == [8, 2, 3]
    # Test starts at 8550 of 0001TP: of 8400 ... 8520 the frames from 8461 on are nearer than 90.
    assert split_ids(clean)[0] == [
        *(f"train/0001TP_{n:06d}" for n in (8400, 8430, 8460)),
        "train/0006R0_f00930",
        "train/0016E5_08190",
    ]
    assert (clean.facts["removed_from_pool"], paper.facts["pool_frames_near_held_out"]) == (3, 3)
    assert paper.facts["test_frames_with_sequence_in_pool"] == 2
    assert len(clean.task.classes) == clean.task.channels == 11
    for target in read_targets(clean):
        assert np.array_equal(target.ravel(), [255 if n % 12 == 11 else n % 12 for n in range(48)])
    (root / "train.txt").unlink()
    assert "train/unlisted" not in split_ids(paper)[0]
    with pytest.raises(DataError, match=r"unlisted\.png: no label image 'unlisted' in .*trainannot \(1 of 9"):
        camvid(str(root))
    (root / "train" / "unlisted.png").unlink()
    assert len(camvid(str(root), protocol="paper").pool) == 8
    (root / "test" / "0001TP_008550.png").unlink()
    with pytest.raises(DataError, match=r"0001TP_008550\.png: listed in test\.txt but not there \(1 of 6"):
        camvid(str(root))


@pytest.mark.parametrize("kinds", [FINE, FINE[1:]])
def test_cityscapes_train_ids_or_mapped_label_ids(tmp_path, kinds):
    root = cityscapes_tree(tmp_path, CITIES, kinds)
    data = cityscapes(str(root), validation=0.3)
    pool, validation, test = split_ids(data)
    assert len(test) == 4
    assert {name.split("_")[0] for name in test} == {"lindau"}
    cities = [{name.split("_")[0] for name in ids} for ids in (pool, validation)]
    assert not cities[0] & cities[1]
    assert len(pool) + len(validation) == 10
    assert data.ids[0] == "aachen_000000_000019"
    assert (data.size, len(data.task.classes)) == ((512, 1024), 19)
    target = data.read_target(0).ravel()
    if kinds == FINE:
        assert np.array_equal(target, [n if n < 19 else 255 for n in range(48)])
    else:
        # From the published table: name of each label id that counts.
        counted = {7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole"}
        counted |= {19: "traffic light", 20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky"}
        counted |= {24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train"}
        counted |= {32: "motorcycle", 33: "bicycle"}
        for label_id in range(34):
            value = target[label_id]
            assert counted.get(label_id) == (None if value == 255 else data.task.classes[value])


@pytest.mark.parametrize("old", [False, True])
def test_bdd100k_in_both_layouts(tmp_path, old):
    root = bdd_tree(tmp_path / "bdd100k", old, {"train": 20, "val": 5})
    data = bdd100k(str(root))
    pool, validation, test = split_ids(data)
    assert (len(pool), len(validation), len(test)) == (18, 2, 5)
    assert not {n.split("-")[0] for n in pool} & {n.split("-")[0] for n in validation}
    assert np.array_equal(data.read_target(0).ravel(), [n if n < 19 else 255 for n in range(48)])
    assert data.images[0].suffix == ".jpg"


def test_class_numbers_out_of_range_are_named(tmp_path):
    root = bdd_tree(tmp_path, False, {"train": 4, "val": 2})
    data = bdd100k(str(root))
    save(data.targets[0], half(42))
    with pytest.raises(DataError, match=r"holds 42; expected class numbers 0 to 18, or 255"):
        data.read_target(0)
    save(data.targets[0], np.stack([half(1), half(2), half(3)], axis=2))
    with pytest.raises(DataError, match="holds colours"):
        data.read_target(0)


def test_too_few_cities_and_an_impossible_fraction_are_named(tmp_path):
    root = cityscapes_tree(tmp_path, {"ulm": ("train", 3), "lindau": ("val", 1)}, FINE)
    with pytest.raises(DataError, match=r"cityscapes, train: 3 images in 1 group .*at least 2"):
        cityscapes(str(root))
    with pytest.raises(DataError, match=r"validation=1\.5: expected a fraction"):
        cityscapes(str(root), validation=1.5)


def test_real_camvid(real_data):
    data = camvid(str(real_data / "CamVid"), protocol="paper")
    assert [len(ids) for ids in split_ids(data)] == [123, 34, 78]
    assert len(camvid(str(real_data / "CamVid")).pool) == 121
    seen = set(np.unique(np.concatenate([data.read_target(int(row)).ravel() for row in data.test[::4]])).tolist())
    assert seen == {*range(11), 255}
