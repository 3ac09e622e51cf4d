"""ActiveLearningLoop: the Lightning callback that scores the pool, selects, and records the revealed labels.

It uses only the public API of Lightning: a new Trainer per stage, with this callback in it, then

    trainer.fit(learner, datamodule)
    trainer.test(learner, datamodule, ckpt_path="best")
    loop.acquire(trainer, learner, datamodule)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from al_lightning.core.array_file import array_bytes
from al_lightning.core.arrays import Rows
from al_lightning.core.files import sync_folder, write_atomic
from al_lightning.core.learner import learner_of
from al_lightning.core.oracle import Delivery, Oracle, Request
from al_lightning.core.pool import LabelPool
from al_lightning.core.pool_data import PoolData
from al_lightning.core.prediction import Batch, Prediction, is_filler
from al_lightning.core.query import Query
from al_lightning.core.seeds import random_stream, torch_seed
from al_lightning.core.strategy import (
    Candidates,
    RegionStrategy,
    StageContext,
    Strategy,
    asks_for_regions,
    prepared,
)
from al_lightning.cost.annotation import AnnotationCost
from al_lightning.loop.pseudo import pseudo_targets
from al_lightning.loop.scorer import Scorer, check_needs, own_trainer
from al_lightning.strategies.base import choose
from al_lightning.strategies.spread import Spread, choose_spread


class ActiveLearningLoop(pl.Callback):
    """Selects images or regions to label after each stage.

    Args:
        pool: the labels so far; changed by `start` and `acquire`.
        strategy: selects.
        oracle: reveals labels; None for a dataset whose targets are all on disk.
        folder: where an oracle may keep files of its own, such as what it asks people.
        per_stage: images to ask for at each `acquire`; regions are asked for up to the pixels of as many images.
        seed: of all draws; the streams of different stages and purposes are independent.
        cost: counts the clicks of revealed regions, for strategies that predict the cost of regions.
    """

    def __init__(
        self,
        pool: LabelPool,
        strategy: Strategy | RegionStrategy,
        oracle: Oracle | None = None,
        per_stage: int = 100,
        seed: int = 0,
        cost: AnnotationCost | None = None,
        folder: Path | str = "",
    ) -> None:
        if per_stage < 1:
            raise ValueError(f"per_stage={per_stage}: expected at least one image")
        self.pool, self.strategy, self.oracle = pool, strategy, oracle
        self.per_stage, self.seed, self.cost, self.folder = per_stage, seed, cost, Path(folder)
        self.held_out: dict[int, str | None] = {}
        """row -> label file of validation and test images that people labelled; they stay as they were."""
        self.spread: Spread | None = None
        """Limits of what a stage may pick of a patient or a video; for strategies of whole images."""
        self.stage = 0
        self.member = 0
        """Number of the committee's learner that is being trained; each has a random stream of its own."""
        self.seconds = {"score": 0.0, "select": 0.0}
        """Wall time of the last `acquire`."""
        self._derived: dict[str, NDArray[Any]] = {}
        """Values that depend only on the images (a PCA of the pixels), computed once per run."""
        self._rows: list[NDArray[np.int64]] = []
        self._values: dict[str, list[NDArray[Any]]] = {}
        self._reduce: Callable[[Prediction], dict[str, Tensor]] | None = None
        """Reduction that `on_predict_batch_end` applies; None for predictions that the loop did not start."""

    def start(self, initial: int, among: Rows | None = None) -> Query:
        """Draw and label the initial images, which are the same for all strategies with one seed.

        Args:
            initial: number of images.
            among: ascending rows to draw from; all of the pool when left out.

        Raises:
            ValueError: initial is larger than the pool, or not positive.
        """
        rows = self.pool.rows if among is None else among
        if not 0 < initial <= len(rows):
            raise ValueError(f"initial={initial}: expected between 1 and the pool's {len(rows)} images")
        rows = random_stream(self.seed, 0, "initial").choice(rows, initial, replace=False)
        query = Query.of(np.sort(rows), "initial")
        self.take(query, 0, self.reveal(query, 0))
        return query

    def acquire(
        self,
        trainer: pl.Trainer,
        learner: pl.LightningModule,
        datamodule: pl.LightningDataModule,
        ckpt_path: str | None = "best",
    ) -> Query:
        """Score the pool with the best weights of the stage, select, and record the revealed labels; returns the picks.

        Raises:
            ValueError: the learner lacks what the strategy needs, or a score is not finite.
        """
        query, pseudo = self.propose(trainer, learner, datamodule, ckpt_path)
        query = self.take(query, self.stage + 1, self.reveal(query, self.stage + 1), pseudo)
        self.stage += 1
        return query

    def propose(
        self,
        trainer: pl.Trainer,
        learner: pl.LightningModule,
        datamodule: pl.LightningDataModule,
        ckpt_path: str | None = "best",
    ) -> tuple[Query, dict[int, str]]:
        """The picks of `acquire` and {row: file} of its pseudo-labels, before any label is asked for."""
        scorer = Scorer.of(trainer, learner, datamodule, ckpt_path)
        query = self._select(scorer)
        return query, self._pseudo_label(query, scorer)

    def reveal(
        self, query: Query, stage: int, guesses: Mapping[int, Path] | None = None, enough: bool = False
    ) -> Delivery:
        """Ask the oracle for the labels of a query.

        Args:
            query: the picks.
            stage: first stage that is trained with their labels.
            guesses: as of `Request`.
            enough: go on with the labels that are there, if any; what is missing stays in the pool.

        Raises:
            Waiting: labels are missing.
            ValueError: the oracle refuses a pick.
        """
        if self.oracle is None:
            return Delivery()
        answered = {row: self.pool.target(row) for row in self.pool.annotated.tolist()} | self.held_out
        request = Request(query, stage, self.folder, guesses or {}, answered, self.pool.regions)
        delivery = self.oracle.reveal(request)
        delivery = replace(delivery, withdrawn=self.pool.pickable(delivery.withdrawn))
        if len(delivery.waiting) and not (enough and len(delivery.labelled(query))):
            raise delivery.wait(query, stage)
        return delivery

    def take(self, query: Query, stage: int, delivery: Delivery, pseudo: Mapping[int, str] | None = None) -> Query:
        """Record the labels of a query, to be trained on from `stage` on; returns the picks that are labelled now.

        Raises:
            ValueError: the pool refuses a label.
        """
        pool, got = self.pool, delivery.labelled(query)
        partly = set(pool.annotated.tolist())
        pool.correct({row: file for row, file in delivery.corrected.items() if row in partly})
        if gone := pool.pickable(delivery.withdrawn):
            pool.withdraw(gone)
            self._derived.clear()  # of a pool of other images
        pool.commit(got, stage, delivery.files)
        pool.pseudo = {row: file for row, file in (pseudo or {}).items() if row in pool.rows}
        return got

    def select(
        self,
        trainer: pl.Trainer,
        learner: pl.LightningModule,
        datamodule: pl.LightningDataModule,
        ckpt_path: str | None = "best",
    ) -> Query:
        """The picks of `acquire`, without revealing or recording labels."""
        return self._select(Scorer.of(trainer, learner, datamodule, ckpt_path))

    def _select(self, scorer: Scorer) -> Query:
        check_needs(self.strategy, scorer.learner)
        begin = time.perf_counter()
        strategy = self._prepare(scorer)
        # A strategy that needs only images has no values to measure, so that no prediction is run.
        values = self._scan(strategy.measure, scorer) if strategy.needs - {"images"} else {}
        scored = time.perf_counter()
        pool = self.pool
        candidates = Candidates.of(
            pool.rows,
            [pool.ids[row] for row in pool.rows],
            pool.is_labelled,
            values,
            images=scorer.data.images if isinstance(scorer.data, PoolData) else None,
            stage=self.stage,
            trainer=own_trainer(scorer.trainer),
            derived=self._derived,
        )
        rng = random_stream(self.seed, self.stage, "select")
        if asks_for_regions(strategy):
            query = choose(strategy, candidates, self.per_stage, rng, self._area())
        elif self.spread is not None:
            query = choose_spread(strategy, candidates, self.per_stage, rng, self.spread)
        else:
            query = choose(strategy, candidates, self.per_stage, rng)
        self.seconds = {"score": scored - begin, "select": time.perf_counter() - scored}
        return query

    def _area(self) -> int:
        """Pixels of the learner's image that regions are to reveal: those of `per_stage` images, minus the pixels that
        were revealed beyond whole images before."""
        if self.pool.size is None:
            raise ValueError(
                f"{type(self.strategy).__name__} asks for regions; give the pool the size of the learner's image: "
                "LabelPool(rows, ids, size)"
            )
        height, width = self.pool.size
        return self.per_stage * height * width - self.pool.overspent_pixels

    def _prepare(self, scorer: Scorer) -> Strategy | RegionStrategy:
        """The strategy that measures and selects: the result of `prepare` where the strategy has it."""
        if not hasattr(self.strategy, "prepare"):
            return self.strategy
        data = self._pool_data(scorer, "is prepared on the pool's images")
        if asks_for_regions(self.strategy) and data.task.kind == "depth":
            raise ValueError(f"{type(self.strategy).__name__} asks for regions, which a depth task cannot learn from")
        ready = scorer.loaded()
        learner = learner_of(ready.learner)

        def predict(batch: Batch) -> Prediction:
            ready.learner.to(batch["image"].device).eval()
            with torch.no_grad():
                return learner.predict_step(batch, 0)

        return prepared(
            self.strategy,
            StageContext(
                rows=self.pool.rows,
                size=data.size,
                classes=len(data.task.classes),
                images=data.images,
                regions=self.pool.regions,
                clicks=self._clicks_of,
                predict=predict,
                scan=lambda reduce: self._scan(reduce, ready),
                rng=random_stream(self.seed, self.stage, "prepare"),
                trainer=own_trainer(scorer.trainer),
            ),
        )

    def _clicks_of(self, row: int) -> NDArray[np.float64]:
        if self.cost is None:
            raise ValueError(
                f"{type(self.strategy).__name__} learns what clicks cost; give the loop cost=AnnotationCost(data.cache)"
            )
        return self.cost.clicks(self.pool, row)

    def _pool_data(self, scorer: Scorer, why: str) -> PoolData:
        if not isinstance(scorer.data, PoolData):
            raise ValueError(
                f"{type(self.strategy).__name__} {why}: it needs a datamodule with task, size, images and predict_rows "
                f"(al_lightning.types.PoolData), such as PoolDataModule, not {type(scorer.data).__name__}"
            )
        return scorer.data

    def _scan(self, reduce: Callable[[Prediction], dict[str, Tensor]], scorer: Scorer) -> dict[str, NDArray[Any]]:
        """{name: (P, ...)} of a reduction of the learner's predictions, by row of the pool."""
        torch.manual_seed(torch_seed(self.seed, self.stage, "score"))
        self._predict(reduce, scorer)
        rows = np.concatenate(self._rows)
        order = np.argsort(rows, kind="stable")
        if not np.array_equal(rows[order], self.pool.rows):
            raise ValueError(
                f"acquire: {len(rows)} rows were scored but the pool has {len(self.pool)}: predict_dataloader must "
                "yield every row of the pool exactly once"
            )
        return {name: np.concatenate(batches)[order] for name, batches in self._values.items()}

    def _predict(self, reduce: Callable[[Prediction], dict[str, Tensor]], scorer: Scorer) -> None:
        self._rows, self._values, self._reduce = [], {}, reduce
        try:
            scorer.predict()
        finally:
            self._reduce = None
        if not self._rows:
            raise ValueError("acquire: the Trainer does not hold this ActiveLearningLoop; pass callbacks=[loop]")

    def _pseudo_label(self, query: Query, scorer: Scorer) -> dict[int, str]:
        """Write the pseudo-labels that the query asks for; returns row -> file."""
        wanted = query.pseudo
        if wanted is None or len(wanted.rows) == 0:
            return {}
        folder = Path(scorer.trainer.default_root_dir).resolve() / "pseudo" / f"stage-{self.stage + 1:03d}"
        files = {int(row): str(folder / f"{row}.npy") for row in wanted.rows}

        def write(prediction: Prediction) -> None:
            targets = pseudo_targets(prediction, wanted)
            for row, target in zip(prediction.rows.tolist(), targets.cpu().numpy(), strict=True):
                write_atomic(Path(files[row]), array_bytes(target), sync=False)

        torch.manual_seed(torch_seed(self.seed, self.stage, "score"))  # MC passes drop what they dropped in the scoring
        self.visit(wanted.rows, write, replace(scorer, checkpoint=None))  # with the weights that scored the pool
        if folder.is_dir():  # not where other ranks wrote all
            sync_folder(folder)
        return files

    def visit(self, rows: Rows, each: Callable[[Prediction], None], scorer: Scorer) -> None:
        """Call a function with the learner's predictions for these rows of the pool, batch by batch."""

        def reduce(prediction: Prediction) -> dict[str, Tensor]:
            each(prediction)
            return {}

        data = self._pool_data(scorer, "asks for predictions of some images")
        before, data.predict_rows = data.predict_rows, rows
        try:
            self._predict(reduce, scorer)
        finally:
            data.predict_rows = before

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Seed torch for each epoch, so that a resumed stage gives the same result as one that was not interrupted."""
        seed = torch_seed(
            self.seed, self.stage, f"epoch {trainer.current_epoch} rank {trainer.global_rank} of {self.member}"
        )
        torch.manual_seed(seed)

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Reduce the batch on its device to a few numbers per image."""
        if self._reduce is None or is_filler(batch):
            return
        if not isinstance(outputs, Prediction):
            raise ValueError(
                f"{type(pl_module).__name__}.predict_step returned {type(outputs).__name__}; "
                "expected al_lightning.types.Prediction"
            )
        self._rows.append(outputs.rows.cpu().numpy())
        for name, value in self._reduce(outputs).items():
            self._values.setdefault(name, []).append(value.detach().cpu().numpy())

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather the scores of all ranks, before Lightning closes the process group."""
        if self._reduce is None or trainer.world_size == 1:
            return
        shard = (self._rows, self._values)
        gathered: list[Any] = [None] * trainer.world_size
        torch.distributed.all_gather_object(gathered, shard)
        self._rows = [batch for rows, _ in gathered for batch in rows]
        names = {name for _, values in gathered for name in values}
        self._values = {
            name: [batch for _, values in gathered for batch in values.get(name, [])] for name in sorted(names)
        }
