"""Sections that name an entry of a table: their options are checked against its signature, and it is called.

Imports no torch, so that a misspelled option is reported at once.
"""

from __future__ import annotations

import copy
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, make_dataclass
from functools import partial
from typing import Any, TypeVar, cast

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from al_lightning.config.interpolation import escaped
from al_lightning.config.loading import describe
from al_lightning.config.schema import ConfigError, nearest

T = TypeVar("T")


def options_of(
    section: str,
    table: Mapping[str, Callable[..., Any]],
    name: str,
    options: Mapping[str, Any],
    provided: Iterable[str] = (),
    nested: Mapping[type, Mapping[str, Callable[..., Any]]] | None = None,
) -> dict[str, Any]:
    """The options of table[name] with defaults filled in, checked against its signature.

    Args:
        section: path of the section, for messages.
        table: name -> what builds it.
        name: an entry of the table.
        options: as configured.
        provided: parameters that the framework passes, so that they are no options.
        nested: type -> table; a parameter annotated with the type is a section {name, options} of its own.

    Raises:
        ConfigError: an unknown name or option, a wrong type, an option without default that has no value.

    Example:
        >>> def ratio(top: int, bottom: int = 2) -> float:
        ...     return top / bottom
        >>> options_of("maths", {"ratio": ratio}, "ratio", {"top": 3})
        {'top': 3, 'bottom': 2}
    """
    if name not in table:
        raise ConfigError(f"{section}.name={name!r}: no such {section}{nearest(name, table)}")
    parameters = {
        key: (parameter, hint) for key, (parameter, hint) in _parameters(table[name]).items() if key not in provided
    }
    for key in options:
        if key not in parameters:
            raise ConfigError(f"{section}.options.{key}: {name} has no such option{nearest(key, parameters)}")
    fields: list[tuple[str, Any, Any]] = []
    given: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    for key, (parameter, hint) in parameters.items():
        if nested and hint in nested:
            chosen = options.get(key)
            if chosen is None:
                raise ConfigError(f"{section}.options.{key}: {name} needs a {{name: ..., options: ...}} for it")
            if not isinstance(chosen, Mapping) or "name" not in chosen or set(chosen) - {"name", "options"}:
                raise ConfigError(f"{section}.options.{key}={chosen!r}: expected {{name: ..., options: ...}}")
            where, sub = f"{section}.options.{key}", nested[hint]
            sub_options = options_of(where, sub, chosen["name"], chosen.get("options") or {}, provided, nested)
            inner[key] = {"name": chosen["name"], "options": sub_options}
            continue
        default = MISSING if parameter.default is inspect.Parameter.empty else parameter.default
        if isinstance(default, (tuple, list, dict)):
            fields.append((key, hint, field(default_factory=partial(copy.copy, default))))
        else:
            fields.append((key, hint, field(default=default)))
        if key in options:
            given[key] = options[key]
    for one in fields:
        try:
            OmegaConf.structured(make_dataclass("option", [one]))
        except OmegaConfBaseException:
            raise ConfigError(
                f"{section}.name={name}: its parameter {one[0]} is annotated {one[1]}, which no value of a YAML file "
                "has; give options plain types, and what a stage needs to a class that prepare returns"
            ) from None
    schema = OmegaConf.structured(make_dataclass(f"{section}.options", fields))
    try:
        merged = OmegaConf.merge(schema, escaped(given))
    except OmegaConfBaseException as error:
        raise ConfigError(f"{section}.options.{describe(error, given)}") from None
    missing = sorted(str(key) for key in OmegaConf.missing_keys(merged))
    if missing:
        raise ConfigError(f"{section}.options.{missing[0]}: {name} needs a value for it")
    result = cast(dict[str, Any], OmegaConf.to_container(merged, resolve=True))
    return {key: inner[key] if key in inner else result[key] for key in parameters}


def build(
    section: str,
    table: Mapping[str, Callable[..., T]],
    name: str,
    options: Mapping[str, Any],
    provided: Mapping[str, Any] | None = None,
    nested: Mapping[type, Mapping[str, Callable[..., Any]]] | None = None,
) -> T:
    """Call table[name] with checked options and those of `provided` that it has a parameter for.

    Raises:
        ConfigError: as `options_of`; a ValueError of the call itself, with the section named.

    Example:
        >>> def ratio(top: int, bottom: int = 2) -> float:
        ...     return top / bottom
        >>> build("maths", {"ratio": ratio}, "ratio", {"top": 3})
        1.5
    """
    provided = provided or {}
    arguments = options_of(section, table, name, options, provided, nested)
    parameters = _parameters(table[name])
    for key, (_, hint) in parameters.items():
        if nested and hint in nested:
            chosen = arguments[key]
            arguments[key] = build(
                f"{section}.options.{key}", nested[hint], chosen["name"], chosen["options"], provided, nested
            )
    arguments |= {key: value for key, value in provided.items() if key in parameters}
    try:
        return table[name](**arguments)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"{section} {name}: {error}") from error


def _parameters(call: Callable[..., Any]) -> dict[str, tuple[inspect.Parameter, Any]]:
    target: Any = getattr(call, "func", call)
    hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    return {
        key: (parameter, hints.get(key, Any))
        for key, parameter in inspect.signature(call).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
