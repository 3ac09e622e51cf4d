"""What a word of a command stands for: a YAML file, one variant of a file, or an experiment that the package ships.

A file may hold several experiments. Each entry of its section `variants:` is a layer merged over the file:

    variants:
      random: {}                                        # the variant's own key is the strategy's name
      entropy: {strategy: {name: region-entropy}}       # unless the variant has a section strategy

The experiment is called `<stem of the file>-<variant>`. A file that has no variants, or that sets a strategy itself,
is an experiment of its own name as well. Imports no torch.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from omegaconf import DictConfig, ListConfig, OmegaConf

from al_lightning.config.schema import ConfigError
from al_lightning.config.yaml_text import read_yaml

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Experiment:
    """A YAML file, and which of its variants is meant; None: the file as it stands."""

    path: Path
    variant: str | None = None

    @property
    def name(self) -> str:
        """The word it is called by."""
        return self.path.stem if self.variant is None else f"{self.path.stem}-{self.variant}"


@dataclass(frozen=True)
class Content:
    """What one YAML file says."""

    bases: tuple[str, ...]
    """Files or experiments that are merged before it."""
    layer: DictConfig
    """Its own keys."""
    variants: dict[str, DictConfig]
    """A layer for each variant, to be merged over the file."""

    @property
    def alone(self) -> bool:
        """Whether the file is an experiment without any of its variants."""
        return not self.variants or "strategy" in self.layer


def read(path: Path) -> Content:
    """Read a YAML file and take `base:` and `variants:` out of its keys.

    Raises:
        ConfigError: it is not YAML, or not a mapping, or one of the two has a wrong form.
    """
    layer = read_yaml(path)
    if not isinstance(layer, DictConfig):
        raise ConfigError(f"{path}: expected a mapping of keys to values")
    bases, variants = layer.pop("base", []), layer.pop("variants", None) or {}
    below = [bases] if isinstance(bases, str) else bases
    if not isinstance(below, list | ListConfig) or not all(isinstance(base, str) and base for base in below):
        raise ConfigError(f"{path}: base={bases!r}: expected a file, such as base: kvasir.yaml, or a list of files")
    if not isinstance(variants, DictConfig | dict):
        raise ConfigError(f"{path}: variants={variants}: expected a mapping, such as variants: {{random: {{}}}}")
    return Content(tuple(map(str, below)), layer, dict(_variant(path, key, variants[key]) for key in variants))


def _variant(path: Path, key: object, changes: object) -> tuple[str, DictConfig]:
    if not isinstance(key, str):
        raise ConfigError(f"{path}: variants.{key}: expected a word; put it in quotes")
    if changes is not None and not isinstance(changes, DictConfig):
        raise ConfigError(f"{path}: variants.{key}={changes}: expected a mapping of what changes, such as {{seed: 1}}")
    layer = OmegaConf.create({}) if changes is None else changes
    if "strategy" not in layer:
        layer["strategy"] = {"name": key}
    return key, layer


def folder() -> Path:
    """The folder of the shipped experiments: in the installed package, or beside the package in its repository."""
    package = Path(str(resources.files("al_lightning")))
    inside = package / "experiments"
    return inside if inside.is_dir() else package.parent / "experiments"


def files() -> tuple[Path, ...]:
    """The shipped files, by name."""
    return tuple(sorted(folder().glob("*.yaml"), key=lambda path: path.stem))


def in_file(path: Path) -> tuple[Experiment, ...]:
    """The experiments of one file: itself, where it is one, then its variants in their order."""
    content = read(path)
    own = [Experiment(path)] if content.alone else []
    return (*own, *(Experiment(path, key) for key in content.variants))


def names() -> tuple[str, ...]:
    """The names of all shipped experiments, sorted."""
    return tuple(sorted(experiment.name for path in files() for experiment in in_file(path)))


def resolve(word: str | Path, beside: Path = Path()) -> Experiment:
    """What `word` stands for; the first that there is of

    1. a file, `mine.yaml`;
    2. a variant of a file, `mine-random.yaml`: the variant `random` of `mine.yaml`;
    3. a shipped experiment, `kvasir-random`, or a shipped file of several, `kvasir`; also written as the path that it
       has in the repository, `experiments/kvasir-random.yaml`.

    Args:
        beside: folder that paths are relative to.

    Raises:
        FileNotFoundError: there is nothing of this name; the error names the nearest.
        ConfigError: a file that had to be read for its variants is broken.
    """
    path = beside / word
    if path.is_file():
        return Experiment(path)
    if path.suffix in SUFFIXES and (found := _variant_called(path)):
        return found
    name = Path(word)
    if str(name.parent) in (".", "experiments") and name.suffix in ("", *SUFFIXES):
        shipped = folder() / f"{name.name.removesuffix(name.suffix)}.yaml"
        if shipped.is_file():
            return Experiment(shipped)
        if found := _variant_called(shipped):
            return found
    raise FileNotFoundError(f"{word}: no such configuration file or experiment{_nearest(path)}")


def _variant_called(path: Path) -> Experiment | None:
    """The variant whose file and key together make this path; of `a-b.yaml` and `a.yaml`, the longer is asked first."""
    parts = path.stem.split("-")
    for cut in range(len(parts) - 1, 0, -1):
        file = path.with_name("-".join(parts[:cut]) + path.suffix)
        if file.is_file() and (key := "-".join(parts[cut:])) in read(file).variants:
            return Experiment(file, key)
    return None


def _nearest(path: Path) -> str:
    """How the nearest there is is written: a shipped name, or a file or variant beside `path`."""
    choices: set[str] = {*names(), *(file.stem for file in files())}
    if path.suffix in SUFFIXES and path.parent.is_dir():
        choices |= {file.name for file in path.parent.glob(f"*{path.suffix}")}
        stems = [file for file in path.parent.glob(f"*{path.suffix}") if path.stem.startswith(f"{file.stem}-")]
        choices |= {f"{found.name}{path.suffix}" for file in stems for found in in_file(file)}
    close = difflib.get_close_matches(path.name, choices, n=3, cutoff=0.6)
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else "; `al-lightning experiments` lists them"


def need_variant(words: Iterable[str | Path]) -> None:
    """Tell a user who named a file of several experiments, and no strategy, how to choose one.

    Raises:
        ConfigError: one of the words is such a file.
    """
    for word in words:
        found = resolve(word)
        variants = read(found.path).variants
        if found.variant is None and variants:
            first = next(iter(variants))
            written = str(word).removesuffix(found.path.suffix)
            suffix = str(word)[len(written) :]
            raise ConfigError(
                f"{word}: holds several experiments; name one, such as {written}-{first}{suffix}, or set strategy.name "
                f"(variants: {', '.join(variants)})"
            )
