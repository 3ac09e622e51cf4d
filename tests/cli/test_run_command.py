"""`al-lightning run`, `resume` and `report` on a tiny set."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from al_lightning.cli import main
from al_lightning.core.run_folder import RunFolder


def test_run_prints_a_line_a_stage_and_writes_a_report(tiny, write_config, capsys):
    assert main(["run", str(write_config(tiny))]) == 0
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if re.match(r"\s+[012]\s+(4|7|10)\s", line)]
    assert len(lines) == 3
    report = Path(tiny["runs_dir"]) / "tiny" / "ta-coreset" / "seed-0" / "report.html"
    assert "".join(str(report).split()) in "".join(out.split())
    assert "data:image" in report.read_text()


def test_sweep_runs_every_combination_and_reports_them_together(tiny, write_config, capsys):
    tiny["budget"]["stages"] = 2
    tiny["trainer"]["max_epochs"] = 1
    path = str(write_config(tiny))
    assert main(["run", path, "--sweep", "strategy.name=random,bvsb", "--sweep", "seed=0,1"]) == 0
    runs = Path(tiny["runs_dir"]) / "tiny"
    assert sorted(str(p.parent.relative_to(runs)) for p in runs.rglob("stages.jsonl")) == [
        "bvsb/seed-0",
        "bvsb/seed-1",
        "random/seed-0",
        "random/seed-1",
    ]
    assert (runs / "report.html").is_file()
    capsys.readouterr()
    output = runs.parent / "other.html"
    assert main(["report", str(runs), "-o", str(output)]) == 0
    out = capsys.readouterr().out
    assert "random" in out
    assert "bvsb" in out
    assert output.is_file()


def test_resume_command(tiny, write_config, capsys):
    assert main(["run", str(write_config(tiny))]) == 0
    folder = Path(tiny["runs_dir"]) / "tiny" / "ta-coreset" / "seed-0"
    capsys.readouterr()
    assert main(["resume", str(folder)]) == 0
    assert "complete" in capsys.readouterr().out


def test_an_override_after_an_option_counts(tiny, write_config):
    path = str(write_config(tiny))
    assert main(["run", path, "budget.stages=2", "--sweep", "seed=0,1", "trainer.max_epochs=1", "name=late"]) == 0
    folders = sorted(Path(tiny["runs_dir"]).glob("late/ta-coreset/seed-*"))
    assert [len(RunFolder(folder).rows()) for folder in folders] == [2, 2]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["budget.inital=1"], "did you mean: 'initial'"),
        (["dataset.options.root=/nowhere/Kvasir-SEG"], "/nowhere/Kvasir-SEG.*dataset.name=synthetic"),
        (["--sweep", "seed"], "expected key=a,b"),
        (["absent.yaml"], r"absent\.yaml: no such configuration file"),
    ],
)
def test_mistakes_are_one_line_on_stderr_and_exit_code_2(tiny, write_config, capsys, arguments, match):
    assert main(["run", str(write_config(tiny)), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("al-lightning: ")
    assert captured.err.count("\n") == 1
    assert re.search(match, captured.err, re.IGNORECASE), captured.err
    assert not Path(tiny["runs_dir"]).exists()


def test_a_broken_image_stops_before_the_run_folder_exists(tiny, write_config, capsys, kvasir_root, tmp_path):
    shutil.copytree(kvasir_root.parent, tmp_path / "set")
    tiny["dataset"]["options"]["root"] = str(tmp_path / "set" / "Kvasir-SEG")
    (tmp_path / "set" / "Kvasir-SEG" / "images" / "cju010.jpg").write_bytes(b"broken")
    assert main(["run", str(write_config(tiny))]) == 2
    assert "cju010.jpg" in capsys.readouterr().err
    assert not Path(tiny["runs_dir"]).exists()


def test_a_mask_of_another_size_leaves_a_resumable_run(tiny, write_config, capsys, kvasir_root, tmp_path):
    shutil.copytree(kvasir_root.parent, tmp_path / "set")
    root = tmp_path / "set" / "Kvasir-SEG"
    tiny["dataset"]["options"]["root"] = str(root)
    whole = {file: file.read_bytes() for file in (root / "masks").iterdir()}
    path = str(write_config(tiny))
    assert main(["run", path]) == 0
    runs = Path(tiny["runs_dir"])
    picked = sorted((runs / "tiny" / "ta-coreset" / "seed-0").glob("state/*"))
    assert len(picked) == 3
    shutil.rmtree(runs)
    # The mask of a pick of stage 0 is broken: found when it is revealed, after stage 0 is safe on disk.
    assert main(["run", path, "name=first", "budget.stages=2"]) == 0
    first = RunFolder(runs / "first" / "ta-coreset" / "seed-0").rows()[0]["selected"][0]["id"]
    shutil.copy(next(file for file in whole if file.stem != first), tmp_path / "small.jpg")
    Image.new("L", (5, 5)).save(root / "masks" / f"{first}.jpg")
    capsys.readouterr()
    assert main(["run", path]) == 2
    assert f"{first}.jpg: the target is 5 x 5" in capsys.readouterr().err
    folder = RunFolder(runs / "tiny" / "ta-coreset" / "seed-0")
    assert len(folder.rows()) == 1
    (root / "masks" / f"{first}.jpg").write_bytes(whole[root / "masks" / f"{first}.jpg"])
    assert main(["resume", str(folder.path)]) == 0
    assert len(folder.rows()) == 3
