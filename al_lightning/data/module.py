"""PoolDataModule: loaders over what is labelled now, validation, test and the pool."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.utilities import CombinedLoader
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from al_lightning.core.array_file import read_array
from al_lightning.core.arrays import Rows, Size
from al_lightning.core.pool import LabelPool
from al_lightning.core.prediction import Batch
from al_lightning.core.seeds import torch_seed
from al_lightning.core.task import IGNORE, Task
from al_lightning.data.cache import Cache
from al_lightning.data.dataset import DenseDataset
from al_lightning.data.epochs import Epoch, epoch_batches, is_lonely, pass_batches
from al_lightning.data.sampler import LateLoader, RowSampler, without_filler


class _Rows(Dataset[Batch]):
    """Batches by dataset row. What it may open depends on `target`: none, resized, or native too."""

    def __init__(self, cache: Cache, target: Literal["none", "resized", "native"]) -> None:
        self.cache = cache
        self.target = target

    def __getitems__(self, rows: list[int]) -> Batch:
        index, placeholder = without_filler(np.asarray(rows, dtype=np.int64))
        batch: Batch = {
            "rows": torch.from_numpy(index),
            "image": torch.from_numpy(np.ascontiguousarray(self.cache.images(index))),
        }
        if self.target == "resized":
            batch["target"] = torch.from_numpy(self.cache.targets(index))
        elif self.target == "native":
            batch["native"] = [torch.from_numpy(t) for t in self.cache.native_targets(index)]
            if (objects := self.cache.native_objects(index)) is not None:
                batch["objects"] = [torch.from_numpy(t) for t in objects]
                if part_of := self.cache.dataset.part_of:
                    batch["parts"] = [part_of[row] for row in index.tolist()]
        if placeholder:
            batch["filler"] = True
        return batch

    def __getitem__(self, row: int) -> Batch:
        return self.__getitems__([row])


def _as_it_is(batch: Any) -> Any:
    """`_Rows.__getitems__` has made the batch already."""
    return batch


class PoolDataModule(pl.LightningDataModule):
    """The data of one run: what the pool says is labelled is what trains.

    Args:
        dataset: files and splits.
        pool: which rows are labelled; read anew whenever a loader is made.
        batch_size, workers: of every loader.
        cache: a mode, or a `Cache` to share between runs.
        seed: with the stage, fixes the order of training batches.
        augment: random flips ("flips"), on the device, for training only; or "none".
        epoch: what an epoch is a pass over, for every learner: the "labelled" images, or the "unlabelled" ones (the
            labelled ones where these are more); or the "longest" of what the learner trains on.
    """

    def __init__(
        self,
        dataset: DenseDataset,
        pool: LabelPool,
        batch_size: int = 8,
        workers: int = 0,
        cache: Cache | Literal["memory", "disk", "none"] = "memory",
        seed: int = 0,
        augment: Literal["none", "flips"] = "none",
        epoch: Epoch = "labelled",
    ) -> None:
        super().__init__()
        if augment not in ("none", "flips"):
            raise ValueError(f"augment={augment!r}: expected none or flips")
        if epoch not in (known := get_args(Epoch)):
            raise ValueError(f"epoch={epoch!r}: expected one of {list(known)}")
        self.dataset, self.pool, self.seed = dataset, pool, seed
        self.batch_size, self.workers, self.augment, self.epoch = batch_size, workers, augment, epoch
        self.cache = cache if isinstance(cache, Cache) else Cache(dataset, cache)
        self.stage = 0
        self.member = 0
        """Which learner of a committee trains; members see different orders."""
        self.unlabelled_batch: int | None = None
        """Batch size of unlabelled images beside the labelled ones, for a learner that trains on both."""
        self.train_rows: Rows | None = None
        """Rows to train on instead of all that has a label, repeats allowed (a committee's bootstrap)."""
        self.predict_rows: Rows | None = None
        """Rows to score instead of the whole pool."""

    @property
    def task(self) -> Task:
        return self.dataset.task

    @property
    def size(self) -> Size:
        """(H, W) that the learner sees."""
        return self.dataset.size

    def images(self, rows: Rows) -> NDArray[np.uint8]:
        """rows (n,) -> (n, 3, H, W)."""
        return self.cache.images(rows)

    def setup(self, stage: str) -> None:
        """Decode the targets that this step may see: annotated rows, validation, and test when testing.

        Raises:
            ValueError: regions of a depth map are labelled; depth has no value for pixels that do not count.
        """
        if stage == "fit":
            annotated = self.pool.annotated.tolist()
            self.cache.reveal_targets(annotated, {row: self.pool.target(row) for row in annotated})
            self.cache.partial = {row: self.pool.regions(row) for row in self.pool.partial.tolist()}
            if self.cache.partial and self.dataset.task.kind == "depth":
                raise ValueError("regions are for segmentation: a depth task is labelled by whole images")
            pseudo = self.pool.pseudo.items()
            self.cache.pseudo = {row: read_array(Path(file), self.size, "uf") for row, file in pseudo}
        if stage in ("fit", "validate"):
            self.cache.reveal_targets(self.dataset.validation.tolist())
        if stage == "test" and self.dataset.evaluate_at == "resized":
            self.cache.reveal_targets(self.dataset.test.tolist())

    def train_dataloader(self) -> DataLoader[Batch] | CombinedLoader:
        """Labelled images, pseudo-labelled ones among them; with `unlabelled_batch` a CombinedLoader of
        {"labelled", "unlabelled"}. Both have the batches of an epoch; rows of which there are fewer go round, each time
        in another order."""
        rows = self.pool.trainable if self.train_rows is None else self.train_rows
        unlabelled = np.setdiff1d(self.pool.rows, self.pool.trainable)
        both = self.unlabelled_batch if len(unlabelled) else None
        batches = epoch_batches(
            self.epoch, len(rows), len(self.pool.annotated), len(self.pool), self.batch_size, self._place()[1], both
        )
        loader = self._loader(rows, "resized", "labelled", batches=batches)
        if both is None:
            return loader
        # The sampler of the shorter one goes round, not Lightning, whose second round would repeat the order.
        other = self._loader(unlabelled, "none", "unlabelled", both, batches)
        return CombinedLoader({"labelled": loader, "unlabelled": other}, "min_size")

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._loader(self.dataset.validation, "resized")

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._loader(self.dataset.test, self.dataset.evaluate_at)

    def predict_dataloader(self) -> DataLoader[Batch]:
        rows = self.pool.rows if self.predict_rows is None else self.predict_rows
        return self._loader(rows, "none")

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment training batches on their device."""
        trainer = self.trainer
        if self.augment == "none" or trainer is None or not trainer.training:
            return batch
        for part in [batch] if "image" in batch else batch.values():
            if "target" in part:
                part["image"], part["target"] = flips(part["image"], part["target"])
        return batch

    def _place(self) -> tuple[int, int]:
        """(this rank, number of ranks)"""
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)

    def _loader(
        self,
        rows: Rows,
        target: Literal["none", "resized", "native"],
        shuffle: str | None = None,
        batch_size: int | None = None,
        batches: int | None = None,
    ) -> DataLoader[Batch]:
        """A loader over rows in order, or shuffled by the stream named `shuffle`: once, or for a number of batches."""
        rank, world = self._place()
        seed = torch_seed(self.seed, self.stage, f"shuffle {shuffle} {self.member}") if shuffle else None
        size = batch_size or self.batch_size
        once = batches is None or batches == pass_batches(len(rows), size, world)
        sampler = RowSampler(rows, rank, world, seed, None if once or batches is None else batches * size)
        return LateLoader(
            dataset=_Rows(self.cache, target),
            batch_size=size,
            sampler=sampler,
            num_workers=self.workers,
            collate_fn=_as_it_is,
            drop_last=seed is not None and is_lonely(len(sampler), size),
            # Without its own generator a DataLoader draws from torch's global stream when it is iterated, at
            # another moment in a resumed fit than in one that was never stopped.
            generator=torch.Generator(),
            pin_memory=torch.cuda.is_available(),
        )


_FLIPS = v2.Compose([v2.RandomHorizontalFlip(0.5), v2.RandomVerticalFlip(0.5)])


def flips(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Flip each image of a batch and its target alike; an endoscope has no upright."""
    pairs = [
        _FLIPS(tv_tensors.Image(image), tv_tensors.Mask(target)) for image, target in zip(images, targets, strict=True)
    ]
    return torch.stack([p[0] for p in pairs]), torch.stack([p[1] for p in pairs])


__all__ = ["IGNORE", "PoolDataModule", "RowSampler", "flips"]
