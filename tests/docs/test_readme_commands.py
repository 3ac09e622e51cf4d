"""Every command of the README runs, in order, on small data that lies where the README says."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dataset_trees import kvasir_tree, save
from docs_pages import ROOT, commands

from al_lightning.cli import main
from al_lightning.config import catalogue
from al_lightning.core.run_folder import RunFolder

SMALL = [
    *("dataset.options.size=16", "learner.options.widths=[4,8]", "budget.initial=2", "budget.per_stage=1"),
    *("budget.stages=1", "trainer.max_epochs=1", "trainer.accelerator=cpu", "logging.wandb.mode=disabled"),
]
"""Overrides that make any experiment of the README small."""
OF_THE_REPOSITORY = ("make test",)
"""Commands that run the tests themselves."""


def by_make(line: str, folder: Path) -> list[str]:
    """The words that `al-lightning` gets from a command `make ...`, through the Makefile and its shell."""
    venv, words = folder / "venv", folder / "words"
    (venv / "bin").mkdir(parents=True, exist_ok=True)
    shim = venv / "bin" / "al-lightning"
    shim.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {shlex.quote(str(words))}\n")
    shim.chmod(0o755)
    python = venv / "bin" / "python"  # the Makefile takes ARGS apart with it
    if not python.exists():
        python.symlink_to(sys.executable)
    (venv / ".ready").touch()
    words.unlink(missing_ok=True)
    subprocess.run([*shlex.split(line), f"VENV={venv}"], cwd=ROOT, check=True, capture_output=True)
    return words.read_text().splitlines()


def words_of(line: str, folder: Path) -> list[str]:
    return by_make(line, folder) if line.startswith("make ") else shlex.split(line)[1:]


def discs(images: Path, masks: Path, patient: str = "patient-{:02d}") -> None:
    """Patients of 4 images each, with their masks; all in one folder where `patient` is empty."""
    y, x = np.mgrid[:32, :40]
    for number in range(40):
        rng = np.random.default_rng(number)
        mask = (y - rng.uniform(12, 20)) ** 2 + (x - rng.uniform(12, 28)) ** 2 < rng.uniform(5, 9) ** 2
        image = np.where(mask[..., None], 180, rng.integers(20, 110, 3)) + rng.normal(0, 12, (32, 40, 3))
        name = Path(patient.format(number // 4), f"{number:03d}.png")
        save(images / name, image.clip(0, 255).astype(np.uint8))
        save(masks / name, (mask * 255).astype(np.uint8))


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_every_command_of_the_readme_runs(small, capsys):
    kvasir_tree(small / "data" / "Kvasir-SEG", count=16, sessile=3)
    discs(small / "clinic/polyps/images", small / "clinic/polyps/masks")
    discs(small / "clinic/frames", small / "drawn", patient="")
    asking = Path("runs/frames/unc-ta-coreset/seed-0")
    done = []
    for line in commands(ROOT / "README.md"):
        if line in OF_THE_REPOSITORY:
            continue
        words = [re.sub("^/clinic", str(small / "clinic"), word) for word in words_of(line, small)]
        if words[0] == "run":
            words += [*SMALL, *["dataset.options.validation=2"] * ("kvasir" in words[1])]
            words += ["budget.stages=2"] * ("ask.yaml" in words)
        waits = words[:2] == ["run", "ask.yaml"]
        assert main(words) == (3 if waits else 0), (line, capsys.readouterr().err)
        if "ask.yaml" in words and words[0] == "run":
            shutil.copytree(small / "drawn", asking / "annotations", dirs_exist_ok=True)
        done.append(words[0])
    ask = ["init", "run", "resume", "predict"]
    assert done == ["run", "run", "run", "run", "resume", "report", "init", "check", "run", *ask]
    assert len(list(Path("runs/demo").glob("*/seed-*"))) == 6
    assert len(list(Path("runs/kvasir").glob("unc-ta-coreset,gamma=*/seed-*"))) == 6
    assert Path("kvasir.html").stat().st_size > 1000
    assert len(RunFolder(asking).rows()) == 2
    assert len(list(Path("masks/masks").iterdir())) == 40
    assert len(RunFolder(Path("runs/polyps/unc-ta-coreset/seed-0")).rows()) == 1


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ("trainer.max_epochs=1 seed=4", ["trainer.max_epochs=1", "seed=4"]),
        (
            "budget.stages=1 --sweep learner.options.lr=1e-3,1e-4",
            ["budget.stages=1", "--sweep", "learner.options.lr=1e-3,1e-4"],
        ),
        ("'name=two words'", ["name=two words"]),
    ],
)
def test_make_hands_on_what_it_is_given(tmp_path, arguments, given):
    words = by_make(f"make kvasir-random ARGS={shlex.quote(arguments)}", tmp_path)
    assert words == ["run", "kvasir-random", *given]


def test_overrides_stand_anywhere_beside_a_sweep(small):
    words = ["trainer.max_epochs=1", "--sweep", "strategy.name=random,coreset", *SMALL[:4], "--sweep", "seed=3,5"]
    assert main(["run", words[0], "demo", *words[1:], "budget.stages=2", *SMALL[5:]]) == 0
    found = {path.parent.name + path.name: RunFolder(path) for path in Path("runs/demo").glob("*/seed-*")}
    assert set(found) == {f"{name}seed-{seed}" for name in ("random", "coreset") for seed in (3, 5)}
    assert all([row["labelled"] for row in folder.rows()] == [2, 3] for folder in found.values())


def test_the_readme_names_experiments_that_exist():
    named = {words[1] for line in commands(ROOT / "README.md") if (words := shlex.split(line))[0] == "make"}
    assert {"demo", "kvasir-ta-coreset", "kvasir-random"} <= named
    assert named - {"test"} <= {*catalogue.names()}
