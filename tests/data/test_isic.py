"""The loader of ISIC 2017: the official split and that of a paper."""

from __future__ import annotations

import numpy as np
from dataset_trees import grey, half, isic_tree, read_targets, save, split_ids

from al_lightning.data.datasets.isic import isic2017


def test_isic_official_split_and_that_of_gorriz(tmp_path):
    root = isic_tree(tmp_path, {"Training": 20, "Validation": 3, "Test_v2": 6})
    clean = isic2017(str(root))
    assert [len(ids) for ids in split_ids(clean)] == [20, 3, 6]
    assert clean.size == (192, 240)
    assert (clean.ids[0], clean.ids[-1]) == ("training/ISIC_0000000", "test/ISIC_0000028")
    assert all(np.array_equal(target, half(1)) for target in read_targets(clean))
    paper = isic2017(str(root), 16, "paper")
    pool, validation, test = split_ids(paper)
    assert (len(pool), len(validation), len(test)) == (16, 3, 4)
    assert all(name.startswith("training/") for name in pool + test)
    save(root / "ISIC-2017_Test_v2_Data" / "ISIC_0000003.jpg", grey(0))
    save(root / "ISIC-2017_Test_v2_Part1_GroundTruth" / "ISIC_0000003_segmentation.png", half())
    assert isic2017(str(root)).facts == {"test_names_in_pool": 1, "validation_names_in_pool": 0}
