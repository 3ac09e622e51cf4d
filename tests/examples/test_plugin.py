"""The plug-in package of examples/plugin, installed and used through the command line: its strategies, its learner and
its dataset, alone, in a mixture, in a committee, and through resume in another process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PLUGIN = Path(__file__).parents[2] / "examples" / "plugin"
MIXTURE = "strategy.options={gamma: 0.5, uncertain: {name: gradient-length}, diverse: {name: grid-margin}}"
BY_MODULE = "al_lightning_example.strategy:GradientLength"
RUNS: dict[str, list[str]] = {
    "alone": [],
    "regions": ["strategy.name=grid-margin", "strategy.options.size=8"],
    "mixture": ["strategy.name=mixture", MIXTURE],
    "committee": ["strategy.name=vote-entropy", "learner.committee.members=2"],
    "module": [f"strategy.name={BY_MODULE}", "learner.name=al_lightning_example.learner:Dilated"],
}
SCRIPT = """
import json, sys
import torch
torch.set_num_threads(1)
from al_lightning.cli import main
codes = [main(arguments) for arguments in json.loads(sys.argv[1])]
sys.exit(max(codes))
"""


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Calls al-lightning with the package installed, and nothing else of this repository on the path."""
    source, site = tmp_path_factory.mktemp("source") / "plugin", tmp_path_factory.mktemp("site")
    shutil.copytree(PLUGIN, source)  # a build leaves files beside its sources
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([*pip, str(site), str(source)], check=True, capture_output=True, timeout=120)
    work = tmp_path_factory.mktemp("work")

    def run(*commands: list[str]) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}
        return subprocess.run(
            [sys.executable, "-c", SCRIPT, json.dumps(commands)],
            cwd=work,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    run.work = work  # type: ignore[attr-defined]
    return run


def rows(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "stages.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


@pytest.fixture(scope="module")
def folders(call: Any) -> dict[str, Path]:
    config = str(PLUGIN / "plugin.yaml")
    small = ["trainer.max_epochs=1", "dataset.options.root=discs"]
    done = call(*(["run", config, *small, *given, f"name={name}"] for name, given in RUNS.items()))
    assert done.returncode == 0, done.stderr[-3000:]
    found = {name: [file.parent for file in (call.work / "runs" / name).rglob("stages.jsonl")] for name in RUNS}
    assert all(len(paths) == 1 for paths in found.values()), found
    return {name: paths[0] for name, paths in found.items()}


def test_each_way_of_using_it_ends_with_its_rows(folders):
    for name, folder in folders.items():
        found = rows(folder)
        assert [row["labelled"] for row in found] == [4, 8, 12], name
        assert all(0 < row["test"]["miou"] < 1 for row in found)
    sources = {name: {pick["source"] for pick in rows(folder)[0]["selected"]} for name, folder in folders.items()}
    assert sources == {
        "alone": {"gradient-length"},
        "regions": {"grid-margin"},
        "mixture": {"gradient-length", "grid-margin"},
        "committee": {"vote-entropy"},
        "module": {"gradient-length"},
    }
    assert rows(folders["alone"]) == rows(folders["module"]), "the same under both of its names"
    assert all(pick["box"][2:] == [8, 8] for pick in rows(folders["regions"])[0]["selected"])
    assert folders["module"].parent.name == BY_MODULE.replace(":", ".")


def test_resume_in_another_process_finds_the_plug_ins(call, folders, tmp_path):
    whole = {name: rows(folder) for name, folder in folders.items()}
    for folder in folders.values():  # as if killed after the second stage
        sorted((folder / "state").iterdir())[-1].unlink()
        kept = (folder / "stages.jsonl").read_text().splitlines(keepends=True)[:2]
        (folder / "stages.jsonl").write_text("".join(kept))
    done = call(*(["resume", str(folder)] for folder in folders.values()))
    assert done.returncode == 0, done.stderr[-3000:]
    assert {name: rows(folder) for name, folder in folders.items()} == whole


def test_a_learner_refuses_what_it_cannot_do_in_one_line(call):
    config = str(PLUGIN / "plugin.yaml")
    done = call(["run", config, "name=passes", "learner.mc_passes=4"], ["run", config, "strategy.name=gradient-lenght"])
    assert done.returncode == 2
    first, second = done.stderr.strip().splitlines()[-2:]
    assert "learner.mc_passes=4: Dilated has no attribute mc_passes" in first
    assert "did you mean 'gradient-length'?" in second
