"""What pages say of papers: commands that run a paper's comparison, and options that follow a paper."""

from __future__ import annotations

import re
import shlex
import sys

import pytest
from docs_pages import DOCS, commands

from al_lightning.config import catalogue, grid, load
from al_lightning.config.header import read_header
from al_lightning.experiment.sweep import folders, points

sys.path.insert(0, str(DOCS))

import hooks

LINES = [shlex.split(line) for line in commands(DOCS / "experiments.md")]
COMPARISONS = [words for words in LINES if words[0] == "make" and len(words) > 3]
SEEDS = ["seed=0,1,2,3,4"]


def sweeps(words: list[str]) -> list[str]:
    (given,) = [word.removeprefix("ARGS=") for word in words if word.startswith("ARGS=")]
    parts = shlex.split(given)
    assert parts[::2] == ["--sweep"] * (len(parts) // 2)
    return parts[1::2]


def goals(words: list[str]) -> list[str]:
    return [word for word in words[1:] if "=" not in word]


@pytest.mark.parametrize("words", COMPARISONS, ids=lambda words: words[1])
def test_a_comparison_is_every_arm_with_five_seeds_in_folders_of_their_own(words):
    assert sweeps(words) == SEEDS
    combinations = grid.combinations(sweeps(words))
    assert [values["seed"] for values in combinations] == ["0", "1", "2", "3", "4"]
    places = []
    for name in goals(words):
        configs = [load([name], grid.overrides(values)) for values in combinations]
        assert [config.seed for config in configs] == list(range(5))
        places += [folder.path for folder in folders(points(sweeps(words)), configs)]
    assert len(set(places)) == 5 * len(goals(words))


def test_every_comparison_of_a_paper_has_a_command():
    named = [name for words in COMPARISONS for name in goals(words)]
    assert len(named) == len(set(named))
    arms = {arm for path in catalogue.files() for arm in read_header(path).arms}
    assert arms <= set(named)
    assert set(named) - arms == {"isic-random"}, "a baseline of ours"


def test_the_page_says_of_every_experiment_whose_it_is(filled_experiments):
    for path in catalogue.files():
        part = filled_experiments.split(f"### {path.name} {{")[1].split("\n### ")[0]
        header = read_header(path)
        for experiment in catalogue.in_file(path):
            row = next(line for line in part.splitlines() if f"`{experiment.name}`" in line)
            wanted = "arms of its comparison" if experiment.name in header.arms else ("ours", "experiments")
            assert row.split(" | ")[0].strip("| ") in wanted, experiment.name


@pytest.fixture(scope="module")
def filled_experiments() -> str:
    text: str = hooks.filled((DOCS / "experiments.md").read_text(encoding="utf-8"))
    assert re.search(r"^### kvasir\.yaml", text, re.MULTILINE)
    return text
