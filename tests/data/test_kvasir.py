"""The loader of Kvasir-SEG and its sessile sibling: protocols, overlap, and files that cannot be used."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from dataset_trees import grey, save
from PIL import Image

from al_lightning.data.cache import Cache
from al_lightning.data.dataset import DataError
from al_lightning.data.datasets.kvasir import DIGEST, DIGEST_SESSILE, FOLDERS, kvasir
from al_lightning.data.download import contents_digest
from al_lightning.data.overlap import overlap


@pytest.fixture
def copy(kvasir_root, tmp_path) -> Path:
    shutil.copytree(kvasir_root.parent, tmp_path / "set")
    return tmp_path / "set" / "Kvasir-SEG"


def test_clean_takes_test_names_out_and_paper_leaves_them_in(kvasir_root):
    paper = kvasir(str(kvasir_root), 16, "paper", validation=4)
    clean = kvasir(str(kvasir_root), 16, "clean", validation=4)
    assert (len(paper.pool), len(paper.validation), len(paper.test)) == (20, 4, 6)
    tested = {paper.ids[row].removeprefix("test/") for row in paper.test}
    in_pool = sum(paper.ids[row] in tested for row in paper.pool)
    in_validation = sum(paper.ids[row] in tested for row in paper.validation)
    assert in_pool + in_validation == 4
    assert paper.facts["test_names_in_pool"] == in_pool
    assert not any(clean.ids[row] in tested for row in [*clean.pool, *clean.validation])
    assert clean.facts["removed_from_pool"] == in_pool
    assert len(clean.pool) == 20 - in_pool
    assert (clean.evaluate_at, paper.evaluate_at) == ("native", "resized")
    # Each re-encoded copy is found by its picture, although no file is equal.
    assert overlap(Cache(paper)) == {"by_id": in_pool, "by_thumbnail": in_pool}
    assert overlap(Cache(clean)) == {"by_id": 0, "by_thumbnail": 0}


def test_the_split_is_the_same_for_every_seed_and_protocol(kvasir_root):
    a, b = (kvasir(str(kvasir_root), 16, p, validation=4) for p in ("paper", "paper"))
    assert np.array_equal(a.validation, b.validation)
    clean = kvasir(str(kvasir_root), 16, "clean", validation=4)
    assert set(clean.validation) <= set(a.validation)
    assert set(clean.pool) <= set(a.pool)


def test_real_kvasir(real_data):
    paper = kvasir(str(real_data / "Kvasir-SEG"), 32, "paper")
    assert (len(paper.pool), len(paper.validation), len(paper.test)) == (900, 100, 196)
    assert paper.facts["test_names_in_pool"] + paper.facts["test_names_in_validation"] == 196
    clean = kvasir(str(real_data / "Kvasir-SEG"), 32)
    assert len(clean.pool) + len(clean.validation) == 804 - 1, "one image shows a test frame under another name"
    for folder, digest in (
        (real_data / "Kvasir-SEG", DIGEST),
        (real_data / "sessile-main-Kvasir-SEG", DIGEST_SESSILE),
    ):
        assert contents_digest(folder, FOLDERS) == digest
    target = clean.read_target(int(clean.pool[0]))
    assert set(np.unique(target)) == {0, 1}


def test_missing_folder_says_where_to_put_it_and_what_runs_instead(tmp_path):
    with pytest.raises(FileNotFoundError) as info:
        kvasir(str(tmp_path / "Kvasir-SEG"))
    for part in (str(tmp_path / "Kvasir-SEG"), "dataset.options.root", "download=true", "dataset.name=synthetic"):
        assert part in str(info.value)


def test_missing_mask_empty_folder_and_validation_size(copy):
    (copy / "masks" / "cju005.jpg").unlink()
    with pytest.raises(DataError, match=r"cju005\.jpg.*1 of 24"):
        kvasir(str(copy), 16)
    shutil.copy(copy / "masks" / "cju004.jpg", copy / "masks" / "cju005.jpg")
    with pytest.raises(DataError, match="validation=24"):
        kvasir(str(copy), 16, validation=24)
    for file in (copy / "images").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="holds no image"):
        kvasir(str(copy), 16)


def test_unreadable_truncated_and_mismatched_files_are_named(copy):
    image = copy / "images" / "cju007.jpg"
    whole = image.read_bytes()
    for content in (b"not an image", whole[: len(whole) // 2], b""):
        image.write_bytes(content)
        with pytest.raises(DataError, match=r"cju007\.jpg.*replace the file or remove it"):
            Cache(kvasir(str(copy), 16, validation=4))
    image.write_bytes(whole)
    dataset = kvasir(str(copy), 16, validation=4)
    row = dataset.ids.index("cju007")
    Image.new("L", (9, 9)).save(copy / "masks" / "cju007.jpg")
    with pytest.raises(DataError, match=r"cju007\.jpg.*9 x 9.*48 x 40"):
        Cache(dataset).reveal_targets([row])


def test_images_are_in_the_plain_order_of_their_names_on_which_the_drawn_split_depends(copy):
    for number in ("2", "10"):
        shutil.copy(copy / "images" / "cju000.jpg", copy / "images" / f"frame{number}.jpg")
        shutil.copy(copy / "masks" / "cju000.jpg", copy / "masks" / f"frame{number}.jpg")
    assert kvasir(str(copy), 16, validation=4).ids[24:26] == ("frame10", "frame2")


def test_what_an_archive_of_another_system_leaves_is_no_image_and_two_files_of_one_name_are_named(copy):
    ids = kvasir(str(copy), 16, validation=4).ids
    (copy / "images" / "._cju003.jpg").write_bytes(b"left by an archive")
    assert kvasir(str(copy), 16, validation=4).ids == ids
    save(copy / "images" / "cju003.png", grey(3))
    with pytest.raises(DataError, match=r"cju003\.(png|jpg) has the same name but for its suffix"):
        kvasir(str(copy), 16, validation=4)


def test_a_folder_without_masks_is_named(copy):
    shutil.rmtree(copy / "masks")
    with pytest.raises(FileNotFoundError, match=r"Kvasir-SEG/masks: no such folder; put the published folders"):
        kvasir(str(copy), 16)
