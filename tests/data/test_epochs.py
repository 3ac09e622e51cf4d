"""How many batches an epoch has: equal for learners with and without a loss on unlabelled images."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from al_lightning.core.pool import LabelPool
from al_lightning.core.query import Query
from al_lightning.data import Cache, PoolDataModule
from al_lightning.data.datasets.kvasir import kvasir
from al_lightning.data.epochs import epoch_batches, pass_batches
from al_lightning.data.sampler import RowSampler


def loaders(pool: LabelPool, kvasir_root, **options):
    """The loaders of a learner on labelled images alone, and of one on both."""
    dataset = kvasir(str(kvasir_root), 16, validation=4)
    for both in (None, options["batch_size"]):
        data = PoolDataModule(dataset, pool, cache=Cache(dataset), **options)
        data.unlabelled_batch = both
        yield data.train_dataloader()


def lengths(found) -> list[int]:
    return [len(loader) if not hasattr(loader, "flattened") else len(loader.flattened[0]) for loader in found]


@pytest.mark.parametrize("labelled", [1, 2, 3, 8, 9, 12, 17, 18])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_an_epoch_has_equal_batches_for_both_kinds_of_learners(kvasir_root, labelled, size):
    dataset = kvasir(str(kvasir_root), 16, validation=4)
    pool = LabelPool(dataset.pool, dataset.ids)
    pool.commit(Query.of(dataset.pool[:labelled], "initial"), 0)
    rest = len(dataset.pool) - labelled
    for epoch, wanted in (
        ("labelled", pass_batches(labelled, size)),
        ("unlabelled", max(pass_batches(labelled, size), pass_batches(rest, size))),
    ):
        assert lengths(loaders(pool, kvasir_root, batch_size=size, epoch=epoch)) == [wanted] * 2, epoch


def test_what_versions_before_did_was_unequal(kvasir_root):
    dataset = kvasir(str(kvasir_root), 16, validation=4)
    pool = LabelPool(dataset.pool, dataset.ids)
    pool.commit(Query.of(dataset.pool[:4], "initial"), 0)
    assert lengths(loaders(pool, kvasir_root, batch_size=4, epoch="longest")) == [1, 4]


def test_pseudo_labels_do_not_change_an_epoch_of_the_unlabelled(kvasir_root):
    dataset = kvasir(str(kvasir_root), 16, validation=4)
    pool = LabelPool(dataset.pool, dataset.ids)
    pool.commit(Query.of(dataset.pool[:4], "initial"), 0)
    before = lengths(loaders(pool, kvasir_root, batch_size=2, epoch="unlabelled"))
    pool.pseudo = {int(row): "mask.npy" for row in dataset.pool[4:10]}
    assert lengths(loaders(pool, kvasir_root, batch_size=2, epoch="unlabelled")) == before == [7, 7]
    assert lengths(loaders(pool, kvasir_root, batch_size=2, epoch="labelled")) == [5, 5]


def test_s2_takes_the_same_steps_in_every_row_of_its_tables():
    """Its pool of 495 frames: 50 epochs at first, 5 after it. Before, rows without the loss on unlabelled images took
    100, 20, 30, 40, 50 and 60 steps."""

    def steps(epoch: str, both: int | None) -> list[int]:
        counts = [30 * (stage + 1) for stage in range(6)]
        batches = [epoch_batches(epoch, count, count, 495, 16, both=both) for count in counts]
        return [(50 if stage == 0 else 5) * number for stage, number in enumerate(batches)]

    wanted = [1450, 140, 130, 120, 110, 100]
    assert steps("unlabelled", None) == steps("unlabelled", 16) == wanted
    assert steps("longest", 16) == wanted
    assert steps("longest", None) == [100, 20, 30, 40, 50, 60]


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("epoch", ["labelled", "unlabelled"])
def test_ranks_take_the_same_number_of_batches_in_one_order(kvasir_root, world, epoch):
    """The order of an epoch is a function of seed, stage, member and epoch; a rank has every world-th row of it."""
    dataset = kvasir(str(kvasir_root), 16, validation=4)
    pool = LabelPool(dataset.pool, dataset.ids)
    pool.commit(Query.of(dataset.pool[:5], "initial"), 0)
    found = []
    for rank in range(world):
        data = PoolDataModule(dataset, pool, batch_size=2, epoch=epoch)
        data.trainer = SimpleNamespace(global_rank=rank, world_size=world)  # type: ignore[assignment]
        loader = data.train_dataloader()
        loader.sampler.set_epoch(3)
        found.append([list(loader.sampler), len(loader)])
    assert len({batches for _, batches in found}) == 1
    assert found[0][1] == epoch_batches(epoch, 5, 5, len(dataset.pool), 2, world)
    order = np.array([rows for rows, _ in found]).T.ravel()
    one = RowSampler(pool.trainable, 0, 1, loader.sampler.shuffle_seed, len(order))
    one.set_epoch(3)
    assert list(one) == order.tolist()
