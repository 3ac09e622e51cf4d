"""A dataset that is read again keeps the splits that were recorded with a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_trees import folder_tree, grey, half, save, split_ids

from al_lightning.data.dataset import DataError, DenseDataset
from al_lightning.data.datasets.folder import folder
from al_lightning.data.splits import keep


def read(root: Path, **options: object) -> DenseDataset:
    return folder(str(root), size=8, **options)


def add(root: Path, name: str, mask: bool = True) -> None:
    save(root / "images" / f"{name}.png", grey(0))
    if mask:
        save(root / "masks" / f"{name}.png", half())


def test_what_was_recorded_stays_and_new_images_join_the_pool(tmp_path):
    names = [f"f{i:02d}" for i in range(20)]
    root = folder_tree(tmp_path, names, unlabelled=("f03", "f07"))
    # Other names of the splits than those that are drawn, as a run of an older version may have recorded.
    first = read(root)
    recorded = {name: ("pool", "validation", "test", "none")[i % 4] for i, name in enumerate(names)}
    recorded["f03"] = recorded["f07"] = "pool"
    kept = first.with_splits(recorded)
    assert kept.split_of() == recorded
    assert first.with_splits(first.split_of()).split_of() == first.split_of()
    assert first.with_splits(first.split_of()).notes == first.notes
    for name in ("a", "f05b", "z"):
        add(root, name)
    again = read(root).with_splits(recorded)
    assert again.split_of() == recorded | {"a": "pool", "f05b": "pool", "z": "pool"}
    assert any("3 new images joined the pool (a, f05b, z)" in note for note in again.notes)
    assert np.array_equal(again.pool, np.sort(again.pool))
    assert again.ids[again.images.index(root / "images" / "f05b.png")] == "f05b"


def test_notes_on_the_draw_give_way_to_the_recorded_splits(tmp_path):
    names = [f"p{i // 4}/{i % 4}" for i in range(32)]
    root = folder_tree(tmp_path, names, unlabelled=tuple(names[::3]))
    first = read(root, groups="folder", test=0.4, split_seed=4)
    assert first.drawn
    assert set(first.drawn) <= set(first.notes)
    recorded = {name: ("pool", "validation", "test", "none")[i // 4 % 4] for i, name in enumerate(names)}
    for name, split in recorded.items():
        if split in ("validation", "test") and not (root / "masks" / f"{name}.png").exists():
            save(root / "masks" / f"{name}.png", half())
    kept = read(root, groups="folder", test=0.4, split_seed=4).with_splits(recorded)
    assert not set(first.drawn) & set(kept.notes)
    assert "splits are kept as recorded (pool 8, validation 8, test 8), whatever was added since" in kept.notes
    without = sum(kept.targets[row] is None for row in kept.pool)
    assert (kept.facts["left_out"], kept.facts["pool_images_without_target"]) == (8, without)
    assert first.with_splits(first.split_of()).facts == first.facts


def test_masks_that_are_added_change_no_split(tmp_path):
    names = [f"f{i:02d}" for i in range(60)]
    root = folder_tree(tmp_path, names, unlabelled=tuple(names[::2]))
    before = read(root)
    recorded = before.split_of()
    assert "none" in recorded.values()
    for name in names[::2]:
        save(root / "masks" / f"{name}.png", half())
    after = read(root)
    assert all(after.split_of()[name] == split for name, split in recorded.items() if split != "none")
    kept = after.with_splits(recorded)
    assert kept.split_of() == recorded, "what was held out without target stays out of a run that began without it"
    assert len(split_ids(after)[2]) > len(split_ids(kept)[2])


def test_new_images_of_a_held_out_group_stay_out(tmp_path):
    names = [f"p{i // 4:02d}/{i % 4}" for i in range(80)]
    root = folder_tree(tmp_path, names)
    recorded = read(root, groups="folder").split_of()
    held_out = next(name for name in names if recorded[name] == "test").split("/")[0]
    pool = next(name for name in names if recorded[name] == "pool").split("/")[0]
    add(root, f"{held_out}/new")
    add(root, f"{pool}/new", mask=False)
    again = read(root, groups="folder").with_splits(recorded)
    assert again.split_of()[f"{held_out}/new"] == "none"
    assert again.split_of()[f"{pool}/new"] == "pool"
    assert any("1 new image stays out" in note for note in again.notes)


def test_images_and_targets_that_are_gone_are_named(tmp_path):
    names = [f"f{i:02d}" for i in range(20)]
    root = folder_tree(tmp_path, names)
    recorded = read(root).split_of()
    tested = next(name for name, split in recorded.items() if split == "test")
    mask = root / "masks" / f"{tested}.png"
    mask.unlink()
    with pytest.raises(DataError, match=rf"{tested}\.JPG: an image of test whose target is gone \(1 "):
        read(root).with_splits(recorded)
    save(mask, half())
    (root / "images" / "f04.JPG").unlink()
    (root / "images" / "f09.JPG").unlink()
    with pytest.raises(DataError, match=r"f04: was in the \w+ split when the run began and is gone \(2 images"):
        read(root).with_splits(recorded)
    with pytest.raises(DataError, match="f04: recorded in the split 'train'; expected pool, validation, test or none"):
        read(root).with_splits(recorded | {"f04": "train"})


def test_a_left_out_image_may_vanish():
    splits, joined = keep(["a", "c"], ["a", "c"], ["pool", "test"], {"a": "test", "b": "none"})
    assert (splits, joined) == (["test", "pool"], ["c"])
