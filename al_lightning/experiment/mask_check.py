"""Which labels of a run are likely to be wrong: those that learners which have not seen them contradict."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch

from al_lightning.audit.quality import depth_quality, depth_residual, mask_quality, softmin_quality
from al_lightning.audit.ranking import Judged, Seen, ranked
from al_lightning.config import ConfigError, from_saved
from al_lightning.core.arrays import Rows
from al_lightning.core.learner import learner_of
from al_lightning.core.oracle import asks_people
from al_lightning.core.progress import Progress, part, silent
from al_lightning.core.stopping import interruptible
from al_lightning.data import Cache
from al_lightning.experiment.best_weights import load_recorded
from al_lightning.experiment.folds import begins_as, out_of_fold, predictions, split_labels
from al_lightning.experiment.labels_of import Labels, labels_of
from al_lightning.experiment.setup import build_learner, build_oracle, complete
from al_lightning.experiment.show import score as agreement
from al_lightning.oracles.store import LabelStore

FOLDS = 5
TOP = 24
SECTIONS = ("trainer", "loader")
"""Sections of a config that may be another here than in the run: they say where and how long is trained."""


@dataclass(frozen=True)
class MaskCheck:
    """What was found."""

    labels: Labels
    folds: int
    epochs: int | None
    """Of each training, at most."""
    judged: tuple[Judged, ...]
    """All labels, the likeliest to be wrong first."""
    seen: Mapping[str, Seen]
    """What was compared of the first ones, by id."""
    answers: str | None
    """How people correct a label of this run; None where labels are looked up."""
    seconds: float


def check_masks(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    stage: int | None = None,
    folds: int = FOLDS,
    top: int = TOP,
    progress: Progress = silent,
) -> MaskCheck:
    """Rank all labels of a run by how much they disagree with learners that have not seen them.

    Labelled images of the pool are judged in cross-validation over whole groups (`folds.out_of_fold`), with one learner
    a fold also where the run trains a committee: of a bootstrap's members, 0.63^M of the images are known to all M.
    Images of validation and test are judged by the best weights of the run's stage (of its first member), which have
    not been trained with them; validation has chosen their epoch. Scores are those of `audit.quality`, at the learner's
    size. The folder of the run is only read.

    Args:
        path (Path): folder of the run.
        overrides (Sequence[str]): `key=value` of the sections trainer and loader, such as trainer.max_epochs=20.
        stage (int | None): whose labels and weights. Default None: the last one that is trained.
        folds (int): trainings. Default 5.
        top (int): labels of which to keep what was compared. Default 24.
        progress (Progress): told of all. Default `silent`.

    Raises:
        FileNotFoundError: the folder holds no run, or its data or weights are gone.
        ConfigError: nothing is trained or labelled yet, there are fewer groups than folds, or an override is wrong.
        ValueError: a file of the run or of the data is damaged.
    """
    begin = time.perf_counter()
    for name, value, least in (("folds", folds, 2), ("top", top, 1)):
        if value < least:
            raise ConfigError(f"{name}={value}: expected at least {least}")
    with interruptible():
        labels = _overridden(labels_of(path, stage), overrides)
        learner = build_learner(labels.config, labels.dataset, labels.stage, mc_passes=1)
        answers = _answers(labels)
        # Where unlabelled images are trained on, or an epoch is a pass over them, all have to be there. A map of all
        # images that is on the disk already serves too, and one of these alone would come beside it.
        alone = not learner_of(learner).wants_unlabelled and labels.config.learner.epoch != "unlabelled"
        if alone and labels.config.loader.cache != "disk":
            labels = labels.narrowed()
        parts = split_labels(labels, folds)
        load_recorded(learner, labels.folder, labels.stage, 0, labels.folder.progress(labels.stage))
        judge = _Judge(labels, Cache(labels.dataset, labels.config.loader.cache), top)
        device = torch.device("cpu")
        for fold, trained in out_of_fold(labels, judge.cache, parts, part(progress, 0.0, 0.95)):
            device = trained.device
            judge.add(trained, device, parts[fold], "pool", fold + 1)
        for split in ("validation", "test"):
            judge.add(learner, device, getattr(labels.dataset, split), split)
        progress("training", 1.0)
    judged = judge.result()
    return MaskCheck(labels, folds, _epochs(labels), judged, judge.seen(), answers, seconds=time.perf_counter() - begin)


def _epochs(labels: Labels) -> int | None:
    config = labels.config
    first = config.learner.initial_epochs if begins_as(config, labels.stage) == 0 else None
    epochs: int | None = first or config.trainer.get("max_epochs")
    return epochs


def _answers(labels: Labels) -> str | None:
    oracle = build_oracle(labels.config, labels.dataset)
    if not asks_people(oracle):
        return None
    place = getattr(oracle, "place", None)
    if place is None:
        return f"correct it where it was drawn (oracle {labels.config.oracle.name})"
    return f"save it again in {place(labels.folder.path)} under the name of its image"


def _overridden(labels: Labels, overrides: Sequence[str]) -> Labels:
    """With other settings of the trainings."""
    for item in overrides:
        if item.partition(".")[0] not in SECTIONS or "=" not in item:
            raise ConfigError(
                f"{item!r}: beside --run, only {' and '.join(f'{name}.*' for name in SECTIONS)} may differ from the "
                "run, such as trainer.max_epochs=20"
            )
    if not overrides:
        return labels
    config = complete(from_saved(labels.folder.config, overrides))
    if any(item.startswith("trainer.max_epochs=") for item in overrides):
        config = replace(config, learner=replace(config.learner, initial_epochs=None))
    return replace(labels, config=config)


class _Judge:
    """Scores labels as predictions come, and keeps maps of those alone that are the worst so far."""

    def __init__(self, labels: Labels, cache: Cache, top: int) -> None:
        self.labels, self.cache, self.top = labels, cache, top
        data, pool = labels.dataset, labels.pool
        self.files: dict[int, str | None] = {row: pool.target(row) for row in pool.annotated.tolist()}
        self.partial = {row: pool.regions(row) for row in pool.partial.tolist()}
        self.raw: list[float] = []
        """Score of a mask, or residual of a depth map."""
        self.judged: list[Judged] = []
        self.worst: list[tuple[float, int, Seen]] = []
        held_out = dict.fromkeys((*data.validation.tolist(), *data.test.tolist()))
        cache.reveal_targets([*self.files, *held_out], self.files)
        self.shown = _drawings(labels, self.files | held_out)

    def add(
        self, learner: pl.LightningModule, device: torch.device, rows: Rows, split: str, fold: int | None = None
    ) -> None:
        """Judge the labels of these rows."""
        data, depth = self.labels.dataset, self.labels.dataset.task.kind == "depth"
        found = predictions(learner, device, self.cache, rows, self.labels.config.loader.batch_size)
        for row, maps in zip(rows.tolist(), found, strict=True):
            self.cache.partial = self.partial  # a training sets that of its own labels
            target = self.cache.targets(np.array([row]))[0]
            label = target[0] if depth else target
            guess = maps[0] if depth else maps.argmax(0).astype(np.uint8)
            raw = depth_residual(guess, label) if depth else mask_quality(maps, label)
            self.raw.append(raw)
            value = agreement(guess, label) if not math.isnan(raw) else math.nan
            softmin = None if depth else softmin_quality(maps, label)
            self.judged.append(Judged(data.ids[row], split, raw, value, fold, self.shown[row], softmin))
            if not math.isnan(raw):
                entry = (raw if depth else -raw, len(self.judged) - 1, Seen(label, guess))
                (heapq.heappush if len(self.worst) < self.top else heapq.heappushpop)(self.worst, entry)

    def result(self) -> tuple[Judged, ...]:
        """All labels, ranked."""
        if self.labels.dataset.task.kind == "depth":
            scores = depth_quality(np.array(self.raw)).tolist()
            return tuple(ranked([replace(one, score=s) for one, s in zip(self.judged, scores, strict=True)]))
        return tuple(ranked(self.judged))

    def seen(self) -> dict[str, Seen]:
        """id -> what was compared of the worst."""
        return {self.judged[place].id: maps for _, place, maps in self.worst}


def _drawings(labels: Labels, files: Mapping[int, str | None]) -> dict[int, str]:
    """Row -> the file that somebody would correct: what people drew, where the run keeps a copy of it."""
    data, root = labels.dataset, labels.folder.path
    store = LabelStore(root / "labels")
    found: dict[int, str] = {}
    for row, label in files.items():
        file = label or str(data.targets[row])
        drawn = (one.source for one in store.versions(data.ids[row]) if store.path(one) == file)
        found[row] = next(drawn, file)
    return found


__all__ = ["FOLDS", "TOP", "MaskCheck", "check_masks"]
