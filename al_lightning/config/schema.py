"""The sections of a configuration as dataclasses. Imports no torch, so that a misspelled key is reported at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from omegaconf import MISSING

ClickTerms = Literal["vertices", "sum"]
"""Clicks that the cost counts, see `cost.annotation.AnnotationCost`."""


MAX_PIXELS = 50_000_000
"""Default of dataset.max_pixels: a camera's largest pictures, 150 MB as RGB."""


class ConfigError(ValueError):
    """A mistake in a configuration: one line that names the key, its value and what was expected."""


@dataclass
class Section:
    """An entry of a table, chosen by name; its options are the parameters of the entry."""

    name: str = MISSING
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class DatasetSection:
    """The images, their targets and splits."""

    name: str = MISSING
    options: dict[str, Any] = field(default_factory=dict)
    max_pixels: int = MAX_PIXELS
    """Pixels (height times width) above which an image or a target is refused by its header, before it is decoded:
    a file of a few kilobytes can hold gigabytes of one colour."""


@dataclass
class OracleSection:
    """The oracle, which reveals labels."""

    name: str = "simulated"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class CommitteeSection:
    """A committee: several learners whose disagreement a strategy can measure."""

    members: int = 1
    """Number of learners that are trained at each stage; 1 is no committee."""
    bootstrap: bool = True
    """Train each member on a sample of the labelled images, drawn with replacement, instead of all of them."""
    tested: Literal["ensemble", "member"] = "ensemble"
    """What is validated and tested, and what predict, export, embed, show and the guesses for annotators use. ensemble:
    the mean prediction of all members; member: the first one alone, which is then trained on all labelled images, as
    the network of a run without a committee. Strategies measure the whole committee with both."""


@dataclass
class LearnerSection:
    """The network and how it is trained."""

    name: str = MISSING
    options: dict[str, Any] = field(default_factory=dict)
    restart: Literal["scratch", "finetune"] = "scratch"
    """scratch: fresh weights at every stage; finetune: the best weights of the stage before."""
    epoch: Literal["labelled", "unlabelled", "longest"] = "labelled"
    """What an epoch is a pass over. labelled: the labelled images, with those that are pseudo-labelled; unlabelled: the
    unlabelled images, or the labelled ones where these are more, also for learners that train on labelled images alone;
    longest: the longer of what this learner trains on, so that one with a loss on unlabelled images takes more steps
    than others, as in versions before this key. Images of which there are fewer go round, and of which there are more,
    a part is drawn, each epoch in a new order."""
    initial_epochs: int | None = None
    """Epochs of the first stage where they differ from trainer.max_epochs, as for fine-tuning afterwards."""
    unlabelled_from: int = 0
    """First stage at which a learner with a loss on unlabelled images gets such images. With 1, the first stage is the
    same training with and without that loss, and ends with the same weights."""
    augment: Literal["none", "flips"] = "none"
    """flips: random horizontal and vertical flips of training images with their targets; endoscopic images have no
    upright orientation."""
    patience: int | None = None
    """Epochs without a better validation result after which training stops; null: train for all epochs."""
    committee: CommitteeSection = field(default_factory=CommitteeSection)
    mc_passes: int = 1
    """Stochastic forward passes with dropout on when the pool is scored; 1 is one deterministic pass."""


@dataclass
class StopSection:
    """When to stop before all stages are done."""

    gain: float | None = None
    """Stop when each of the last `stages` stages brought less than this, in points of mIoU or cm of RMSE; null:
    never."""
    stages: int = 2
    """Stages that have to bring less in a row."""


@dataclass
class BudgetSection:
    """The number of stages, and of images that are labelled at each."""

    initial: int = MISSING
    """Images labelled before the first training; with an oracle that asks people, those that have a label count."""
    per_stage: int = MISSING
    """Images selected after each stage but the last."""
    stages: int = MISSING
    """Number of stages, the initial one included: the points of the learning curve."""
    per_group: int | None = None
    """Most images of one group (a patient, a video) that a stage selects; null: any number."""
    apart: int = 1
    """Least distance, in frames of a group, of two images of one selection, and of a selected image from labelled ones;
    1: neighbours are fine."""
    first: str = "random"
    """Strategy that picks the initial images, before anything is trained: random, or one that needs no more than images
    or a latent (typiclust, ta-coreset, pca-coreset). A latent is that of the learner's encoder where it has pretrained
    weights (learner.options.encoder_weights), else a PCA of the pixels."""
    validation: int | None = None
    """Images that people label for validation, drawn at random, where the dataset has no target yet; where it has some,
    those of validation count."""
    test: int | None = None
    """The same for test. A test set that active learning had chosen would measure nothing."""
    pixels: float | None = None
    """Stop after the first stage at which this fraction of the pool's pixels is labelled; stages is then the
    maximum."""
    stop: StopSection = field(default_factory=StopSection)
    clicks: ClickTerms = "vertices"
    """Clicks that the cost counts (segmentation only). vertices: those of outlines; sum: also crossings of a region's
    border and connected components."""


@dataclass
class LoaderSection:
    """Batches of images."""

    batch_size: int = 8
    """Images of a batch."""
    workers: int = 0
    """Processes that load images; 0 loads them in the main process."""
    cache: Literal["memory", "disk", "none"] = "memory"
    """Where decoded, resized uint8 images are kept: memory, a memory-mapped file, or nowhere."""


@dataclass
class WandbSection:
    """Weights & Biases."""

    project: str = "al_lightning"
    """Project of the runs."""
    entity: str | None = None
    """User or team that owns the project; null: the default of the login."""
    tags: list[str] = field(default_factory=list)
    """Tags in addition to the names of dataset, strategy and learner."""
    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    """auto: online when logged in, else offline."""


@dataclass
class LoggingSection:
    """Where metrics are logged in addition to stages.jsonl."""

    wandb: WandbSection = field(default_factory=WandbSection)
    csv: bool = False
    """Write CSV files to the run's folder."""
    tensorboard: bool = False
    """Write TensorBoard files to the run's folder."""


@dataclass
class Config:
    """One experiment."""

    name: str = MISSING
    """Name of the experiment; runs of one name are in one report and one W&B group."""
    seed: int = 0
    """Seed of the initial pool, the weights, the shuffling and every other draw."""
    runs_dir: str = "runs"
    """Folder of all runs; a run is written to <runs_dir>/<name>/<strategy>/seed-<seed>."""
    dataset: DatasetSection = field(default_factory=DatasetSection)
    learner: LearnerSection = field(default_factory=LearnerSection)
    strategy: Section = field(default_factory=Section)
    oracle: OracleSection = field(default_factory=OracleSection)
    budget: BudgetSection = field(default_factory=BudgetSection)
    trainer: dict[str, Any] = field(default_factory=dict)
    """Arguments of Lightning's Trainer."""
    loader: LoaderSection = field(default_factory=LoaderSection)
    logging: LoggingSection = field(default_factory=LoggingSection)


@dataclass
class CompleteConfig(Config):
    """A config whose options include the defaults of every named entry, with names, options and types checked.

    `experiment.complete` builds it, once per run.
    """

    interpolated: tuple[tuple[tuple[str | int, ...], str], ...] = field(default=(), metadata={"omegaconf_ignore": True})
    """(path of a key, what was written there), such as ${oc.env:DATA}/polyps, of texts that stand for others: a config
    is saved with them as they were written, so that it holds no secret of the environment."""


def nearest(word: str, words: Iterable[str]) -> str:
    """End of an error message: the word of `words` nearest to a misspelled one, or all of them.

    Example:
        >>> nearest("entrop", ["bald", "entropy"]), nearest("x", ["bald", "entropy"])
        (" (did you mean 'entropy'?)", ' (there are: bald, entropy)')
    """
    choices = sorted(words)
    close = difflib.get_close_matches(str(word), choices, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else f" (there are: {', '.join(choices) or 'none'})"
