"""The wheel and the editable installation, each in a clean environment that shares this one's dependencies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from cli_names import NAMES

from al_lightning.version import __version__

ROOT = Path(__file__).parents[2]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
TINY = [
    "dataset.options.size=32",
    "dataset.options.render_size=32",
    "dataset.options.pool=12",
    "dataset.options.validation=4",
    "dataset.options.test=4",
    "learner.options.widths=[4,8]",
    "budget.initial=4",
    "budget.per_stage=3",
    "budget.stages=2",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "logging.wandb.mode=disabled",
]
pytestmark = pytest.mark.wheel


def call(*command: str | Path, cwd: Path) -> str:
    """Run a command without this session's Python path; its output, or a failure that shows it."""
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env | {"COLUMNS": "80"}, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """What a build needs, copied: a build writes beside its sources."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("al_lightning", "experiments"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory) -> Path:
    """The wheel of this tree."""
    out = tmp_path_factory.mktemp("wheel")
    call(*PIP, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", out, source, cwd=out)
    (path,) = out.glob("*.whl")
    return path


def environment(folder: Path, *install: str | Path) -> Path:
    """Make a virtual environment in `folder` and install into it; returns its al-lightning.

    A .pth file adds this environment's packages. The .pth files among them are not read, so an editable al_lightning
    of this environment is not there.
    """
    venv.create(folder)
    python = folder / "bin" / "python"
    library = Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    paths = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    (library / "dependencies.pth").write_text("\n".join(paths))
    call(*PIP, "--python", python, "install", "--quiet", "--no-deps", *install, cwd=folder)
    return folder / "bin" / "al-lightning"


def check_names(program: Path, empty: Path) -> None:
    assert call(program, "--version", cwd=empty).strip() == __version__
    listed = call(program, "experiments", cwd=empty)
    for name in NAMES:
        assert f" {name} " in listed
    assert "size: 128" in call(program, "experiments", "kvasir-cereals-random", cwd=empty)


def test_the_wheel_runs_an_experiment_by_name_in_an_empty_folder(wheel, tmp_path):
    program = environment(tmp_path / "venv", wheel)
    empty = tmp_path / "empty"
    empty.mkdir()
    check_names(program, empty)
    place = call(tmp_path / "venv" / "bin" / "python", "-c", "import al_lightning as a; print(a.__file__)", cwd=empty)
    assert Path(place.strip()).is_relative_to(tmp_path / "venv")
    assert (Path(place.strip()).parent / "py.typed").is_file()
    call(program, "run", "demo", *TINY, cwd=empty)
    folder = empty / "runs" / "demo" / "ta-coreset" / "seed-0"
    rows = [json.loads(line) for line in (folder / "stages.jsonl").read_text().splitlines()]
    assert [(row["stage"], row["labelled"]) for row in rows] == [(0, 4), (1, 7)]
    assert (folder / "report.html").is_file()


def test_an_editable_installation_reads_the_experiments_of_the_repository(source, tmp_path):
    program = environment(tmp_path / "venv", "--no-build-isolation", "--editable", source)
    empty = tmp_path / "empty"
    empty.mkdir()
    check_names(program, empty)
    (source / "experiments" / "new.yaml").write_text("base: demo.yaml\nseed: 7\n")
    assert "seed: 7" in call(program, "experiments", "new", cwd=empty)
