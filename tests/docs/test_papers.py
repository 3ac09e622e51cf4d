"""What pages say of papers: commands that run a paper's comparison, and options that follow a paper."""

from __future__ import annotations

import re
import shlex
import sys

import pytest
from docs_pages import DOCS, commands

from al_lightning import experiment
from al_lightning.config import catalogue, grid, load, plain
from al_lightning.config.header import read_header
from al_lightning.data.epochs import pass_batches
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
        for found in catalogue.in_file(path):
            row = next(line for line in part.splitlines() if f"`{found.name}`" in line)
            wanted = ["arms of its comparison"] if found.name in header.arms else ["ours", "experiments"]
            assert row.split(" | ")[0].strip("| ") in wanted, found.name


@pytest.fixture(scope="module")
def filled_experiments() -> str:
    text: str = hooks.filled((DOCS / "experiments.md").read_text(encoding="utf-8"))
    assert re.search(r"^### kvasir\.yaml", text, re.MULTILINE)
    return text


FIDELITY = (DOCS / "fidelity.md").read_text(encoding="utf-8")
PARTS = {part.splitlines()[0]: part for part in FIDELITY.split("\n## ")[1:]}
OPTION = re.compile(r"`((?:[a-z_0-9]+\.)+[a-z_0-9]+): ([^`]+)`")


def begins(part: str) -> list[list[str]]:
    """The words of the commands that a part begins with."""
    return [shlex.split(line) for line in re.findall(r"`al-lightning run\s+([^`]+)`", part)]


@pytest.mark.parametrize("title", [title for title, part in PARTS.items() if OPTION.search(part)])
def test_each_option_that_follows_a_paper_is_taken_and_changes_something(title):
    part = PARTS[title]
    bases = [(words[:1], words[1:]) for words in begins(part)]
    assert bases
    for key, value in OPTION.findall(part):
        changed, refused = 0, []
        for files, overrides in bases:
            before = plain(experiment.complete(load(files, overrides)))
            try:
                changed += plain(experiment.complete(load(files, [*overrides, f"{key}={value}"]))) != before
            except ValueError as error:
                refused.append(str(error))
        assert changed, (key, value, refused)


def test_every_paper_of_the_strategies_and_experiments_is_on_the_page():
    references = (DOCS / "strategies.md").read_text(encoding="utf-8").split("## References")[1]
    authors = re.findall(r"^- (\w+)", references, re.MULTILINE)
    assert len(authors) > 10
    headers = [header for path in catalogue.files() if (header := read_header(path)).of_a_paper]
    papers = [header.paper.split()[0].rstrip(",") for header in headers]
    assert [author for author in {*authors, *papers} if f" {author} " not in FIDELITY.replace(",", " ")] == []
    assert [author for author in papers if not any(title.startswith(author) for title in PARTS)] == []


def test_the_rows_of_the_page_have_four_cells_and_say_how_to_follow_the_paper():
    rows = [line for line in FIDELITY.splitlines() if line.startswith("| ")]
    assert len(rows) > 60
    for row in rows:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        assert len(cells) == 4, row
        assert cells[0], row
        assert cells[1], row
        assert cells[3], row


def test_numbers_of_the_page():
    assert pass_batches(465, 16) == 29
    assert "29 · 16 + 1" in FIDELITY
    assert f"iterations: {100 * 2975 // 20}`" in FIDELITY
