"""`al-lightning experiments`."""

from __future__ import annotations

import pytest
from cli_names import NAMES

from al_lightning.cli import main
from al_lightning.config import catalogue, load, plain
from al_lightning.config.header import read_header


def test_the_table_lists_every_name_below_its_dataset(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["experiments"]) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 80 for line in out.splitlines())
    rows = [
        [cell.strip().removeprefix("* ") for cell in line.split("│")[1:-1]]
        for line in out.splitlines()
        if line.startswith("│")
    ]
    below: dict[str, list[str]] = {}
    for dataset, cell in rows:
        if dataset:
            current = below.setdefault(dataset, [])
        current.append(cell)
    assert sorted(name for cells in below.values() for name in cells if name in NAMES) == sorted(NAMES)
    for dataset, cells in below.items():
        assert {load([name]).dataset.name for name in cells if name in NAMES} == {dataset}
    for path in catalogue.files():
        comment = path.read_text().splitlines()[0].lstrip("# ")
        (cells,) = [cells for cells in below.values() if comment in cells]
        assert cells[cells.index(comment) + 1] == catalogue.in_file(path)[0].name


@pytest.mark.parametrize("words", [["kvasir-cereals-random"], ["demo", "seed=3"], ["demo", "strategy.name=random"]])
def test_one_is_printed_as_a_file_that_loads_to_the_same(words, capsys, tmp_path):
    assert main(["experiments", *words]) == 0
    (tmp_path / "printed.yaml").write_text(capsys.readouterr().out)
    assert plain(load([tmp_path / "printed.yaml"])) == plain(load(words[:1], words[1:]))


def test_the_table_marks_what_no_paper_has(capsys):
    assert main(["experiments"]) == 0
    out = capsys.readouterr().out
    starred = {line.split("* ")[1].split()[0] for line in out.splitlines() if "│ * " in line}
    arms = {arm for path in catalogue.files() for arm in read_header(path).arms}
    assert starred == {*catalogue.names()} - arms
    assert "* ours" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["kvasir-information-density"], "kvasir-information-density: ours, not in the paper's comparison."),
        (["experiments/kvasir-random.yaml", "seed=2"], "kvasir-random: an arm of the paper's comparison."),
        (["clinicdb-uncertainty-clustering"], "clinicdb-uncertainty-clustering: an arm of the paper's comparison."),
    ],
)
def test_one_says_what_it_repeats(words, said, capsys):
    assert main(["experiments", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    top = lines[: lines.index(f"# {said}") + 1]
    assert all(line.startswith("#") for line in top)
    assert [line.split(":")[0] for line in top if line.startswith(("# Paper:", "# Ours:"))] == ["# Paper", "# Ours"]


def test_a_file_of_a_user_is_printed_without_a_comment(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("# Mine\nbase: kvasir-random\n")
    assert main(["experiments", "mine.yaml"]) == 0
    assert not capsys.readouterr().out.startswith("#")
