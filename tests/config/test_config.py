from __future__ import annotations

import subprocess
import sys
from typing import Any, Literal

import pytest

from al_lightning.config import ConfigError, difference, load, plain, to_yaml
from al_lightning.config.options import build, options_of

BASE = """
name: x
dataset: {name: kvasir, options: {root: here, size: 64}}
learner: {name: unet}
strategy: {name: mixture, options: {gamma: 0.3}}
budget: {initial: 1, per_stage: 2, stages: 3}
"""


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "base.yaml"
    path.write_text(BASE)
    return path


def test_layers_merge_left_to_right_then_overrides(base, tmp_path):
    (tmp_path / "more.yaml").write_text("seed: 3\nbudget: {stages: 5}\n")
    config = load([base, tmp_path / "more.yaml"], ["budget.stages=7", "trainer.max_epochs=2"])
    assert (config.seed, config.budget.initial, config.budget.stages) == (3, 1, 7)
    assert config.trainer == {"max_epochs": 2}


def test_base_is_found_beside_the_file_and_chains(base, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "middle.yaml").write_text("base: ../base.yaml\nseed: 1\n")
    (tmp_path / "top.yaml").write_text("base: [sub/middle.yaml]\nname: top\n")
    config = load([tmp_path / "top.yaml"])
    assert (config.name, config.seed, config.budget.per_stage) == ("top", 1, 2)


def test_a_new_name_drops_the_options_of_the_old_one(base, tmp_path):
    config = load([base], ["strategy.name=random"])
    assert config.strategy.options == {}
    assert load([base], ["strategy.name=mixture"]).strategy.options == {"gamma": 0.3}
    (tmp_path / "more.yaml").write_text("dataset: {name: synthetic, options: {size: 32}}\n")
    assert load([base, tmp_path / "more.yaml"]).dataset.options == {"size": 32}


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("budget.inital=3", ["budget.inital=3", "initial"]),
        ("budget.initial=x", ["budget.initial='x'", "Integer"]),
        ("budget.initial=0", ["budget.initial=0", "at least 1"]),
        ("loader.cache=dsk", ["loader.cache='dsk'", "memory"]),
        ("learner.restart=sometimes", ["learner.restart", "finetune"]),
        ("learner.comittee.members=2", ["comittee", "committee"]),
        ("sed=1", ["sed=1", "seed"]),
        ("budget=3", ["budget=3", "initial"]),
        ("seed=-1", ["seed=-1"]),
        ("name=a/b", ["name='a/b'", "folder"]),
        ("loader.workers=100000", ["loader.workers=100000", "at most", "processes"]),
        ("nonsense", ["nonsense", "key=value"]),
    ],
)
def test_mistakes_are_one_line_naming_key_value_and_choice(base, override, parts):
    with pytest.raises(ConfigError) as info:
        load([base], [override])
    message = str(info.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, message


def test_missing_values_and_files_are_named(tmp_path):
    (tmp_path / "empty.yaml").write_text("name: x\n")
    with pytest.raises(ConfigError, match=r"budget\.initial"):
        load([tmp_path / "empty.yaml"])
    with pytest.raises(FileNotFoundError, match=r"absent\.yaml"):
        load([tmp_path / "absent.yaml"])
    (tmp_path / "broken.yaml").write_text("a: [1\n")
    with pytest.raises(ConfigError, match="not readable as YAML"):
        load([tmp_path / "broken.yaml"])
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match="mapping"):
        load([tmp_path / "list.yaml"])


class Part:
    pass


def leaf(level: int = 1) -> Part:
    part = Part()
    part.level = level  # type: ignore[attr-defined]
    return part


def node(given: Any, left: Part, rate: float = 0.5, mode: Literal["a", "b"] = "a") -> tuple[Any, ...]:
    if not 0 <= rate <= 1:
        raise ValueError(f"rate={rate}: expected a fraction in [0, 1]")
    return given, left, rate, mode


TABLE: dict[str, Any] = {"leaf": leaf, "node": node}


def test_build_checks_against_the_signature_and_nests():
    options = {"left": {"name": "leaf", "options": {"level": 4}}, "rate": 1}
    given, left, rate, mode = build("thing", TABLE, "node", options, {"given": 7, "other": 8}, {Part: TABLE})
    assert (given, left.level, rate, mode) == (7, 4, 1.0, "a")
    full = options_of("thing", TABLE, "node", options, ["given"], {Part: TABLE})
    assert full == {"left": {"name": "leaf", "options": {"level": 4}}, "rate": 1.0, "mode": "a"}


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("nod", {}, r"thing\.name='nod': no such thing \(did you mean 'node'\?\)"),
        ("node", {"left": {"name": "leaf"}, "rte": 1}, r"options\.rte.*did you mean 'rate'"),
        ("node", {"left": {"name": "leaf"}, "rate": "x"}, r"options\.rate='x'"),
        ("node", {"left": {"name": "leaf"}, "rate": 2}, r"thing node: rate=2\.0"),
        ("node", {"left": {"name": "leaf"}, "mode": "c"}, r"options\.mode='c'.*'a', 'b'"),
        ("node", {"left": {"name": "laef"}}, r"options\.left\.name='laef'.*'leaf'"),
        ("node", {"left": {"name": "leaf", "options": {"lvel": 1}}}, r"left\.options\.lvel.*'level'"),
        ("node", {}, r"options\.left: node needs"),
        ("node", {"left": 3}, r"options\.left=3"),
    ],
)
def test_build_refuses(name, options, match):
    with pytest.raises(ConfigError, match=match):
        build("thing", TABLE, name, options, {"given": 1}, {Part: TABLE})


def test_saved_yaml_loads_to_the_same_config(base, tmp_path):
    config = load([base], ["seed=4"])
    (tmp_path / "saved.yaml").write_text(to_yaml(config))
    again = load([tmp_path / "saved.yaml"])
    assert difference(plain(config), plain(again)) == []
    assert difference(plain(config), plain(load([base], ["seed=5"]))) == ["seed: 4 -> 5"]


def test_config_imports_no_torch():
    code = "import sys, al_lightning.config.loading; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
