"""The picture of predictions: which images, which scores, which runs may be in one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from al_lightning import experiment
from al_lightning.cli.main import main
from al_lightning.config import load
from al_lightning.core.task import IGNORE
from al_lightning.experiment.show import colours, picture, score


def run(path: Path, *overrides: str) -> Path:
    return experiment.run(load([path], overrides), Console(quiet=True)).path


def test_score_is_the_iou_of_the_foreground_or_the_error_in_cm():
    truth, guess = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    assert score(guess, truth) == 1
    truth[0], guess[:2, :2] = 1, 1
    assert score(guess, truth) == pytest.approx(2 / 6)
    truth[0, 0] = IGNORE
    assert score(guess, truth) == pytest.approx(1 / 5)
    guess[3] = 2  # a class that the truth lacks is as wrong as can be
    assert score(guess, truth) == pytest.approx((1 / 5 + 0) / 2)
    assert score(np.full((2, 2), 3, np.float32), np.full((2, 2), 1, np.float32)) == pytest.approx(2)


def test_images_come_from_worst_to_best_and_runs_side_by_side(tiny, write_config, tmp_path, monkeypatch):
    path = write_config(tiny)
    runs = [run(path, "budget.stages=1"), run(path, "budget.stages=1", "learner.committee.members=2", "name=two")]
    lines: list[list[str]] = []
    from matplotlib.axes import Axes

    monkeypatch.setattr(Axes, "set_title", lambda self, text, **_: lines.append(text.split("\n")))
    drawn = picture(runs, tmp_path / "sub" / "p.png", images=3)
    with Image.open(drawn) as image:
        assert image.width > image.height
    assert len(lines) == 3 * 4
    assert lines[2][:2] == ["unet, ta-coreset", "seed 0, 4 labels"]
    scores = [float(lines[4 * k + 2][-1].split()[1]) for k in range(3)]
    assert scores == sorted(scores)
    with pytest.raises(ValueError, match="images=0"):
        picture(runs, drawn, images=0)


def test_runs_of_different_data_or_without_weights_are_refused(tiny, write_config, tmp_path, capsys):
    path = write_config(tiny)
    first = run(path, "budget.stages=1")
    other = run(path, "budget.stages=1", "dataset.options.size=32", "name=other")
    assert main(["show", str(first), str(other), "-o", str(tmp_path / "p.png")]) == 2
    assert "dataset or options differ" in capsys.readouterr().err
    for file in first.rglob("best.ckpt"):
        file.unlink()
    assert main(["show", str(first), "-o", str(tmp_path / "p.png")]) == 2
    assert "is gone" in capsys.readouterr().err
    assert main(["show", str(tmp_path), "-o", str(tmp_path / "p.png")]) == 2
    assert not (tmp_path / "p.png").exists()


def test_depth_and_void_have_colours_of_their_own(tiny, write_config, tmp_path):
    options = {"root": str(tmp_path / "s"), "size": 32, "render_size": 32, "pool": 24, "validation": 8, "test": 8}
    tiny["dataset"] = {"name": "synthetic", "options": options | {"task": "depth"}}
    tiny["strategy"] = {"name": "random"}
    folder = run(write_config(tiny), "budget.stages=1")
    assert main(["show", str(folder), "-o", str(tmp_path / "depth.png"), "--images", "2"]) == 0
    from al_lightning.data import DATASETS

    dataset = DATASETS["synthetic"](**options)
    truth = np.array([[0, 1], [IGNORE, 1]], np.uint8)
    assert colours(truth, dataset, truth)[..., 0].tolist() == [[0, 1], [0.5, 1]]
    depth = np.array([[1.0, 3.0]], np.float32)
    low, high = colours(depth, dataset, depth)[0]
    assert low.sum() < 0.1 < high.sum()
    assert np.array_equal(colours(depth + 9, dataset, depth)[0], [high, high])
