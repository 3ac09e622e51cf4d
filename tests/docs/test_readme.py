"""The README's script runs as it stands, on a smaller set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import pytorch_lightning as pl

from al_lightning import DATASETS

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_script_runs(tmp_path, monkeypatch, capsys, kvasir_root):
    (script,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    small = DATASETS["kvasir"](str(kvasir_root), 16, validation=4)
    monkeypatch.setitem(DATASETS, "synthetic", lambda size: small)
    original = pl.Trainer
    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False, "enable_model_summary": False}
    monkeypatch.setattr(pl, "Trainer", lambda **given: original(**given | quiet | {"max_epochs": 1}))
    names: dict[str, object] = {}
    exec(compile(script.replace("=20", "=3"), "README.md", "exec"), names)
    assert len(names["pool"].labelled) == 3 + 4 * 3  # type: ignore[attr-defined]
    picks = re.findall(r"\['cju.*?\]", capsys.readouterr().out)
    assert len(picks) == 4


@pytest.mark.parametrize("command", re.findall(r"make ([a-z-]+)", README))
def test_every_make_target_of_the_readme_exists(command):
    root = Path(__file__).parents[1]
    targets = re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE)
    assert command in targets or (root / "experiments" / f"{command}.yaml").is_file()
