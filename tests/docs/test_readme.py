"""The README's script runs as it stands, on a smaller set, and is the one in examples/scripts/."""

from __future__ import annotations

import re

from docs_pages import ROOT, blocks

SCRIPT = (ROOT / "examples" / "scripts" / "active_learning_loop.py").read_text(encoding="utf-8")


def test_the_script_runs(small, capsys):
    names: dict[str, object] = {}
    exec(compile(SCRIPT.replace("=20", "=3"), "active_learning_loop.py", "exec", dont_inherit=True), names)
    assert len(names["pool"].labelled) == 3 + 4 * 3  # type: ignore[attr-defined]
    assert len(re.findall(r"^\d \['.*\]$", capsys.readouterr().out, re.MULTILINE)) == 4


def test_the_readme_shows_the_script():
    (shown,) = [block.body for block in blocks(ROOT / "README.md") if block.kind == "python"]
    assert SCRIPT.endswith(shown)


def test_the_readme_counts_what_is_built_in():
    from al_lightning import DATASETS, LEARNERS, STRATEGIES

    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    counts = (len(table.builtin()) for table in (STRATEGIES, LEARNERS, DATASETS))
    assert "{} strategies, {} learners and {} datasets are built in".format(*counts) in text


def test_links_of_the_readme_exist():
    text = re.sub(r"```.*?```", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []
