"""Docstrings: options of built-in entries are documented with type and default, and doctest finds all examples."""

from __future__ import annotations

import ast
import doctest
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import al_lightning
from al_lightning.data import DATASETS
from al_lightning.learners import LEARNERS
from al_lightning.oracles import ORACLES
from al_lightning.strategies import STRATEGIES

FROM_THE_FRAMEWORK = {"learner": ("task", "size"), "oracle": ("target_file", "dataset")}
"""Kind of table -> parameters that are no options."""

BUILDERS = [
    pytest.param(table.kind, table[name], id=f"{table.kind}-{name}")
    for table in (STRATEGIES, LEARNERS, DATASETS, ORACLES)
    for name in table.builtin()
]
ENTRY = re.compile(r" {4}(?P<names>\w+(?:, \w+)*)(?: \((?P<type>.+?)\))?: (?P<text>.*)")


def documented(build: Callable[..., Any]) -> dict[str, tuple[str | None, str, int]]:
    """Name -> type, text and position in its entry of the section `Args:`; "as of `X`" stands for the entry of X."""
    target: Any = getattr(build, "func", build)
    entries: list[tuple[list[str], str | None, list[str]]] = []
    inside = False
    for line in (inspect.getdoc(target) or "").splitlines():
        if line and not line.startswith(" "):
            inside = line == "Args:"
        elif inside and (entry := ENTRY.fullmatch(line)):
            entries.append((entry["names"].split(", "), entry["type"], [entry["text"]]))
        elif inside and line:
            entries[-1][2].append(line.strip())
    found: dict[str, tuple[str | None, str, int]] = {}
    for names, kind, lines in entries:
        text = " ".join(lines)
        elsewhere = re.search(r"as of `(\w+)`", text)
        others = documented(getattr(sys.modules[target.__module__], elsewhere[1])) if elsewhere else {}
        for position, name in enumerate(names):
            found[name] = others[name] if elsewhere and kind is None else (kind, text, position)
    return found


def stated_default(text: str, position: int) -> Any:
    """What follows "Default", up to a full stop at the end or a colon; of several values that at the position."""
    stated = re.search(r"Default ([^:]+?)(?:\.$|:)", text)
    assert stated, f'no "Default X." at the end: {text}'
    values = ast.literal_eval(f"[{stated[1]}]")
    return values[min(position, len(values) - 1)]


@pytest.mark.parametrize(("kind", "build"), BUILDERS)
def test_every_option_has_a_type_and_its_default(kind: str, build: Callable[..., Any]) -> None:
    found = documented(build)
    for name, parameter in inspect.signature(build).parameters.items():
        if name in FROM_THE_FRAMEWORK.get(kind, ()):
            continue
        assert name in found, f"{name}: not in the section Args:"
        type_, text, position = found[name]
        assert type_, f"{name}: no type, such as {name} (float): ..."
        if parameter.default is not parameter.empty:
            default = parameter.default
            stated = stated_default(text, position)
            assert stated == (list(default) if isinstance(default, tuple) else default), f"{name}: another default"


def test_a_docstring_without_type_default_or_option_is_found() -> None:
    def documents(text: str) -> Callable[..., Any]:
        def build(rate: float = 0.5, steps: int = 2) -> None: ...

        build.__doc__ = f"Summary.\n\n    Args:\n        {text}\n"
        return build

    check = test_every_option_has_a_type_and_its_default
    check("strategy", documents("rate (float): of steps. Default 0.5.\n        steps (int): their number. Default 2."))
    for text in (
        "rate (float): of steps. Default 0.5.",
        "rate, steps: both. Default 0.5, 2.",
        "rate, steps (float): both.",
        "rate, steps (float): both. Default 0.5, 3.",
    ):
        with pytest.raises(AssertionError):
            check("strategy", documents(text))


def modules() -> Iterator[str]:
    for module in pkgutil.walk_packages(al_lightning.__path__, "al_lightning."):
        if not module.name.endswith("__main__"):
            yield module.name


def docstrings(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """Qualified name and docstring of a module and all that is defined in it, but not inside functions."""
    assert isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    yield name, ast.get_docstring(node) or ""
    if isinstance(node, ast.Module | ast.ClassDef):
        for child in node.body:
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield from docstrings(child, f"{name}.{child.name}")


@pytest.mark.parametrize("name", modules())
def test_doctest_finds_every_example(name: str) -> None:
    """It does not look into functions that a decorator from elsewhere wraps, such as torch.no_grad."""
    module = import_module(name)
    assert module.__file__
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    written = {where for where, text in docstrings(tree, name) if ">>>" in text}
    assert written == {test.name for test in doctest.DocTestFinder().find(module, name) if test.examples}
