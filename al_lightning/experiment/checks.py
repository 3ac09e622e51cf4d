"""Checks of settings whose fault a first pass would not show, because it comes later or without an error.

Imports no torch.
"""

from __future__ import annotations

import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from al_lightning.config.names import LONGEST
from al_lightning.config.schema import Config, ConfigError, nearest

OURS = {
    "callbacks": "the experiment sets its own",
    "logger": "set logging.wandb, logging.csv or logging.tensorboard",
    "default_root_dir": "set runs_dir",
    "plugins": "the experiment sets its own",
    "fast_dev_run": "it writes no checkpoint, which a stage needs; set trainer.max_epochs=1 and a small budget",
    "overfit_batches": "Lightning would train on the first images of the dataset, labelled or not; set a small "
    "budget.initial",
    "barebones": "it writes no checkpoint, which a stage needs",
    "use_distributed_sampler": "the loaders divide their rows among the ranks themselves",
}
"""Arguments of Lightning's Trainer that cannot be set in a configuration, and why."""
COUNTS = {"num_nodes": 10_000, "devices": 10_000}
"""Arguments that are numbers of machines, for each of which a run would wait."""
SPAWNS = ("spawn", "fork", "notebook")
"""Ways of starting ranks whose processes, with the labels so far, end with each training."""


def check_trainer(options: dict[str, Any], known: Mapping[str, Any]) -> None:
    """Check the arguments of Lightning's Trainer.

    Args:
        options: the section trainer.
        known: parameter of Lightning's Trainer -> its type.

    Raises:
        ConfigError: an argument is unknown, out of range, or would give incomplete or misleading results.
    """
    for key, value in options.items():
        if key in OURS and value not in (None, False, 0, 0.0):
            raise ConfigError(f"trainer.{key}={value!r}: cannot be set here: {OURS[key]}")
        if key not in known:
            raise ConfigError(f"trainer.{key}: not an argument of Lightning's Trainer{nearest(key, known)}")
        if (wanted := plain_types(known[key])) and not fits(value, wanted):
            names = ", ".join(one.__name__ if one is not type(None) else "null" for one in wanted)
            raise ConfigError(f"trainer.{key}={value!r}: expected {names}")
    if options.get("enable_checkpointing") is False:
        raise ConfigError(
            "trainer.enable_checkpointing=False: a stage is tested with its best checkpoint; leave it out"
        )
    for key in ("max_epochs", "max_steps"):
        value = options.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value == 0 or value < -1):
            raise ConfigError(f"trainer.{key}={value!r}: expected a whole number of at least 1, or -1 for no limit")
    for key, most in COUNTS.items():
        value = options.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value > most:
            raise ConfigError(f"trainer.{key}={value}: expected at most {most}")
    limits = [options.get(key) for key in ("max_epochs", "max_steps")]
    if all(limit in (None, -1) for limit in limits) and options.get("max_time") is None:
        raise ConfigError(
            "trainer.max_epochs: no value given, so that a stage would never end; set its number of epochs (or "
            "trainer.max_steps, or trainer.max_time)"
        )
    test = options.get("limit_test_batches")
    if test not in (None, 1.0) or isinstance(test, int):
        raise ConfigError(
            f"trainer.limit_test_batches={test!r}: a result would be of some test images alone; leave it out, or give "
            "the dataset a smaller test set"
        )
    if options.get("limit_predict_batches") is not None:
        raise ConfigError(
            f"trainer.limit_predict_batches={options['limit_predict_batches']!r}: every image of the pool has to be "
            "scored; leave it out"
        )
    strategy = str(options.get("strategy", ""))
    if any(word in strategy for word in SPAWNS):
        raise ConfigError(
            f"trainer.strategy={strategy}: its ranks end with each training and forget what was labelled; set ddp"
        )


def plain_types(hint: Any) -> tuple[type, ...]:
    """The types that a hint such as int | float | None admits; none where it admits others than plain ones.

    Example:
        >>> plain_types(int | None)
        (<class 'int'>, <class 'NoneType'>)
    """
    members = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    return members if all(member in (int, float, bool, str, type(None)) for member in members) else ()


def fits(value: Any, wanted: tuple[type, ...]) -> bool:
    """Whether a value is of one of the types; a whole number is a float too, and true and false are no numbers."""
    if isinstance(value, bool):
        return bool in wanted
    return isinstance(value, wanted) or (isinstance(value, int) and float in wanted)


def check_paths(config: Config) -> None:
    """Check that the folder of the run can be created.

    Raises:
        ConfigError: it cannot; the message names the key.
    """
    if "://" in config.runs_dir or "::" in config.runs_dir:
        raise ConfigError(f"runs_dir={config.runs_dir!r}: expected a folder of this machine, without '://' or '::'")
    text = config.runs_dir
    if any(ord(character) < 32 for character in text):
        raise ConfigError(f"runs_dir={text[:200]!r}: holds control characters; expected a folder")
    if not text.strip():
        raise ConfigError(f"runs_dir={text!r}: expected a folder, such as runs")
    if max((len(os.fsencode(part)) for part in Path(text).parts), default=0) > LONGEST:
        raise ConfigError(f"runs_dir={text[:40]}...: a folder's name takes {LONGEST} bytes")
    folder = Path(config.runs_dir).absolute() / config.name / config.strategy.name.replace(":", ".")
    if len(os.fsencode(folder)) > 3800:
        raise ConfigError(f"runs_dir={config.runs_dir[:40]}...: the path of the run is too long for this machine")
    try:
        within = folder.resolve().is_relative_to(Path(config.runs_dir).resolve())
    except (OSError, RuntimeError):
        raise ConfigError(f"runs_dir={config.runs_dir!r}: a link in {folder} leads to itself; remove it") from None
    if not within:
        raise ConfigError(
            f"name={config.name!r}: {folder} is a link to {folder.resolve()}, outside runs_dir; set runs_dir to the "
            "folder that it leads to, or choose another name"
        )
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir():
        raise ConfigError(f"runs_dir={config.runs_dir!r}: {existing} is a file; expected a folder")
    if not os.access(existing, os.W_OK):
        raise ConfigError(f"runs_dir={config.runs_dir!r}: {existing} cannot be written to; choose another folder")
