"""Predictions of labelled images by learners that have not seen them: k-fold cross-validation over whole groups."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray

from al_lightning.config import CompleteConfig, ConfigError
from al_lightning.core.arrays import Rows
from al_lightning.core.checkpoint_file import load_weights
from al_lightning.core.learner import learner_of
from al_lightning.core.prediction import Batch, Prediction
from al_lightning.core.progress import Progress, part, silent
from al_lightning.core.seeds import random_stream
from al_lightning.data import Cache
from al_lightning.experiment.checkpoints import savers
from al_lightning.experiment.finite import Finite, check_finite
from al_lightning.experiment.garbage import release
from al_lightning.experiment.labels_of import Labels
from al_lightning.experiment.probe import quiet
from al_lightning.experiment.setup import build_learner, pool_data, unlabelled_batch
from al_lightning.experiment.stages import Patience
from al_lightning.experiment.trainers import make_trainer, trainer_options


def folds_of(groups: Sequence[str], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,) the fold of each row, from 0: no group is in two folds, which are as equal in rows as the groups allow.

    Groups in random order, then the largest first, each go to the fold that has the fewest rows.

    Args:
        groups (Sequence[str]): (n,) the group of each row, such as a patient.
        folds (int): at most the number of groups.
        rng (Generator): draws the order.

    Example:
        >>> folds_of(["a", "b", "b", "c"], 2, np.random.default_rng(0)).tolist()
        [1, 0, 0, 1]
    """
    names, codes, sizes = np.unique(np.asarray(groups, dtype=object), return_inverse=True, return_counts=True)
    assert 2 <= folds <= len(names)
    order = rng.permutation(len(names))
    fold_of_group, rows = np.empty(len(names), np.int64), np.zeros(folds, np.int64)
    for group in order[np.argsort(-sizes[order], kind="stable")].tolist():
        fold_of_group[group] = rows.argmin()
        rows[fold_of_group[group]] += sizes[group]
    return np.asarray(fold_of_group[codes])


def split_labels(labels: Labels, folds: int) -> list[Rows]:
    """Rows of each fold: all labelled images of the pool, in whole groups; the same for one seed and one set of labels.

    Raises:
        ConfigError: there are fewer groups than folds.
    """
    rows, data = labels.pool.annotated, labels.dataset
    groups = [data.groups[row] if data.groups else data.ids[row] for row in rows.tolist()]
    if (count := len(set(groups))) < folds:
        what = f"{len(rows)} labelled images" + (f" in {count} groups (patients, videos)" if count < len(rows) else "")
        remedy = f"at most {count} folds are possible" if count > 1 else "two groups are needed at least"
        raise ConfigError(f"folds={folds}: the run has {what}; {remedy}")
    fold_of = folds_of(groups, folds, random_stream(labels.config.seed, labels.stage, "folds"))
    return [rows[fold_of == fold] for fold in range(folds)]


def out_of_fold(
    labels: Labels, cache: Cache, parts: Sequence[Rows], progress: Progress = silent
) -> Iterator[tuple[int, pl.LightningModule]]:
    """Train a learner for each fold, on all labels but those of the fold; yields (fold, learner), one at a time.

    Each begins with the weights that a run begins with and trains with the settings of the run, on one device. The best
    epoch is chosen by the run's validation images. Pseudo-labels are left out: they came from a learner that knew the
    labels of all folds. Nothing is written to the folder of the run.

    Args:
        labels (Labels): of a run.
        cache (Cache): of its dataset.
        parts (Sequence[Rows]): rows of each fold.
        progress (Progress): told of the trainings. Default `silent`.

    Raises:
        ConfigError: Lightning refuses the arguments, or a training diverges.
    """
    for fold, held_out in enumerate(parts):
        told = part(progress, fold / len(parts), (fold + 1) / len(parts))
        try:
            with tempfile.TemporaryDirectory(prefix="al-lightning-") as place, quiet():
                learner = _fitted(labels, cache, held_out, Path(place), told)
        except ConfigError as error:
            raise ConfigError(f"fold {fold + 1} of {len(parts)}: {error}") from error
        yield fold, learner
        release()


def predictions(
    learner: pl.LightningModule, device: torch.device, cache: Cache, rows: Rows, batch_size: int
) -> Iterator[NDArray[np.float32]]:
    """What a learner says of each row: class probabilities (C, H, W), or depth in cm (1, H, W)."""
    learner.to(device).eval()
    for begin in range(0, len(rows), batch_size):
        few = rows[begin : begin + batch_size]
        image = torch.from_numpy(np.array(cache.images(few))).to(device)
        batch: Batch = {"rows": torch.from_numpy(few).to(device), "image": image}
        with torch.inference_mode():
            found: Prediction = learner_of(learner).predict_step(batch, 0)
        maps = found.depth if found.depth is not None else found.probabilities
        assert maps is not None
        yield from maps.float().cpu().numpy()


def begins_as(config: CompleteConfig, stage: int) -> int:
    """The stage whose number of epochs a fold has: 0 where learners are fine-tuned from stage to stage, because one
    that has seen no label of its fold has to begin anew."""
    return 0 if config.learner.restart == "finetune" else stage


def alone(config: CompleteConfig) -> CompleteConfig:
    """The config with one device and no bars of Lightning."""
    options = trainer_options(config) | {"enable_progress_bar": False, "strategy": "auto", "num_nodes": 1}
    devices: Any = options.get("devices", "auto")
    one_of_them = isinstance(devices, list) and len(devices) > 0
    options["devices"] = devices[:1] if one_of_them else 1
    return replace(config, trainer=options)


def _fitted(labels: Labels, cache: Cache, held_out: Rows, place: Path, progress: Progress) -> pl.LightningModule:
    """A learner with the best weights of a training without the labels of some rows."""
    config, stage = labels.config, labels.stage
    learner = build_learner(config, labels.dataset, stage, mc_passes=1)
    data = pool_data(config, labels.dataset, labels.without(held_out), cache)
    data.stage = stage
    data.unlabelled_batch = unlabelled_batch(config, learner, stage)
    monitor, mode = learner_of(learner).monitor
    best, _ = savers(place, monitor, mode)
    callbacks: list[pl.Callback] = [Finite(stage), best, _Told(progress)]
    if config.learner.patience is not None:
        callbacks.append(Patience(monitor, patience=config.learner.patience, mode=mode, check_finite=False))
    trainer = make_trainer(alone(config), place, [], begins_as(config, stage), *callbacks)
    trainer.fit(learner, data)
    check_finite(trainer, learner, stage)
    if best.best_model_path:  # else no validation ran, and the weights at the end are taken, as a run does
        load_weights(learner, best.best_model_path)
    return learner.to(trainer.strategy.root_device)


class _Told(pl.Callback):
    """Tells a progress of the batches of a training."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        epochs, batches = trainer.max_epochs or 0, trainer.num_training_batches
        if epochs > 0 and np.isfinite(batches):
            done = (trainer.current_epoch + (trainer.fit_loop.batch_idx + 1) / max(1, int(batches))) / epochs
            self.progress("training", min(done, 1.0))

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.progress("training", 1.0)


__all__ = ["begins_as", "folds_of", "out_of_fold", "predictions", "split_labels"]
