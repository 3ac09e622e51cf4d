"""What pages say of the code is complete."""

from __future__ import annotations

import ast
import dataclasses
import re
import sys
from pathlib import Path

import pytest
from docs_pages import DOCS, ROOT

import al_lightning
from al_lightning.config import schema
from al_lightning.data import DATASETS
from al_lightning.learners import LEARNERS
from al_lightning.strategies import STRATEGIES

sys.path.insert(0, str(DOCS))

import generate
import hooks

PACKAGE = Path(al_lightning.__file__).parent


def filled(page: str) -> str:
    return hooks.filled((DOCS / page).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def strategies() -> str:
    return filled("strategies.md")


@pytest.mark.parametrize("name", STRATEGIES.builtin())
def test_every_strategy_is_explained(name, strategies):
    assert f"[`{name}`](#{name})" in strategies, "not in the table"
    assert f'<a id="{name}"></a>' in strategies or f"{{ #{name} }}" in strategies, "in no `<!-- generated: -->` mark"
    assert 20 < len(generate.strategy(name).summary) < 300
    assert generate.needs(name)


@pytest.mark.parametrize("name", STRATEGIES.builtin())
def test_every_option_of_a_strategy_is_explained(name):
    assert [option.name for option in generate.strategy(name).options if not option.text] == []


def test_every_learner_and_dataset_is_there():
    learners, datasets = filled("learners.md"), filled("datasets.md")
    assert [name for name in LEARNERS.builtin() if f"### {name} {{" not in learners] == []
    for name in DATASETS.builtin():
        assert f"## {name} {{" in datasets
        assert generate.INFO_OF[name].layout in datasets
        assert [option.name for option in generate.describe(DATASETS[name]).options if not option.text] == []


def keys(cls: type, prefix: str = "") -> list[str]:
    found = []
    for field in dataclasses.fields(cls):
        inner = getattr(schema, str(field.type), None)
        found += keys(inner, f"{prefix}{field.name}.") if dataclasses.is_dataclass(inner) else [prefix + field.name]
    return found


def test_every_key_of_the_configuration_is_there_with_its_own_words():
    page = filled("configuration.md")
    assert [key for key in keys(schema.Config) if f"| `{key}` |" not in page] == []
    words = generate._field_texts(schema.LearnerSection)["mc_passes"]
    assert " ".join(words.split()) in page


def test_no_mark_is_left():
    for page in DOCS.rglob("*.md"):
        assert "<!-- generated" not in filled(page.relative_to(DOCS).as_posix()), page.name


def test_every_room_is_in_the_architecture():
    table = (DOCS / "architecture.md").read_text(encoding="utf-8").partition("## Contracts")[0]
    rooms = {p.name + "/" if p.is_dir() else p.name for p in PACKAGE.iterdir() if not p.name.startswith(("_", "."))}
    assert [room for room in sorted(rooms - {"py.typed", "version.py"}) if f"`{room}`" not in table] == []


@pytest.mark.parametrize("room", ["core", "config"])
def test_every_module_of_the_lowest_rooms_is_in_the_architecture(room):
    (row,) = re.findall(rf"^\| `{room}/` \|(.*)", (DOCS / "architecture.md").read_text(encoding="utf-8"), re.MULTILINE)
    modules = {path.stem for path in (PACKAGE / room).glob("*.py")} - {"__init__"}
    assert set(re.findall(r"[a-z_]+", row)) >= modules


def test_every_file_that_the_architecture_names_exists():
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    files = {file for file in re.findall(r"`(\w[\w/]*\.py)`", text) if "/" in file}
    assert [file for file in sorted(files) if not (PACKAGE / file).exists() and not (ROOT / file).exists()] == []


def constants(node: ast.AST) -> str:
    """The text of a string expression, `…` where something varies."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(constants, node.values))
    return "…"


def messages() -> str:
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr | ast.Constant) and isinstance(getattr(node, "value", ""), str):
                found.append(constants(node))
    return "\n".join(found)


def test_messages_of_the_troubleshooting_are_those_of_the_code():
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert len(rows) > 20
    lines = messages().splitlines()
    for row in rows:
        parts = [part for part in re.split(r"…", row) if part.strip(" :;,()")]
        pattern = re.compile(".*".join(map(re.escape, parts)))
        assert any(pattern.search(line) for line in lines), row
