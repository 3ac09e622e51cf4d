"""Configuration: the fixed sections as dataclasses. Imports no torch, so that a misspelled key is reported at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from omegaconf import MISSING

ClickTerms = Literal["vertices", "sum"]
"""What the cost in clicks counts, see `cost.annotation.AnnotationCost`."""


class ConfigError(ValueError):
    """A mistake in a configuration: one line that names the key, its value and what was expected."""


@dataclass
class Section:
    """Something chosen by name from a table; its options are the parameters of what the table holds."""

    name: str = MISSING
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class OracleSection:
    """Who reveals labels."""

    name: str = "simulated"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class CommitteeSection:
    """Several learners that disagree."""

    members: int = 1
    """Number of learners trained at each stage; 1 is no committee."""
    bootstrap: bool = True
    """Each member trains on a resample with replacement of the labelled images, not on all of them."""


@dataclass
class LearnerSection:
    """The network and how it is trained."""

    name: str = MISSING
    options: dict[str, Any] = field(default_factory=dict)
    restart: Literal["scratch", "finetune"] = "scratch"
    """scratch: fresh weights at every stage; finetune: the best weights of the stage before."""
    initial_epochs: int | None = None
    """Epochs of the first stage, where it differs from trainer.max_epochs (a long start, then fine-tuning)."""
    augment: Literal["none", "flips"] = "none"
    """Random flips of training images and their targets, left to right and upside down; an endoscope has no upright."""
    patience: int | None = None
    """Epochs without a better validation result after which a stage stops training; null: it never does."""
    committee: CommitteeSection = field(default_factory=CommitteeSection)
    mc_passes: int = 1
    """Stochastic forward passes with dropout on when the pool is scored; 1 is one deterministic pass."""


@dataclass
class BudgetSection:
    """How many images are labelled when."""

    initial: int = MISSING
    """Images drawn at random before the first training."""
    per_stage: int = MISSING
    """Images selected after each stage but the last."""
    stages: int = MISSING
    """Rows of the curve, the initial one included."""
    pixels: float | None = None
    """Stop after the first row for which this fraction of the pool's pixels is labelled; stages is then the most
    rows."""
    clicks: ClickTerms = "vertices"
    """What the cost in clicks counts: vertices of outlines, or with them the crossings of a region's border and its
    connected components (segmentation only)."""


@dataclass
class LoaderSection:
    """How batches are made."""

    batch_size: int = 8
    workers: int = 0
    cache: Literal["memory", "disk", "none"] = "memory"
    """Where decoded, resized uint8 images are kept: memory, a memory-mapped file, or nowhere."""


@dataclass
class WandbSection:
    """Weights & Biases."""

    project: str = "al_lightning"
    entity: str | None = None
    tags: list[str] = field(default_factory=list)
    """Tags beside the dataset's, the strategy's and the learner's name."""
    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    """auto: online when logged in, else offline."""


@dataclass
class LoggingSection:
    """Where metrics go beside stages.jsonl."""

    wandb: WandbSection = field(default_factory=WandbSection)
    csv: bool = False
    tensorboard: bool = False


@dataclass
class Config:
    """One experiment."""

    name: str = MISSING
    """Groups runs that share a report and a W&B group."""
    seed: int = 0
    """Fixes the initial pool, the weights, the shuffling and every draw."""
    runs_dir: str = "runs"
    """The run goes to <runs_dir>/<name>/<strategy>/seed-<seed>."""
    dataset: Section = field(default_factory=Section)
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
    """A config with the defaults of every chosen part spelled out, its names, options and types checked.

    `experiment.complete` makes it, once a run.
    """


def nearest(word: str, words: Iterable[str]) -> str:
    """ " (did you mean 'x'?)" for the nearest of `words`, or the list of them."""
    choices = sorted(words)
    close = difflib.get_close_matches(str(word), choices, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else f" (there are: {', '.join(choices) or 'none'})"
