"""Configuration: the fixed sections as dataclasses, `load` from files and overrides.

Imports no torch, so that a misspelled key is reported at once.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

SWITCHED = ("dataset", "learner", "strategy", "oracle")


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
    """Stop after the first row for which this share of the pool's pixels is labelled; stages is then the most rows."""
    clicks: Literal["vertices", "sum"] = "vertices"
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


def nearest(word: str, words: Iterable[str]) -> str:
    """ " (did you mean 'x'?)" for the nearest of `words`, or the list of them."""
    choices = sorted(words)
    close = difflib.get_close_matches(str(word), choices, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else f" (there are: {', '.join(choices) or 'none'})"


def load(files: Iterable[str | Path], overrides: Iterable[str] = ()) -> Config:
    """Merge files left to right, then `key=value` overrides, over the defaults.

    A file may name files that it stands on: `base: base/kvasir.yaml` (one or a list), relative to itself.
    A layer that changes the `name` of a section drops the options that were set for the old name.

    Raises:
        ConfigError: an unknown key, a wrong type, a missing value.
        FileNotFoundError: a file is not there.
    """
    layers = [layer for file in files for layer in _read(Path(file))]
    overrides = list(overrides)
    for item in overrides:
        if "=" not in item:
            raise ConfigError(f"{item!r}: expected key=value, such as budget.stages=4, or the path of a YAML file")
    try:
        layers += [OmegaConf.from_dotlist([item]) for item in overrides]
    except Exception as error:
        raise ConfigError(f"{' '.join(overrides)}: {_first_line(error)}") from None
    merged: Any = OmegaConf.structured(Config)
    for layer in layers:
        merged = _merge(merged, layer)
    return validate(cast(Config, merged))


def validate(config: Config) -> Config:
    """Check what no type can say; returns the config."""
    missing = sorted(str(key) for key in OmegaConf.missing_keys(config))
    if missing:
        raise ConfigError(f"{missing[0]}: no value given (missing: {', '.join(missing)})")
    positive = {
        "budget.initial": config.budget.initial,
        "budget.per_stage": config.budget.per_stage,
        "budget.stages": config.budget.stages,
        "loader.batch_size": config.loader.batch_size,
        "learner.committee.members": config.learner.committee.members,
        "learner.mc_passes": config.learner.mc_passes,
    }
    for key, value in positive.items():
        if value < 1:
            raise ConfigError(f"{key}={value}: expected a number of at least 1")
    for key in ("initial_epochs", "patience"):
        if (epochs := getattr(config.learner, key)) is not None and epochs < 1:
            raise ConfigError(f"learner.{key}={epochs}: expected at least 1, or null")
    if config.budget.pixels is not None and not 0 < config.budget.pixels <= 1:
        raise ConfigError(f"budget.pixels={config.budget.pixels}: expected a share above 0 and up to 1, or null")
    for key, value in {"seed": config.seed, "loader.workers": config.loader.workers}.items():
        if value < 0:
            raise ConfigError(f"{key}={value}: expected a number of at least 0")
    for part in ("name",):
        if "/" in config.name or config.name in ("", ".", ".."):
            raise ConfigError(f"{part}={config.name!r}: expected a name that can be a folder's")
    return config


def from_saved(path: Path) -> Config:
    """The config that a run saved beside its results."""
    return load([path])


def to_yaml(config: Config) -> str:
    """The config as YAML, every value spelled out."""
    return OmegaConf.to_yaml(OmegaConf.create(plain(config)))


def plain(config: Config) -> dict[str, Any]:
    """The config as plain dicts and lists, just as its YAML reads back."""
    container = OmegaConf.to_container(cast(Any, config), resolve=True, enum_to_str=True)
    return cast(dict[str, Any], json.loads(json.dumps(container)))


def difference(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Lines "key: old -> new" for every leaf that differs."""
    lines: list[str] = []
    for key in sorted(set(old) | set(new)):
        a, b = old.get(key, "(not set)"), new.get(key, "(not set)")
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            lines += difference(a, b, f"{prefix}{key}.")
        elif a != b:
            lines.append(f"{prefix}{key}: {a} -> {b}")
    return lines


def _read(path: Path) -> list[DictConfig]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such configuration file")
    try:
        layer = OmegaConf.load(path)
    except Exception as error:
        raise ConfigError(f"{path}: not readable as YAML: {_first_line(error)}") from None
    if not isinstance(layer, DictConfig):
        raise ConfigError(f"{path}: expected a mapping of keys to values")
    bases = layer.pop("base", [])
    below = [bases] if isinstance(bases, str) else list(bases)
    return [part for base in below for part in _read(path.parent / str(base))] + [layer]


def _merge(below: Any, layer: DictConfig | ListConfig) -> Any:
    for section in SWITCHED:
        part = layer.get(section) if isinstance(layer, DictConfig) else None
        name = part.get("name") if isinstance(part, DictConfig) else None
        old = below[section]
        if name is not None and not OmegaConf.is_missing(old, "name") and old.name != name:
            old.options = {}
    for key, value in layer.items_ex(resolve=False) if isinstance(layer, DictConfig) else ():
        if OmegaConf.is_dict(below.get(key) if key in below else None) and not OmegaConf.is_dict(value):
            keys = ", ".join(map(str, below[key])) or "any"
            raise ConfigError(f"{key!s}={value!r}: expected a section with keys ({keys})")
    try:
        return OmegaConf.merge(below, layer)
    except OmegaConfBaseException as error:
        raise ConfigError(describe(error, OmegaConf.to_container(layer))) from None


def describe(error: OmegaConfBaseException, given: Any) -> str:
    """One line from OmegaConf's several: the key, the value, what was expected."""
    key = str(error.full_key or error.key or "config")
    text = _first_line(error)
    value: Any = given
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    shown = f"{key}={value!r}" if value is not None else key
    return f"{shown}: {text[:1].lower()}{text[1:]}"


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
