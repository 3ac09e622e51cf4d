"""All combinations of the values of `--sweep`. Imports no torch, so that a mistake is reported at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from al_lightning.config.schema import ConfigError


def combinations(sweeps: Sequence[str]) -> list[dict[str, str]]:
    """All combinations of the values of `key=a,b,...`; a single empty one where there is no sweep.

    Commas within brackets separate no values: `learner.options.widths=[4,8],[8,16]` has two.

    Raises:
        ConfigError: a sweep is not of this form, or two have the same key.

    Example:
        >>> combinations(["seed=0,1", "name=a"])
        [{'seed': '0', 'name': 'a'}, {'seed': '1', 'name': 'a'}]
    """
    axes: dict[str, list[str]] = {}
    for sweep in sweeps:
        key, equals, text = sweep.partition("=")
        values = list(_values(text))
        if not key or not equals or not all(values):
            raise ConfigError(f"--sweep {sweep}: expected key=a,b,... such as seed=0,1,2")
        if key in axes:
            raise ConfigError(f"--sweep {sweep}: {key} is swept twice; give all its values at once, as {key}=a,b,...")
        axes[key] = values
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def overrides(values: Mapping[str, str]) -> list[str]:
    """`key=value` of each; names of sections come first, because a change of name drops the options set before it.

    Example:
        >>> overrides({"learner.options.lr": "0.1", "learner.name": "unet"})
        ['learner.name=unet', 'learner.options.lr=0.1']
    """
    return [f"{key}={values[key]}" for key in sorted(values, key=lambda key: key.rpartition(".")[2] != "name")]


def _values(text: str) -> Iterator[str]:
    """The pieces between the commas that are outside brackets."""
    depth, begin = 0, 0
    for place, character in enumerate(text):
        depth = max(0, depth + (character in "[{(") - (character in "]})"))
        if character == "," and depth == 0:
            yield text[begin:place]
            begin = place + 1
    yield text[begin:]
