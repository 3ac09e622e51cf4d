"""Words of a command and the experiments that they stand for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_names import NAMES, ROWS

from al_lightning.config import ConfigError, catalogue, load, plain

ROOT = Path(__file__).parents[2]
MINE = """
base: kvasir.yaml
variants:
  random: {}
  entropy: {seed: 3}
  soft: {strategy: {name: mixture, options: {gamma: 0.3}}}
  sure: {name: sure, strategy: {name: random}}
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A user's file with variants, in the current folder; the shipped files are not beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(MINE)
    return tmp_path / "mine.yaml"


def test_no_name_is_lost_and_none_is_used_twice():
    names = catalogue.names()
    assert len(names) == len(set(names))
    assert sorted(NAMES) == [name for name in names if name in NAMES]


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_every_name_has_its_run_and_strategy(row, tmp_path, monkeypatch):
    name, run, strategy, *options = row
    monkeypatch.chdir(tmp_path)
    config = load([name])
    assert (config.name, config.strategy.name) == (run, strategy)
    given = {key: value for key, _, value in (option.partition("=") for option in options)}
    assert {key: str(value).lower() for key, value in config.strategy.options.items()} == {
        key: value.strip('"') for key, value in given.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_former_path_and_the_name_are_the_same_experiment(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert (ROOT / "experiments").is_dir()
    by_name = plain(load([name]))
    assert plain(load([f"experiments/{name}.yaml"])) == by_name
    assert plain(load([ROOT / "experiments" / f"{name}.yaml"])) == by_name


def test_the_former_path_works_where_there_is_no_such_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert plain(load(["experiments/kvasir-random.yaml"])) == plain(load(["kvasir-random"]))


def test_other_layers_of_the_variants():
    assert load(["clinicdb-s2-asa"]).learner.committee.members == 4
    assert load(["clinicdb-s2-asa"]).learner.committee.tested == "member"
    assert "attention" not in load(["clinicdb-s2-asa"]).learner.options
    assert load(["clinicdb-s2-random"]).learner.committee.members == 1
    assert load(["isic-ceal"]).learner.mc_passes == load(["depth-unc-ta-coreset"]).learner.mc_passes == 20
    assert load(["clinicdb-uncertainty-clustering-no-discrepancy"]).learner.options["discrepancy"] == 0
    assert load(["clinicdb-uncertainty-clustering-no-clustering"]).learner.options["discrepancy"] == 0.1
    assert load(["cityscapes-vaal"]).loader.workers == 4


def test_a_file_of_several_experiments_runs_with_any_strategy(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert plain(load(["kvasir"], ["strategy.name=random"])) == plain(load(["kvasir-random"]))
    assert plain(load(["experiments/kvasir.yaml"], ["strategy.name=random"])) == plain(load(["kvasir-random"]))


@pytest.mark.parametrize("word", ["kvasir", "experiments/kvasir.yaml", str(ROOT / "experiments" / "kvasir.yaml")])
def test_a_file_of_several_experiments_without_a_strategy_says_how_to_name_one(word, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(ConfigError) as info:
        load([word])
    message = str(info.value)
    assert message.startswith(f"{word}: holds several experiments")
    assert "strategy.name" in message
    assert "random, ta-coreset" in message
    written = message.split("such as ")[1].split(",")[0]
    assert load([written]).strategy.name == "bvsb"


def test_a_users_file_has_variants_over_a_shipped_base(mine):
    assert load(["mine-random.yaml"]).strategy.name == "random"
    assert load([mine.with_name("mine-entropy.yaml")]).seed == 3
    assert load(["mine-entropy.yaml"]).strategy.name == "entropy"
    soft = load(["mine-soft.yaml"])
    assert (soft.name, soft.strategy.name, soft.strategy.options) == ("kvasir", "mixture", {"gamma": 0.3})
    assert load(["mine-sure.yaml"]).name == "sure"
    with pytest.raises(ConfigError, match=r"mine-random\.yaml, or set strategy\.name .variants: random, entropy, "):
        load(["mine.yaml"])
    assert load(["mine.yaml"], ["strategy.name=bvsb"]).strategy.name == "bvsb"


def test_variants_of_a_base_are_ignored_and_a_variant_can_be_a_base(mine):
    mine.write_text("base: camvid-cereals.yaml\nseed: 1\n")
    assert load(["mine.yaml"]).strategy.name == "cereals"
    mine.write_text("base: kvasir-entropy\nseed: 1\n")
    assert load(["mine.yaml"]).strategy.name == "entropy"
    mine.write_text("base: kvasir.yaml\nseed: 1\n")
    with pytest.raises(ConfigError, match=r"strategy\.name: no value given"):
        load(["mine.yaml"])


def test_a_file_beside_the_user_goes_before_a_shipped_one(mine):
    mine.with_name("kvasir.yaml").write_text("base: camvid-random\nvariants: {random: {}}\n")
    assert load(["kvasir.yaml"]).dataset.name == "camvid"
    assert load(["kvasir-random.yaml"]).dataset.name == "camvid"
    assert load(["kvasir-random"]).dataset.name == "kvasir"
    assert load([mine.with_name("mine-random.yaml")]).dataset.name == "camvid"


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("kvasir-ta-corset", ["'kvasir-ta-coreset'"]),
        ("mine-randm.yaml", ["'mine-random.yaml'"]),
        ("mien.yaml", ["'mine.yaml'"]),
        ("experiments/kvasir-rndom.yaml", ["'kvasir-random'"]),
        ("zzzzzzzzz", ["`al-lightning experiments` lists them"]),
        ("runs/kvasir-random.yaml", ["'kvasir-random'"]),
    ],
)
def test_an_unknown_word_is_an_error_that_names_the_nearest(mine, word, parts):
    with pytest.raises(FileNotFoundError) as info:
        load([word])
    message = str(info.value)
    assert message.startswith(f"{word}: no such configuration file or experiment")
    assert "\n" not in message
    for part in parts:
        assert part in message, message


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("variants: 3", r"variants=3: expected a mapping"),
        ("variants: [a, b]", r"variants=\['a', 'b'\]: expected a mapping"),
        ("variants: {a: 3}", r"variants\.a=3: expected a mapping"),
        ("variants: {1: {}}", r"variants\.1: expected a word; put it in quotes"),
        ("variants: {off: {}}", r"variants\.False: expected a word"),
        ("variants: {a: {sed: 1}}", r"sed"),
    ],
)
def test_a_wrong_section_of_variants_is_named(mine, text, match):
    mine.write_text(f"base: kvasir.yaml\n{text}\n")
    with pytest.raises(ConfigError, match=match):
        load(["mine-a.yaml"])


def test_an_empty_variant_and_an_interpolation_work(mine):
    mine.write_text(
        "base: kvasir\nseed: 2\nvariants:\n  random:\n  other: {name: 'kvasir-${seed}', strategy: {name: full}}\n"
    )
    assert load(["mine-random.yaml"]).strategy.name == "random"
    assert load(["mine-other.yaml"], ["seed=5"]).name == "kvasir-5"


def test_the_catalogue_needs_no_torch():
    code = "import sys; from al_lightning.config import catalogue; catalogue.names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_make_has_the_same_names_without_python(tmp_path):
    """The awk of the Makefile against the Python of the catalogue; each target runs its own name."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("make", "bash", "awk", "grep", "sort", "cut", "sed", "touch", "rm", "ls"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "experiments", copy / "experiments")
    for file in ("Makefile", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / file, copy)

    def make(*arguments: str) -> str:
        done = subprocess.run(
            ["make", *arguments], cwd=copy, env={"PATH": str(tools)}, capture_output=True, text=True, check=True
        )
        return done.stdout

    out = make("help")
    assert all(len(line) <= 80 for line in out.splitlines())
    listed = [word for line in out.split("Experiments")[1].splitlines()[1:] for word in line.split()]
    assert sorted(["demo", *(word for word in listed if not word.endswith(":"))]) == sorted(catalogue.names())
    dry = make("-n", *NAMES)
    for name in NAMES:
        end = " --sweep strategy.name=ta-coreset,unc-ta-coreset,random --sweep seed=0,1" if name == "demo" else ""
        assert f"al-lightning run {name}{end}\n" in dry
