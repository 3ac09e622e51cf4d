"""Rows chosen from features that were made elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from al_lightning.cli import main
from al_lightning.experiment.select import select_rows


def plain_k_center(features: np.ndarray, labelled: list[int], budget: int) -> list[int]:
    """k-center-greedy by its definition, all distances anew at each pick; the first picks among nothing labelled is
    left to the engine."""
    chosen = list(labelled)
    for _ in range(budget):
        nearest = [min(np.linalg.norm(row - features[other]) for other in chosen) for row in features]
        chosen.append(int(np.argmax(nearest)))
    return chosen[len(labelled) :]


def test_rows_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 5))
    assert select_rows(features, [3, 7], 6).tolist() == plain_k_center(features, [3, 7], 6)


def test_random_draws_only_unlabelled_rows_and_repeats_with_its_seed():
    features = np.zeros((20, 2))
    first = select_rows(features, np.arange(10), 5, "random", seed=4)
    assert sorted(set(first.tolist())) == sorted(first.tolist())
    assert min(first) >= 10
    assert first.tolist() == select_rows(features, np.arange(10), 5, "random", seed=4).tolist()
    assert first.tolist() != select_rows(features, np.arange(10), 5, "random", seed=5).tolist()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"features": np.zeros(4)}, r"features: has shape \(4,\)"),
        ({"labelled": [4]}, "labelled: rows 4 to 4; expected 0 to 3"),
        ({"labelled": [-1]}, "labelled: rows -1 to -1"),
        ({"labelled": [0.5]}, "labelled: has shape .* float64"),
        ({"labelled": np.array([True, False, True, False])}, "labelled: .*bool"),
        ({"per_stage": 0}, "per_stage=0: expected between 1 and the 3 unlabelled rows"),
        ({"per_stage": 4}, "per_stage=4"),
        ({"strategy": "best"}, "strategy='best': expected one of 'k-center', 'typiclust'"),
    ],
)
def test_wrong_arguments_are_named(change, match):
    given = {"features": np.zeros((4, 2)), "labelled": [0], "per_stage": 1} | change
    with pytest.raises(ValueError, match=match):
        select_rows(**given)


def test_the_command_prints_rows_and_refuses_what_is_wrong(tmp_path, capsys):
    np.save(tmp_path / "f.npy", np.array([[0.0], [1.0], [2.0], [10.0]]))
    (tmp_path / "rows.txt").write_text("0\n")
    base = ["select", "--features", str(tmp_path / "f.npy"), "--labelled", str(tmp_path / "rows.txt")]
    assert main([*base, "--budget", "2"]) == 0
    assert capsys.readouterr().out.split() == ["3", "2"]
    for budget in ("4", "0"):
        assert main([*base, "--budget", budget]) == 2
        assert f"--budget {budget}" in capsys.readouterr().err
    for text in ("4\n", "x\n"):
        (tmp_path / "rows.txt").write_text(text)
        assert main([*base, "--budget", "1"]) == 2
        assert "rows.txt" in capsys.readouterr().err
    assert main(["select", "--features", str(tmp_path / "none.npy"), "--budget", "1"]) == 2
    assert "none.npy: no such file" in capsys.readouterr().err
    (tmp_path / "text.npy").write_text("no array")
    assert main(["select", "--features", str(tmp_path / "text.npy"), "--budget", "1"]) == 2
    assert "text.npy" in capsys.readouterr().err
