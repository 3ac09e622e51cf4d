from __future__ import annotations

import itertools
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from al_lightning.core.pool import LabelPool
from al_lightning.core.query import Query
from al_lightning.data import DATASETS, Cache, DataError, PoolDataModule
from al_lightning.data.dataset import DenseDataset
from al_lightning.data.datasets.kvasir import kvasir
from al_lightning.data.download import contents_digest
from al_lightning.data.module import RowSampler, flips
from al_lightning.data.overlap import overlap

kvasir_module = sys.modules["al_lightning.data.datasets.kvasir"]


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
        (real_data / "Kvasir-SEG", kvasir_module.DIGEST),
        (real_data / "sessile-main-Kvasir-SEG", kvasir_module.DIGEST_SESSILE),
    ):
        assert contents_digest(folder, ("images", "masks")) == digest
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


@pytest.mark.parametrize("mode", ["memory", "disk", "none"])
def test_cache_modes_hold_the_same_pixels_and_decode_once(kvasir_root, tmp_path, mode, monkeypatch):
    dataset = kvasir(str(kvasir_root), [16, 24], validation=4)
    monkeypatch.setenv("AL_LIGHTNING_CACHE", str(tmp_path / "cache"))
    calls: list[int] = []
    original = DenseDataset.read_image
    monkeypatch.setattr(DenseDataset, "read_image", lambda self, row: (calls.append(row), original(self, row))[1])
    cache = Cache(dataset, mode)
    rows = np.array([5, 0, 5])
    found = [cache.images(rows) for _ in range(3)][-1]
    assert found.shape == (3, 3, 16, 24)
    assert found.dtype == np.uint8
    if mode == "none":
        assert len(calls) == 9
    else:
        assert sorted(calls) == list(range(len(dataset.ids)))
    with Image.open(dataset.images[5]) as image:
        expected = np.asarray(image.convert("RGB").resize((24, 16), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(found[0], expected)
    if mode == "disk":
        calls.clear()
        assert np.array_equal(Cache(dataset, mode).images(rows), found)
        assert calls == []


def test_hidden_targets_are_never_opened(kvasir_root, monkeypatch):
    dataset = kvasir(str(kvasir_root), 16, validation=4)
    opened: set[Path] = set()
    original = Image.open
    monkeypatch.setattr(Image, "open", lambda path, *a, **k: (opened.add(Path(path)), original(path, *a, **k))[1])
    pool = LabelPool(dataset.pool, dataset.ids)
    pool.commit(Query.of(dataset.pool[:4], "initial"), 0)
    data = PoolDataModule(dataset, pool, batch_size=2)
    data.setup("fit")
    batches = [*data.train_dataloader(), *data.val_dataloader(), *data.predict_dataloader()]
    assert sum(len(b["rows"]) for b in batches) == 4 + len(dataset.validation) + len(dataset.pool)
    masks = {path.stem for path in opened if path.parent.name == "masks"}
    assert masks == {dataset.ids[row] for row in [*dataset.pool[:4], *dataset.validation]}
    assert all("target" not in batch for batch in data.predict_dataloader())


def test_batches_hold_rows_pixels_and_targets(kvasir_root):
    dataset = kvasir(str(kvasir_root), 16, validation=4)
    pool = LabelPool(dataset.pool, dataset.ids)
    pool.commit(Query.of(dataset.pool[:5], "initial"), 0)
    data = PoolDataModule(dataset, pool, batch_size=2)
    data.setup("fit")
    seen = []
    for batch in data.train_dataloader():
        assert batch["image"].dtype == torch.uint8
        for row, target in zip(batch["rows"].tolist(), batch["target"], strict=True):
            mask = Image.open(dataset.target_file(row)).convert("L")
            small = (np.asarray(mask) > 127).astype(np.uint8)
            expected = np.asarray(Image.fromarray(small).resize((16, 16), Image.Resampling.NEAREST))
            assert np.array_equal(target.numpy(), expected)
            seen.append(row)
    assert len(seen) == 4, "a last batch of one image is dropped: batch normalisation cannot train on it"
    data.setup("test")
    native = next(iter(data.test_dataloader()))
    assert "target" not in native
    assert [tuple(t.shape) for t in native["native"]] == [(40, 48), (40, 48)]


def test_an_answer_in_another_file_takes_the_place_of_the_older_one(kvasir_root, tmp_path):
    dataset = kvasir(str(kvasir_root), 16, validation=4)
    row, cache = int(dataset.pool[0]), Cache(dataset)
    cache.reveal_targets([row])
    own = cache.targets(np.array([row]))
    assert own.any()
    Image.new("L", (48, 40)).save(tmp_path / "empty.png")
    cache.reveal_targets([row], {row: str(tmp_path / "empty.png")})
    assert not cache.targets(np.array([row])).any()
    cache.reveal_targets([row])
    assert np.array_equal(cache.targets(np.array([row])), own)


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_ranks_share_every_row_exactly_once_unless_shuffled(world):
    rows = np.array([3, 8, 9, 11, 20, 21, 22])
    shares = [list(RowSampler(rows, rank, world)) for rank in range(world)]
    assert sorted(itertools.chain(*shares)) == rows.tolist()
    samplers = [RowSampler(rows, rank, world, seed=5) for rank in range(world)]
    first = [list(s) for s in samplers]
    assert {len(share) for share in first} == {len(samplers[0])}
    assert set(itertools.chain(*first)) == set(rows.tolist())
    assert first == [list(s) for s in samplers]
    for sampler in samplers:
        sampler.set_epoch(1)
    assert first != [list(s) for s in samplers]


def test_flips_move_image_and_target_together():
    torch.manual_seed(0)
    target = (torch.rand(16, 6, 5) > 0.5).to(torch.uint8)
    image = target[:, None].expand(-1, 3, -1, -1).contiguous() * 255
    flipped_image, flipped_target = flips(image, target)
    assert torch.equal(flipped_image[:, 0], flipped_target * 255)
    kinds = {
        (torch.equal(f, t), torch.equal(f, t.flip(1)), torch.equal(f, t.flip(0)), torch.equal(f, t.flip(0, 1)))
        for f, t in zip(flipped_target, target, strict=True)
    }
    assert len(kinds) == 4, "each image is flipped on its own, in all four ways"


def archive(root: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for image in sorted(root.rglob("*.jpg")):
            file.write(image, Path("top") / image.relative_to(root))


def test_download_verifies_contents_and_changes_nothing_when_they_differ(kvasir_root, tmp_path, monkeypatch):
    sets = {"URL": kvasir_root, "URL_SESSILE": kvasir_root.parent / "sessile-main-Kvasir-SEG"}
    for name, root in sets.items():
        archive(root, tmp_path / f"{name}.zip")
        monkeypatch.setattr(kvasir_module, name, (tmp_path / f"{name}.zip").as_uri())
    target = tmp_path / "data" / "Kvasir-SEG"
    with pytest.raises(DataError, match="digest"):
        kvasir(str(target), 16, validation=4, download=True)
    assert not target.exists()
    assert list(target.parent.iterdir()) == []
    for name, root in sets.items():
        monkeypatch.setattr(kvasir_module, name.replace("URL", "DIGEST"), contents_digest(root, ("images", "masks")))
    dataset = kvasir(str(target), 16, validation=4, download=True)
    assert len(dataset.ids) == 30
    monkeypatch.setattr(kvasir_module, "URL", (tmp_path / "absent.zip").as_uri())
    assert kvasir(str(target), 16, validation=4, download=True).ids == dataset.ids
    shutil.rmtree(target)
    with pytest.raises(FileNotFoundError, match=r"absent\.zip.*dataset\.name=synthetic"):
        kvasir(str(target), 16, download=True)


def test_table_names_what_it_holds():
    assert {"kvasir", "synthetic"} <= set(DATASETS)
