"""Folds for cross-validation, and that a fold's learner has seen neither its images' labels nor its groups'."""

from __future__ import annotations

import numpy as np
import pytest
from disc_runs import run_discs
from older_runs import before_epochs
from pytorch_lightning import Trainer

from al_lightning.core.progress import silent
from al_lightning.core.region import Box
from al_lightning.data import Cache, PoolDataModule
from al_lightning.experiment.folds import folds_of, out_of_fold, split_labels
from al_lightning.experiment.labels_of import labels_of
from al_lightning.experiment.mask_check import check_masks


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_folds_never_cut_a_group_and_are_nearly_equal(folds: int) -> None:
    rng = np.random.default_rng(0)
    groups = [f"p{number}" for number in range(20) for _ in range(rng.integers(1, 6))]
    rng.shuffle(groups)
    found = folds_of(groups, folds, np.random.default_rng(1))
    assert set(found.tolist()) == set(range(folds))
    for name in set(groups):
        assert len({fold for fold, group in zip(found.tolist(), groups, strict=True) if group == name}) == 1
    assert np.ptp(np.bincount(found)) <= 5, "not more than the largest group"
    assert (found == folds_of(groups, folds, np.random.default_rng(1))).all()
    assert (found != folds_of(groups, folds, np.random.default_rng(2))).any()


def test_a_learner_of_a_fold_has_not_seen_it(tmp_path, monkeypatch) -> None:
    folder = run_discs(tmp_path, "trainer.max_epochs=1", "learner.committee.members=2")
    labels = labels_of(folder.path).narrowed()
    seen: list[set[int]] = []
    original = PoolDataModule.train_dataloader

    def spy(self: PoolDataModule):
        loader = original(self)
        seen.append({row for batch in loader for row in batch["rows"].tolist()})
        return loader

    monkeypatch.setattr(PoolDataModule, "train_dataloader", spy)
    parts = split_labels(labels, 3)
    groups = np.array(labels.dataset.groups)
    cache = Cache(labels.dataset)
    learners = list(out_of_fold(labels, cache, parts, silent))
    assert [fold for fold, _ in learners] == [0, 1, 2]
    assert len(seen) == 3
    for rows, held_out in zip(seen, parts, strict=True):
        assert rows == set(labels.pool.annotated.tolist()) - set(held_out.tolist())
        assert not set(groups[sorted(rows)]) & set(groups[held_out])
    assert len(check_masks(folder.path, folds=2, top=1).judged) == 46, "one learner a fold, and of the run's committee"
    assert sorted(row for rows in parts for row in rows.tolist()) == labels.pool.annotated.tolist()


def steps_of_folds(monkeypatch, path, *overrides: str) -> list[tuple[int, bool]]:
    """(optimiser steps, whether there were unlabelled images) of each training of a check."""
    found = []
    original = Trainer.fit

    def fit(self: Trainer, *arguments) -> None:
        original(self, *arguments)
        found.append((self.global_step, arguments[1].unlabelled_batch is not None))

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "fit", fit)
        check_masks(path, overrides, folds=2, top=1)
    return found


@pytest.mark.parametrize("discrepancy", [0.0, 0.5])
def test_a_fold_trains_as_the_run(discrepancy, tmp_path, monkeypatch) -> None:
    """Passes over the unlabelled images, of which there are 28 and half of the 8 labelled ones, and their loss as late
    as in the run."""
    folder = run_discs(
        tmp_path,
        *("budget.initial=8", "trainer.max_epochs=1", "loader.batch_size=4", "learner.epoch=unlabelled"),
        *("learner.unlabelled_from=1", "learner.options.widths=[4,8]", f"learner.options.discrepancy={discrepancy}"),
    )
    assert [row["steps"] for row in folder.rows()] == [7]
    assert steps_of_folds(monkeypatch, folder.path) == [(8, False)] * 2


def test_a_run_of_a_version_before_is_checked_as_it_trained_whatever_is_overridden(tmp_path, monkeypatch) -> None:
    words = ["budget.initial=8", "trainer.max_epochs=1", "loader.batch_size=4", "learner.options.widths=[4,8]"]
    with before_epochs(monkeypatch):
        folder = run_discs(tmp_path, *words, "learner.options.discrepancy=0.5", "learner.epoch=longest")
    for overrides in ((), ("loader.workers=0",)):
        assert steps_of_folds(monkeypatch, folder.path, *overrides) == [(8, True)] * 2


def test_narrowed_labels_are_the_same_of_fewer_images(tmp_path) -> None:
    overrides = ["budget.initial=8", "budget.stages=2", "budget.per_stage=2", "trainer.max_epochs=1"]
    regions = ["strategy.name=region-random", "strategy.options.size=8"]
    whole = labels_of(run_discs(tmp_path, *overrides, *regions).path)
    small = whole.narrowed()
    ids, row_of = small.dataset.ids, {name: row for row, name in enumerate(whole.dataset.ids)}
    assert len(ids) == len(whole.pool.annotated) + 10
    assert small.pool.state() == whole.pool.state()
    assert len(small.pool.partial) > 0
    for row, name in enumerate(ids):
        for part in ("images", "targets", "groups"):
            assert getattr(small.dataset, part)[row] == getattr(whole.dataset, part)[row_of[name]]
    for split in ("validation", "test"):
        rows = getattr(small.dataset, split).tolist()
        assert [ids[row] for row in rows] == [whole.dataset.ids[row] for row in getattr(whole.dataset, split)]
    hidden = small.without(small.pool.partial)
    assert set(hidden.annotated) == set(small.pool.labelled)
    assert all(isinstance(region, Box) for row in small.pool.partial.tolist() for region in small.pool.regions(row))
