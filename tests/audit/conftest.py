"""The clean data set of `audit_tree` as a fixture."""

from __future__ import annotations

from pathlib import Path

import pytest
from audit_tree import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")
