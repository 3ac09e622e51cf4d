"""Sections that name an entry of a table: their options are checked against its signature, and it is called.

Imports no torch, so that a misspelled option is reported at once.
"""

from __future__ import annotations

import copy
import inspect
import re
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
from al_lightning.config.yaml_text import first_line

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
        wrong = next((one for one in given if not _fits(schema, one, given[one])), None)
        if wrong is not None and wrong not in str(error.full_key or error.key or ""):
            raise ConfigError(f"{section}.options.{wrong}={_shown(given[wrong])}: {first_line(error)}") from None
        raise ConfigError(f"{section}.options.{describe(error, given)}") from None
    missing = sorted(str(key) for key in OmegaConf.missing_keys(merged))
    if missing:
        raise ConfigError(f"{section}.options.{missing[0]}: {name} needs a value for it")
    result = cast(dict[str, Any], OmegaConf.to_container(merged, resolve=True))
    for key, value in result.items():
        if isinstance(value, float) and value != value:  # no comparison with it is true, so that no check finds it
            raise ConfigError(f"{section}.options.{key}=nan: expected a number")
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
    except (ConfigError, FileNotFoundError, ImportError):
        raise
    except OSError as error:
        named = next((key for key, value in arguments.items() if _is_in(value, error.filename)), None)
        if named is None:
            raise
        raise ConfigError(f"{section}.options.{named}={_shown(arguments[named])}: {error.strerror or error}") from error
    except ValueError as error:
        guilty = None if _names(error, parameters) else _guilty(table[name], arguments, parameters)
        where = f"{section} {name}" if guilty is None else f"{section}.options.{guilty}={_shown(arguments[guilty])}"
        raise ConfigError(f"{where}: {error}") from error
    except (ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError) as error:
        # What a library says of a number that is far too large; a fault of ours has no guilty option.
        guilty = _guilty(table[name], arguments, parameters)
        if guilty is None:
            raise
        reason = f"{type(error).__name__}: {first_line(error)[:200]}"
        raise ConfigError(f"{section}.options.{guilty}={_shown(arguments[guilty])}: {reason}") from error


def _is_in(value: Any, file: Any) -> bool:
    """Whether an option is a text that a file's name holds."""
    return isinstance(value, str) and bool(value) and value in str(file)


def _fits(schema: Any, key: str, value: Any) -> bool:
    """Whether a value can be merged at its key."""
    try:
        OmegaConf.merge(schema, escaped({key: value}))
    except OmegaConfBaseException:
        return False
    return True


def _names(error: Exception, parameters: Iterable[str]) -> bool:
    """Whether a message names one of the options."""
    return any(re.search(rf"\b{re.escape(key)}\b", str(error)) for key in parameters)


def _guilty(
    call: Callable[..., Any], arguments: Mapping[str, Any], parameters: Mapping[str, tuple[inspect.Parameter, Any]]
) -> str | None:
    """The option with whose default the call succeeds, where one alone does."""
    for key, (parameter, _) in parameters.items():
        default = parameter.default
        if default is inspect.Parameter.empty or arguments[key] in (default, _listed(default)):
            continue
        try:
            call(**{**arguments, key: default})
        except Exception:
            continue
        return key
    return None


def _listed(default: Any) -> Any:
    """A default as a YAML file has it."""
    return list(default) if isinstance(default, tuple) else default


def _shown(value: Any) -> str:
    """A value for a message."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _parameters(call: Callable[..., Any]) -> dict[str, tuple[inspect.Parameter, Any]]:
    target: Any = getattr(call, "func", call)
    hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    return {
        key: (parameter, hints.get(key, Any))
        for key, parameter in inspect.signature(call).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
