"""`al-lightning check`: what it takes, what it prints last, and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from audit_tree import scene
from PIL import Image

from al_lightning.cli import main


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Thirty images with masks under the usual names."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "mine"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(30):
        mask = np.zeros((80, 96), np.uint8)
        mask[10 : 20 + number, 30:50] = 255
        Image.fromarray(scene(rng, (80, 96))).save(folder / "images" / f"{number:02d}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number:02d}.png")
    return folder


def check(*words: str, output: Path) -> int:
    return main(["check", *words, "-o", str(output)])


def last(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.splitlines()[-1]


def test_a_folder_needs_no_configuration(root, tmp_path, capsys):
    assert check(f"dataset.options.root={root}", output=tmp_path / "out") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-1].startswith("no error, no test image is in pool or validation (")
    assert next(line for line in out if line).startswith("masks: 8-bit grey, values 0 and 255")
    assert (tmp_path / "out" / "audit.png").is_file()
    values = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert values["verdict"] == "no error, no test image is in pool or validation"
    assert values["splits"]["pool"] > 10


def test_overrides_may_stand_anywhere(root, tmp_path, capsys):
    words = ["check", "dataset.name=folder", "-o", str(tmp_path / "out"), f"dataset.options.root={root}", "seed=3"]
    assert main(words) == 0
    assert main(["check", "dataset.options.size=32", *words[1:]]) == 0
    assert check("demo", "dataset.name=folder", f"dataset.options.root={root}", output=tmp_path / "out") == 0


@pytest.mark.parametrize("count", [1, 30])
def test_unreadable_masks_exit_1(root, tmp_path, capsys, count):
    for path in sorted((root / "masks").iterdir())[:count]:
        path.write_bytes(path.read_bytes()[:30])
    assert check(f"dataset.options.root={root}", output=tmp_path / "out") == 1
    found = last(capsys)
    assert found.startswith("error: " + ("dataset (" if count == 30 else "mask "))
    assert "mask" in found
    assert "no test image" not in found


def test_missing_masks_depend_on_the_oracle(root, tmp_path, capsys):
    for path in sorted((root / "masks").iterdir())[:10]:
        path.unlink()
    assert check(f"dataset.options.root={root}", output=tmp_path / "out") == 1
    assert last(capsys).startswith("error: no mask (")
    assert check(f"dataset.options.root={root}", "oracle.name=people:Ask", output=tmp_path / "out") == 0


def paint(path: Path, values: tuple[int, ...]) -> None:
    mask = np.resize(np.repeat(np.array(values, np.uint8), 20), (80, 96))
    Image.fromarray(mask).save(path)


REFUSED = {
    "ambiguous": lambda root: [paint(path, (0, 85, 170)) for path in (root / "masks").iterdir()],
    "empty": lambda root: [paint(path, (0,)) for path in (root / "masks").iterdir()],
    "no masks": lambda root: [path.unlink() for path in (root / "masks").iterdir()],
    "two images": lambda root: [path.unlink() for path in [*(root / "images").iterdir()] if path.stem > "01"],
    "no image": lambda root: [path.unlink() for kind in ("images", "masks") for path in (root / kind).iterdir()],
    "two of one name": lambda root: Image.new("L", (9, 9)).save(root / "images" / "03.bmp"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_data_that_a_run_refuses_are_audited_and_exit_1(root, tmp_path, capsys, case):
    REFUSED[case](root)
    assert check(f"dataset.options.root={root}", output=tmp_path / "out") == 1
    assert last(capsys).startswith(f"error: dataset ({root}")
    values = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert values["findings"][0]["kind"] == "dataset"
    assert (tmp_path / "out" / "audit.png").is_file()


def test_allowed_missing_classes_are_no_error(root, tmp_path, capsys):
    classes = "dataset.options.classes=[ground,polyp,other]"
    for path in (root / "masks").iterdir():
        paint(path, (0, 1))
    assert check(f"dataset.options.root={root}", classes, output=tmp_path / "out") == 1
    assert "other in none of 30 masks" in last(capsys)
    allowed = "dataset.options.allow_missing_classes=true"
    assert check(f"dataset.options.root={root}", classes, allowed, output=tmp_path / "out") == 0
    assert last(capsys).startswith("no error, 2 warnings")


MISTAKES = {
    "nothing": ([], "no experiment given"),
    "name": (["dataset.name=foldr"], "did you mean 'folder'"),
    "option": (["dataset.options.root={root}", "dataset.options.thresh=3"], "did you mean 'threshold'"),
    "type": (["dataset.options.root={root}", "dataset.options.page=x"], "dataset.options.page"),
    "range": (["dataset.options.root={root}", "dataset.options.validation=3"], "validation=3"),
    "window": (["dataset.options.root={root}", "dataset.options.window=[0,9]"], "remove the option"),
    "rule": (["dataset.options.root={root}", "dataset.options.groups=vido"], "nearest: video"),
    "section": (["dataset.options.root={root}", "datset.name=folder"], "Did you mean: 'dataset'"),
    "file": (["nothing.yaml"], "no such configuration file"),
    "folder": (["dataset.options.root={root}/nowhere"], "no such folder"),
    "images": (["dataset.options.root={root}", "dataset.options.images=nowhere"], "no such folder"),
    "csv": (["dataset.options.root={root}", "dataset.options.csv=no.csv"], "no such file"),
    "published": (["kvasir-random", "dataset.options.root={root}/nowhere"], "no such folder"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_the_command_is_exit_2_and_writes_nothing(root, tmp_path, capsys, case):
    words, expected = MISTAKES[case]
    assert check(*(word.format(root=root) for word in words), output=tmp_path / "out") == 2
    shown = capsys.readouterr()
    assert expected in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""
    assert not (tmp_path / "out").exists()


def test_a_published_set_that_is_not_whole_is_exit_1(kvasir_root, tmp_path, capsys):
    folder = tmp_path / "Kvasir-SEG"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
        for path in sorted((kvasir_root / kind).iterdir())[kind == "masks" :]:
            (folder / kind / path.name).write_bytes(path.read_bytes())
    sessile = f"dataset.options.sessile={kvasir_root.parent / 'sessile-main-Kvasir-SEG'}"
    words = ["dataset.name=kvasir", f"dataset.options.root={folder}", sessile, "dataset.options.validation=4"]
    assert check(*words, output=tmp_path / "out") == 1
    assert "no mask 'cju000'" in last(capsys)


@pytest.mark.parametrize("words", [["dataset.name=foldr"], ["dataset.options.root=/nowhere/at/all"]])
def test_mistakes_are_told_before_torch_is_loaded(words):
    script = (
        "import sys; from al_lightning.cli import main; code = main(sys.argv[1:]); "
        "assert code == 2 and 'torch' not in sys.modules, code"
    )
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script, "check", *words], capture_output=True, text=True, env=os.environ.copy()
    )
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - begun < 10
