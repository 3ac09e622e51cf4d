"""The code of pages runs as it stands, and what pages name exists."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import pytest
from docs_pages import DOCS, PAGES, ROOT, Block, blocks, commands, name
from omegaconf import OmegaConf

from al_lightning import experiment
from al_lightning.cli.checked import load_checked, over_defaults
from al_lightning.config import catalogue, grid
from al_lightning.config.options import options_of
from al_lightning.config.schema import Config

WITH_COMMANDS = [
    "annotate.md",
    "extend/dataset.md",
    "extend/learner.md",
    "extend/oracle.md",
    "extend/region-strategy.md",
    "extend/strategy.md",
    "own-data.md",
]
"""Pages whose commands are run too, not only their Python."""
PYTHON_ONLY = ["loop.md", "reports.md", "run-files.md"]


def do(block: Block, names: dict[str, object], with_commands: bool) -> None:
    """Write a block that has a title, else run it."""
    if block.title is not None:
        Path(block.title).write_text(block.body, encoding="utf-8")
    elif block.kind == "python":
        exec(compile(block.body, "page", "exec", dont_inherit=True), names)
    elif block.kind == "bash" and with_commands:
        from al_lightning.cli import main

        for line in block.body.splitlines():
            words = shlex.split(line, comments=True)
            assert words[0] == "al-lightning"
            # `check` says 1 where it finds test images in the pool, which tiny discs may look like.
            wanted = (0, 1) if words[1] == "check" else (3,) if "exit code 3" in line else (0,)
            assert main(words[1:]) in wanted, line


@pytest.mark.parametrize("page", [*WITH_COMMANDS, *PYTHON_ONLY])
def test_the_code_of_a_page_runs(page, small, request):
    if page in ("reports.md", "run-files.md"):
        request.getfixturevalue("runs")
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(DOCS / page):
        if "def " in block.body or "ActiveLearningLoop(pool" not in block.body:  # test_readme.py runs the script
            do(block, names, page in WITH_COMMANDS)


def test_every_page_with_python_is_run():
    with_python = {
        page.relative_to(DOCS).as_posix()
        for page in PAGES
        if page.is_relative_to(DOCS) and any(block.kind == "python" for block in blocks(page))
    }
    assert with_python == {*WITH_COMMANDS, *PYTHON_ONLY}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_of_a_page_exist(page):
    from al_lightning.cli.main import parser

    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {*re.findall(r"^([a-z-]+):", makefile, re.MULTILINE), *catalogue.names()}
    for line in commands(page):
        words = shlex.split(line)
        if words[0] == "make":
            assert words[1] in targets, line
            continue
        start = next((i for i, word in enumerate(words) if word in ("al-lightning", "al_lightning")), None)
        if start is None or words[0] in ("eval", "git"):
            continue
        options = parser().parse_args(words[start + 1 :])
        given = [word for word in getattr(options, "config", []) if "=" not in word]
        if any(word.endswith(".yaml") for word in given) or not getattr(options, "config", []):
            continue
        files, overrides, _ = over_defaults(options.config)
        for values in grid.combinations(getattr(options, "sweep", [])):
            # `check` needs the dataset alone, so that a file without a strategy will do.
            strategy = ["strategy.name=random"] if options.command.__name__ == "check" else []
            experiment.complete(load_checked(files, [*overrides, *strategy, *grid.overrides(values)]))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_in_the_text_of_a_page_exist(page):
    from al_lightning.cli.main import COMMANDS

    known = {module.__name__.rpartition(".")[2] for module in COMMANDS} | {"COMMAND"}
    text = page.read_text(encoding="utf-8")
    for word in re.findall(r"`al-lightning (?:--traceback )?(\w+)", text):
        assert word in known
    for word in re.findall(r"`make ([a-z-]+)", text):
        assert re.search(rf"^{word}:", (ROOT / "Makefile").read_text(), re.MULTILINE) or word in catalogue.names()


def test_every_option_of_folder_has_an_example_that_it_takes():
    from al_lightning.data import DATASETS
    from al_lightning.data.datasets.folder import folder

    text = (DOCS / "own-data.md").read_text(encoding="utf-8").split("## Options of folder")[1]
    shown = re.findall(r"^\| `(\w+)` \| `(.+?)` \|", text, re.MULTILINE)
    assert {option for option, _ in shown} == {*inspect.signature(folder).parameters}
    for option, example in shown:
        given = OmegaConf.to_container(OmegaConf.create(example))
        assert isinstance(given, dict)
        assert set(given) == {option}
        options_of("dataset", DATASETS, "folder", given)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_yaml_of_a_page_is_a_config(page):
    from al_lightning.data import DATASETS
    from al_lightning.experiment.setup import NESTED, OF_LEARNER, PROVIDED
    from al_lightning.learners import LEARNERS
    from al_lightning.oracles import ORACLES
    from al_lightning.strategies import STRATEGIES

    tables = {"dataset": DATASETS, "learner": LEARNERS, "oracle": ORACLES, "strategy": STRATEGIES}
    for block in blocks(page):
        if block.kind != "yaml":
            continue
        layer = OmegaConf.create(block.body)
        for key in ("base", "variants"):
            layer.pop(key, None)
        OmegaConf.merge(OmegaConf.structured(Config), layer)
        for section, table in tables.items():
            part = OmegaConf.to_container(layer.get(section) or OmegaConf.create({}))
            assert isinstance(part, dict)
            if part.get("name") in table.builtin():
                provided = {"learner": OF_LEARNER, "oracle": PROVIDED}.get(section, ())
                options_of(section, table, part["name"], part.get("options") or {}, provided, NESTED)
