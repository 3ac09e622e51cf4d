"""The parameters of what a table names, read from its source without importing it: torch takes seconds to load, and a
misspelled option should be reported at once."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from al_lightning.config.schema import ConfigError, nearest
from al_lightning.config.table import Table


def precheck(
    section: str, table: Table[Any], name: str, options: Mapping[str, Any], provided: Iterable[str] = ()
) -> None:
    """Check a name and the names of its options as far as that is possible without an import.

    Args:
        section: the key of the config, for errors.
        table: holds the name.
        provided: parameters that the framework passes.

    Raises:
        ConfigError: an unknown name or option.
    """
    if name not in table:
        raise ConfigError(f"{section}.name={name!r}: no such {section}{nearest(name, table)}")
    place = table.place(name)
    parameters = None if place is None else parameters_of(place)
    if parameters is None:
        return
    known = [key for key in parameters if key not in set(provided)]
    for key in options:
        if key not in known:
            raise ConfigError(f"{section}.options.{key}: {name} has no such option{nearest(str(key), known)}")


def parameters_of(place: str) -> list[str] | None:
    """Parameters of a function, class or dataclass of this package, or of a partial of one, by its "module:Name".

    None where they cannot be read off, for instance from a class that inherits them.

    Example:
        >>> parameters_of("al_lightning.strategies.mixture:mixture")
        ['uncertain', 'diverse', 'gamma']
        >>> parameters_of("al_lightning.strategies.uncertain:bvsb")
        ['top']
    """
    module, _, name = place.partition(":")
    package, *parts = module.split(".")
    file = Path(str(resources.files(package))).joinpath(*parts).with_suffix(".py")
    if package != "al_lightning" or not file.is_file():
        return None
    return _parameters(ast.parse(file.read_text(encoding="utf-8")), name)


def _parameters(tree: ast.Module, name: str) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return _arguments(node)
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _of_class(node)
        if isinstance(node, ast.Assign) and [getattr(target, "id", None) for target in node.targets] == [name]:
            return _of_partial(tree, node.value)
    return None


def _arguments(node: ast.FunctionDef) -> list[str] | None:
    if node.args.kwarg or node.args.vararg:
        return None
    return [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]


def _of_class(node: ast.ClassDef) -> list[str] | None:
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            found = _arguments(part)
            return None if found is None else found[1:]
    if "dataclass" not in " ".join(map(ast.unparse, node.decorator_list)):
        return None
    fields = [part for part in node.body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)]
    return [part.target.id for part in fields if "ClassVar" not in ast.unparse(part.annotation)]  # type: ignore[union-attr]


def _of_partial(tree: ast.Module, value: ast.expr) -> list[str] | None:
    if not (isinstance(value, ast.Call) and getattr(value.func, "id", None) == "partial" and value.args):
        return None
    found = _parameters(tree, getattr(value.args[0], "id", ""))
    given = {keyword.arg for keyword in value.keywords}
    return None if found is None else [name for name in found[len(value.args) - 1 :] if name not in given]
