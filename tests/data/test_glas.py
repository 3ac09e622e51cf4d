"""The loader of GlaS: objects, test parts and patients."""

from __future__ import annotations

import numpy as np
import pytest
from dataset_trees import glas_tree, split_ids

from al_lightning.core.pool import LabelPool
from al_lightning.data.dataset import DataError
from al_lightning.data.datasets.glas import glas
from al_lightning.data.module import PoolDataModule


def test_glas_objects_and_parts(tmp_path):
    root = glas_tree(tmp_path / "Warwick QU Dataset (Released 2016_07_08)", {"train": 20, "testA": 4, "testB": 3})
    both = glas(str(root), 8, validation=0.1)
    pool, validation, test = split_ids(both)
    assert (len(pool), len(validation), len(test)) == (18, 2, 7)
    assert both.ids[:2] + both.ids[-1:] == ("train_1", "train_2", "testB_3")
    assert both.task.parts == ("A", "B")
    assert "".join(both.part_of[row] for row in both.test.tolist()) == "AAAABBB"
    loader = PoolDataModule(both, LabelPool(both.pool, both.ids), batch_size=5).test_dataloader()
    assert [batch["parts"] for batch in loader] == [["A", "A", "A", "A", "B"], ["B", "B"]]
    assert glas(str(root), 8, part="A").task.parts == glas(str(root), 8, evaluate_at="resized").task.parts == ()
    assert split_ids(glas(str(root), 8, part="A"))[2] == [f"testA_{i}" for i in (1, 2, 3, 4)]
    assert split_ids(glas(str(root), 8, part="B"))[2] == [f"testB_{i}" for i in (1, 2, 3)]
    assert len(glas(str(root), 8).validation) == 1
    target = both.read_target(0)
    assert (target.dtype, np.unique(target).tolist(), int(target.sum())) == (np.uint8, [0, 1], 4 + 6)
    objects = both.decode_objects(both.target_file(0))
    assert (objects.dtype, np.unique(objects).tolist()) == (np.int32, [0, 1, 7])
    with pytest.raises(FileNotFoundError, match=r"Grade\.csv.*validation_by=image"):
        glas(str(root), 8, validation_by="patient")
    grade = "name,patient ID, grade (GlaS), grade (Sirinukunwattana et al. 2015)\n"
    patients = {name: (int(name.split("_")[1]) - 1) % 5 for name in both.ids}
    (root / "Grade.csv").write_text(grade + "".join(f"{n}, {p}, benign, healthy\n" for n, p in patients.items()))
    by_patient = glas(str(root), 8, validation=0.2, validation_by="patient")
    pool, validation, test = split_ids(by_patient)
    assert len(validation) == 4
    assert not {patients[n] for n in pool} & {patients[n] for n in validation}
    assert by_patient.facts["validation_images_with_patient_in_pool"] == 0
    assert by_patient.facts["test_images_with_patient_in_pool"] == sum(
        patients[n] in {patients[m] for m in pool} for n in test
    )


def test_a_test_part_that_is_missing_is_named(tmp_path):
    root = glas_tree(tmp_path, {"train": 5, "testA": 2})
    assert len(glas(str(root), part="A").test) == 2
    with pytest.raises(DataError, match="testB"):
        glas(str(root))


def test_real_glas(real_data):
    data = glas(str(real_data / "Warwick QU Dataset (Released 2016_07_08)"))
    assert [len(ids) for ids in split_ids(data)] == [81, 4, 80]
    for row in (0, 84, 85, 164):
        objects = data.decode_objects(data.target_file(row))
        assert np.array_equal(data.read_target(row), objects > 0)
        assert objects.max() > 1
