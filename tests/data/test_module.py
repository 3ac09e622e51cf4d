from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from al_lightning.core.pool import LabelPool
from al_lightning.core.query import Query
from al_lightning.data import Cache, PoolDataModule
from al_lightning.data.dataset import DenseDataset
from al_lightning.data.datasets.kvasir import kvasir
from al_lightning.data.module import RowSampler, flips
from al_lightning.data.sampler import LateLoader, without_filler


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


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_a_step_of_all_ranks_sees_the_images_of_a_batch_of_one(world):
    rows = np.arange(100, 124)
    for epoch in range(2):
        alone = RowSampler(rows, 0, 1, seed=5)
        ranks = [RowSampler(rows, rank, world, seed=5) for rank in range(world)]
        for sampler in (alone, *ranks):
            sampler.set_epoch(epoch)
        shares = np.array([list(sampler) for sampler in ranks])
        assert shares.T.flatten().tolist() == list(alone)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_rounds_of_one_epoch_have_orders_of_their_own_and_repeat_with_the_epoch(world):
    rows = np.array([3, 8, 9, 11, 20])
    samplers = [RowSampler(rows, rank, world, seed=5, length=12) for rank in range(world)]
    shares = [list(sampler) for sampler in samplers]
    assert [len(share) for share in shares] == [12] * world == [len(sampler) for sampler in samplers]
    order = np.array(shares).T.flatten()
    rounds = order[: len(order) // 5 * 5].reshape(-1, 5)
    assert (np.sort(rounds) == rows).all()
    assert len({tuple(one) for one in rounds.tolist()}) == len(rounds), "each round is another order"
    assert rounds[0].tolist() == list(RowSampler(rows, 0, 1, seed=5)), "the first round is that of a loader alone"
    samplers[0].set_epoch(1)
    assert list(samplers[0]) != shares[0]
    samplers[0].set_epoch(0)
    assert list(samplers[0]) == shares[0]


def test_ranks_without_rows_get_a_batch_that_counts_for_nothing(kvasir_root):
    assert [list(RowSampler(np.array([7]), rank, 3)) for rank in range(3)] == [[7], [-8], [-8]]
    assert [len(RowSampler(np.array([7]), rank, 3)) for rank in range(3)] == [1, 1, 1]
    assert list(RowSampler(np.array([], dtype=np.int64), 0, 2)) == []
    assert without_filler(np.array([7, 0])) == (pytest.approx([7, 0]), False)
    dataset = kvasir(str(kvasir_root), 16, validation=4)
    images = len(dataset.validation)
    data = PoolDataModule(dataset, LabelPool(dataset.pool, dataset.ids), batch_size=2)
    data.trainer = SimpleNamespace(global_rank=images, world_size=images + 1)
    data.setup("validate")
    (batch,) = data.val_dataloader()
    assert batch["filler"] is True
    assert batch["rows"].tolist() == dataset.validation[:1].tolist()
    data.trainer.global_rank = 0
    (batch,) = data.val_dataloader()
    assert "filler" not in batch


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_rows_are_drawn_when_the_first_batch_is_asked_for(kvasir_root, workers):
    """Lightning makes the iterator of a resumed training before it tells the sampler the epoch."""
    dataset = kvasir(str(kvasir_root), 16, validation=4)
    pool = LabelPool(dataset.pool, dataset.ids)
    pool.commit(Query.of(dataset.pool[:7], "initial"), 0)
    data = PoolDataModule(dataset, pool, batch_size=2, workers=workers)
    data.setup("fit")
    loader = data.train_dataloader()
    assert isinstance(loader, LateLoader)
    early = iter(loader)
    loader.sampler.set_epoch(3)
    expected = RowSampler(pool.trainable, 0, 1, loader.sampler.shuffle_seed)
    expected.set_epoch(3)
    drawn = [row for batch in early for row in batch["rows"].tolist()]
    assert drawn == list(expected)[: len(drawn)]
    assert len(drawn) == 6, "a last batch of a single image is dropped"


def test_the_shorter_of_two_loaders_goes_round_in_new_orders(kvasir_root):
    dataset = kvasir(str(kvasir_root), 16, validation=4)
    pool = LabelPool(dataset.pool, dataset.ids)
    pool.commit(Query.of(dataset.pool[:4], "initial"), 0)
    data = PoolDataModule(dataset, pool, batch_size=4, epoch="longest")
    data.setup("fit")
    data.unlabelled_batch = 3
    batches = [batch for batch, _, _ in data.train_dataloader()]
    labelled = [batch["labelled"]["rows"].tolist() for batch in batches]
    assert len(batches) == -(-14 // 3)
    assert [sorted(rows) for rows in labelled] == [sorted(pool.trainable.tolist())] * len(batches)
    assert len({tuple(rows) for rows in labelled}) > 1
    unlabelled = [row for batch in batches for row in batch["unlabelled"]["rows"].tolist()]
    assert sorted(unlabelled) == sorted(set(dataset.pool.tolist()) - set(pool.trainable.tolist()))


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
