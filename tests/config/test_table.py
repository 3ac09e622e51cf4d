"""Tables: built-in names, entry points of installed packages, and package.module:Name."""

from __future__ import annotations

import sys

import pytest

from al_lightning.config import ConfigError
from al_lightning.config.options import build, options_of
from al_lightning.config.table import Table
from al_lightning.data import DATASETS
from al_lightning.learners import LEARNERS
from al_lightning.oracles import ORACLES
from al_lightning.strategies import STRATEGIES


def made(size: int = 3) -> tuple[str, int]:
    return "made", size


@pytest.fixture
def table() -> Table:
    return Table("strategy", {"made": made})


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with an entry point, as pip leaves it."""
    (tmp_path / "strange.py").write_text("def other(size: int = 4):\n    return 'other', size\n\nnumber = 5\n")
    meta = tmp_path / "strange-1.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1\n")
    (meta / "entry_points.txt").write_text("[al_lightning.strategies]\nother = strange:other\nmade = strange:other\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("strange", None)


def test_entry_points_are_names_beside_the_built_in_ones(table, package):
    assert {"made", "other"} <= set(table)
    assert len(table) == len(set(table))
    assert build("strategy", table, "other", {"size": 7}) == ("other", 7)
    assert build("strategy", table, "made", {}) == ("made", 3), "a built-in name is what it was"
    assert table.builtin() == ("made",)


def test_a_module_of_the_users_own(table, package):
    assert build("strategy", table, "strange:other", {}) == ("other", 4)
    with pytest.raises(ConfigError, match=r"strategy\.options\.sise: strange:other has no such option.*'size'"):
        options_of("strategy", table, "strange:other", {"sise": 1})


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("mad", r"strategy\.name='mad': no such strategy \(did you mean 'made'\?\)"),
        ("nowhere.at_all:X", r"there is no module 'nowhere'; install its package"),
        ("strange:othr", r"module strange has no 'othr' \(did you mean 'other'\?\)"),
        ("strange:number", "expected a class or a function, got int"),
        ("strange:", "expected package.module:Name"),
    ],
)
def test_what_is_not_there_is_one_line(table, package, name, match):
    with pytest.raises(ConfigError, match=match):
        options_of("strategy", table, name, {})
    with pytest.raises(ConfigError):
        table[name]


def test_an_import_error_inside_a_module_is_shown_as_it_is(table, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("import not_installed_either\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="not_installed_either"):
        table["broken:X"]


@pytest.mark.parametrize(
    ("table", "group"),
    [
        (STRATEGIES, "al_lightning.strategies"),
        (LEARNERS, "al_lightning.learners"),
        (DATASETS, "al_lightning.datasets"),
        (ORACLES, "al_lightning.oracles"),
    ],
)
def test_each_table_has_its_group(table, group):
    assert table.group == group
    assert set(table.builtin()) <= set(table)


def test_an_option_that_no_yaml_can_hold_is_named():
    def strange(size: int = 3, context: object = None) -> None: ...

    with pytest.raises(ConfigError, match=r"strategy\.name=strange: its parameter context is annotated .*object"):
        options_of("strategy", Table("strategy", {"strange": strange}), "strange", {})
