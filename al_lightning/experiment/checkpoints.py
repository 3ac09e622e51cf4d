"""The checkpoints of a run: written beside their targets, with the one before kept, and read as data.

Everything that a checkpoint says of files is relative to the folder of its run, so that a run goes on after it was
moved or copied.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins import CheckpointIO

from al_lightning.core.checkpoint_file import CheckpointError, another_network, digest_of, pack, unpack
from al_lightning.core.files import write_atomic
from al_lightning.core.run_folder import inside

log = logging.getLogger(__name__)

LAST = "last.ckpt"
BEST = "best.ckpt"
OURS = "al_lightning"
"""Key of what is added to a checkpoint: {"weights": file relative to the run's folder -> digest}, the files of weights
as they were when it was written."""
_FORM: dict[str, type] = {
    "epoch": int,
    "global_step": int,
    "pytorch-lightning_version": str,
    "state_dict": dict,
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
}
"""What Lightning writes of a training, and would go on without where it is missing."""
_ROOT = "{run}/"
"""Stands for the folder of the run at the beginning of a path."""


class RunCheckpoints(CheckpointIO):
    """Writes and reads the checkpoints of one training.

    Args:
        root: the folder of the run.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.digests: dict[str, str] = {}
        """File of weights, relative to the run's folder, -> the digest that it was last written with."""
        self.read: tuple[Path, dict[str, Any]] | None = None
        """The checkpoint that the training is going on from, until its first batch."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint; the former one stays beside it under the name `previous` gives.

        Raises:
            CheckpointError: the checkpoint holds more than tensors and plain values.
            OSError: the storage is full or broken; the former checkpoint is as it was.
        """
        if storage_options is not None:
            raise TypeError("storage_options: a run folder has none")
        path = Path(path)
        held = dict(checkpoint)
        if "callbacks" in held:
            held["callbacks"] = _renamed(held["callbacks"], f"{self.root}{os.sep}", _ROOT)
            held[OURS] = {"weights": dict(self.digests)}
        data, digest = pack(held)
        write_atomic(path, data, keep=previous(path))
        if "callbacks" not in held:
            self.digests[self._relative(path)] = digest

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint on the CPU, whatever device it was written on, and never as code.

        Raises:
            FileNotFoundError, CheckpointError: as `unpack`.
        """
        path = Path(path)
        held = unpack(path)
        self.digests = weights_of(held, path)
        held["callbacks"] = _renamed(held.get("callbacks"), _ROOT, f"{self.root}{os.sep}")
        del held[OURS]
        self.read = (path, held)
        return held

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a file that is not wanted any more."""
        Path(path).unlink(missing_ok=True)

    def digest(self, path: Path) -> str | None:
        """The digest that a file of weights was last written with; None where this training has not written it."""
        return self.digests.get(self._relative(path))

    def refused(self, error: Exception, learner: pl.LightningModule) -> CheckpointError | None:
        """What to report where a training could not be restored; None where the error came from elsewhere."""
        if self.read is None or isinstance(error, OSError | CheckpointError):
            return None
        path, held = self.read
        state = held.get("state_dict")
        reason = " ".join(str(error).split())[:160]
        what = f"is no training that Lightning can go on with ({type(error).__name__}: {reason})"
        if isinstance(error, RuntimeError) and "state_dict" in reason and isinstance(state, Mapping):
            what = another_network(learner, state, error)
        return CheckpointError(f"{path}: {what}; {remedy(path.parent)}")

    def _relative(self, path: Path) -> str:
        return path.resolve().relative_to(self.root).as_posix()


def savers(place: Path, monitor: str, mode: str) -> tuple[ModelCheckpoint, ModelCheckpoint]:
    """What writes the best weights, and what then writes the whole training, both after each epoch."""
    best = ModelCheckpoint(
        place, Path(BEST).stem, monitor, mode=mode, save_weights_only=True, enable_version_counter=False
    )
    # At the end of each epoch, also where validations are rarer or more frequent: a training resumes between epochs.
    last = ModelCheckpoint(place, Path(LAST).stem, save_on_train_epoch_end=True, enable_version_counter=False)
    return best, last


class Restored(pl.Callback):
    """Notes when a training has been restored: what fails later is no fault of its checkpoint."""

    def __init__(self) -> None:
        self.io: RunCheckpoints | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        io = trainer.strategy.checkpoint_io
        self.io = io if isinstance(io, RunCheckpoints) else None

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.on_train_start(trainer, pl_module)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.io is not None:
            self.io.read = None


def previous(path: Path) -> Path:
    """The name of the checkpoint before this one.

    Example:
        >>> previous(Path("stage-000/last.ckpt")).as_posix()
        'stage-000/last-previous.ckpt'
    """
    return path.with_name(f"{path.stem}-previous{path.suffix}")


def remedy(place: Path) -> str:
    """The end of a message on a training that cannot go on."""
    return f"put its files back from a copy, or remove {place} to train this stage from its beginning"


def unfinished(root: Path, place: Path, repair: bool = True) -> Path | None:
    """The checkpoint from which the training in `place` goes on, a folder of the run `root`; None where it begins.

    That is `last.ckpt`, or the one before where `last.ckpt` is damaged or the process was killed between two renames.
    The best weights beside it are brought to what they were when it was written.

    Args:
        repair: rename files so; for one process alone. Others take what is there.

    Raises:
        CheckpointError: there are checkpoints, and none can be gone on from.
    """
    last = place / LAST
    if not repair:
        deadline = time.monotonic() + 60
        while not last.is_file() and previous(last).is_file() and time.monotonic() < deadline:
            time.sleep(0.1)  # until the one that repairs has renamed it
        return last if last.is_file() else None
    error: CheckpointError | None = None
    for file in (last, previous(last)):
        if not file.is_file():
            continue
        try:
            back = _weights_beside(unpack(file), file, root)
        except CheckpointError as found:
            error = error or found
            continue
        for former, path in back.items():
            former.replace(path)
        if file != last:
            if error is not None:
                log.warning("%s; the training goes on from the checkpoint before", error)
            file.replace(last)
        return last
    if error is not None:
        raise CheckpointError(f"{error}; {remedy(place)}")
    return None


def weights_of(checkpoint: Mapping[str, Any], path: Path) -> dict[str, str]:
    """Files of weights, relative to the run's folder, -> digest, as they were when the checkpoint of a training was
    written.

    Raises:
        CheckpointError: it is no checkpoint of a training, or of no run of this program.
    """
    if wrong := [key for key, kind in _FORM.items() if not isinstance(checkpoint.get(key), kind)]:
        raise CheckpointError(f"{path}: is no training that Lightning can go on with (its {wrong[0]!r})")
    entry = checkpoint.get(OURS)
    weights = entry.get("weights") if isinstance(entry, Mapping) else None
    if not isinstance(weights, Mapping) or not all(isinstance(text, str) for item in weights.items() for text in item):
        raise CheckpointError(f"{path}: does not say which best weights it goes with; it is of no run of this program")
    return dict(weights)


def _weights_beside(checkpoint: Mapping[str, Any], file: Path, root: Path) -> dict[Path, Path]:
    """Former file -> name, for the files of weights that are newer than a checkpoint."""
    back: dict[Path, Path] = {}
    for name, digest in weights_of(checkpoint, file).items():
        path = inside(root, name, file)
        found = next((one for one in (path, previous(path)) if _digest(one) == digest), None)
        if found is None:
            raise CheckpointError(f"{file}: the best weights that it goes with are not in {path} any more")
        if found != path:
            back[found] = path
    return back


def _digest(file: Path) -> str | None:
    if not file.is_file():
        return None
    try:
        return digest_of(file)
    except CheckpointError:
        return None


def _renamed(value: Any, old: str, new: str) -> Any:
    """Texts that begin with `old` begin with `new` instead, in keys too."""

    def text(item: Any) -> Any:
        return new + item[len(old) :] if isinstance(item, str) and item.startswith(old) else item

    return _mapped(value, text)


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, Mapping):
        return {change(key): _mapped(item, change) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_mapped(item, change) for item in value)
    return change(value)
