"""Imports run only downward, as docs/architecture.md says."""

from __future__ import annotations

import ast
from pathlib import Path

import al_lightning

PACKAGE = Path(al_lightning.__file__).parent
LEVELS = [
    {"__main__"},
    {"cli"},
    {"bench"},
    {"experiment"},
    {"loop", "report", "audit"},
    {"strategies", "learners", "oracles"},
    {"cost"},
    {"data", "networks"},
    {"neighbors", "uncertainty", "metrics"},
    {"types"},
    {"core"},
    {"config"},
    {"version"},
]
"""Rooms from the top floor down; those of one floor do not import each other."""
LEVEL = {name: depth for depth, names in enumerate(LEVELS) for name in names}


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_imports_run_only_downward():
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        relative = path.relative_to(PACKAGE)
        if relative == Path("__init__.py"):
            continue
        own = relative.parts[0].removesuffix(".py")
        assert own in LEVEL, f"{own}: not in the layout"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                is_top = node.module == "al_lightning"
                names = [f"{node.module}.{a.name}" for a in node.names] if is_top else [node.module]
            for name in names:
                if name.startswith("al_lightning.") and part(name) not in ("__version__", own):
                    target = part(name)
                    if target not in LEVEL or LEVEL[target] <= LEVEL[own]:
                        wrong.append(f"{relative} imports {name}")
    assert wrong == []


def test_only_neighbors_imports_faiss():
    files = [p for p in PACKAGE.rglob("*.py") if "import faiss" in p.read_text(encoding="utf-8")]
    assert [p.relative_to(PACKAGE).as_posix() for p in files] == ["neighbors/search.py"]


def test_no_file_of_the_package_is_longer_than_it_must_be():
    """A file that grows past this is two ideas; those that are here are one each."""
    allowed = {"metrics/objects.py": 345, "strategies/vaal.py": 320, "loop/callback.py": 370}
    lines = {
        p.relative_to(PACKAGE).as_posix(): len(p.read_text(encoding="utf-8").splitlines())
        for p in PACKAGE.rglob("*.py")
    }
    assert {name: n for name, n in lines.items() if n > allowed.get(name, 300)} == {}
