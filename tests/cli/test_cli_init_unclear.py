"""`al-lightning init` where files are not clear: choices in a terminal, comments elsewhere."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from init_sets import disc, init, names, picture, write
from mask_sets import colours, discs, line_of, numbers, palette, read, written
from omegaconf import OmegaConf

from al_lightning import experiment
from al_lightning.cli import main
from al_lightning.config import ConfigError
from al_lightning.data.errors import DataError
from al_lightning.data.init.choices import flow
from al_lightning.data.init.proposal import Budget, budget, size_for


def trimap(mask, number):
    return (mask * 1 + (np.arange(48) < 12) * 1).astype(np.uint8)


@pytest.fixture
def terminal(monkeypatch):
    """Answers as typed in a terminal."""

    def types(*answers: str) -> None:
        given = iter(answers)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        monkeypatch.setattr("rich.console.Console.input", lambda *_, **__: next(given))

    return types


def test_outside_a_terminal_the_answers_are_comments(tmp_path, capsys):
    root = write(tmp_path / "set", names(30), values=trimap)
    config = init(root, tmp_path / "mine.yaml", code=2)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "dataset.options.foreground is not decided" in error
    assert "mine.yaml lists 4 possible answers" in error
    with pytest.raises(ConfigError, match="0, 1 and 2"):
        experiment.prepare(experiment.complete(config))
    text = (tmp_path / "mine.yaml").read_text()
    for answer in (
        "foreground: [1]",
        "foreground: [2]",
        "foreground: [1, 2]",
        "classes: [background, class 1, class 2]",
    ):
        chosen = tmp_path / "chosen.yaml"
        assert text.count(f"    #   {answer}\n") == 1
        chosen.write_text(text.replace(f"    #   {answer}\n", f"    {answer}\n"))
        from al_lightning.config import load

        experiment.prepare(experiment.complete(load([chosen])))


def test_in_a_terminal_an_answer_is_a_number_with_its_consequence(tmp_path, capsys, terminal):
    root = write(tmp_path / "set", names(30), values=trimap)
    terminal("4")
    config = init(root, tmp_path / "mine.yaml")
    out = capsys.readouterr().out
    assert "foreground is not clear: " in out
    assert "  1  foreground: [2]\n       8-bit numbers, values 0, 1 and 2, foreground is 2, foreground " in out
    assert config.dataset.options["classes"] == ["background", "class 1", "class 2"]
    experiment.prepare(experiment.complete(config))


def test_what_is_left_open_in_a_terminal_is_a_comment(tmp_path, terminal):
    root = write(tmp_path / "set", names(30), values=trimap)
    terminal("5")
    config = init(root, tmp_path / "mine.yaml", code=2)
    assert set(config.dataset.options) == {"root", "size"}


def test_what_is_known_already_is_not_asked(tmp_path, capsys):
    root = write(tmp_path / "set", names(30), values=trimap)
    config = init(root, tmp_path / "mine.yaml", "dataset.options.foreground=[2]", "dataset.options.void=[1]")
    assert (config.dataset.options["foreground"], config.dataset.options["void"]) == ([2], [1])
    assert main(["init", str(root), "budget.initial=4", "-o", str(tmp_path / "x.yaml")]) == 2
    assert "expected dataset.options.KEY=VALUE" in capsys.readouterr().err
    assert main(["init", str(root), "dataset.options.forground=[4]", "-o", str(tmp_path / "x.yaml")]) == 2
    assert "forground: folder has no such option (did you mean 'foreground'?)" in capsys.readouterr().err


def test_few_folders_are_groups_unless_somebody_says_otherwise(tmp_path, terminal):
    root = write(tmp_path / "set", [f"{'xyz'[n % 3]}/{name}" for n, name in enumerate(names(30))])
    config = init(root, tmp_path / "mine.yaml")
    assert config.dataset.options["groups"] == "folder"
    text = (tmp_path / "mine.yaml").read_text()
    assert "# groups is not certain: images lie in 3 folders (x, y, z); taken is groups: folder; else" in text
    terminal("2")
    assert init(root, tmp_path / "mine.yaml", "--force").dataset.options["groups"] == "none"


def test_frames_that_look_alike_are_a_video(tmp_path, capsys):
    from dataset_trees import save

    for video in range(8):
        for frame in range(5):
            save(tmp_path / "set" / "images" / f"v{video}_{frame:03d}.png", np.roll(picture(video), frame, axis=1))
            save(tmp_path / "set" / "masks" / f"v{video}_{frame:03d}.png", disc(frame).astype(np.uint8) * 255)
    config = init(tmp_path / "set", tmp_path / "mine.yaml")
    assert config.dataset.options["groups"] == "video"
    assert "as in 8 videos (v0_*, v1_*, v2_* and 5 more); all of a group are in one split" in capsys.readouterr().out


@pytest.mark.parametrize("inverted", [False, True])
def test_light_tells_whether_near_is_bright(inverted, tmp_path):
    from dataset_trees import save

    light = np.linspace(250, 40, 48)
    for number, name in enumerate(names(20)):
        noise = np.random.default_rng(number).normal(0, 20, (36, 48, 1))
        depth = np.linspace(30, 250, 48)[:: -1 if inverted else 1]
        save(
            tmp_path / "set" / "images" / f"{name}.png",
            (light[:, None] + noise).clip(0, 255).astype(np.uint8).repeat(3, 2),
        )
        save(tmp_path / "set" / "depth" / f"{name}.png", np.tile(depth, (36, 1)).astype(np.uint8))
    config = init(tmp_path / "set", tmp_path / "mine.yaml")
    text = (tmp_path / "mine.yaml").read_text()
    assert ("    #   invert: true\n" in text) == inverted
    assert config.strategy.options == {"measure": "deviation"}
    experiment.prepare(experiment.complete(config))


@pytest.mark.parametrize("place", ["{}.png", "images/{}.png"])
def test_a_pool_without_any_mask_becomes_a_run_that_asks_people(place, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = write(tmp_path / "set", names(40), place, bare=names(40))
    config = init(root, tmp_path / "mine.yaml")
    assert "no image has a mask: people will be asked for masks" in capsys.readouterr().out
    assert config.dataset.options["targets"] == "none"
    assert config.oracle.name == "folder"
    assert (config.budget.validation, config.budget.test, config.budget.first) == (5, 10, "typiclust")
    setup = experiment.prepare(experiment.complete(config))
    assert (len(setup.dataset.validation), len(setup.dataset.test)) == (5, 10)


def test_one_side_of_a_set_leads_to_the_whole(tmp_path, capsys):
    root = write(tmp_path / "set", names(20))
    config = init(root / "images", tmp_path / "mine.yaml")
    assert config.dataset.options["root"] == str(root)
    assert f"images/ is one side of {root}" in capsys.readouterr().out


def test_a_folder_beside_another_set_is_no_side_of_it(tmp_path, capsys):
    """clinic/frames has no masks; that clinic/polyps has images and masks is another matter."""
    write(tmp_path / "clinic" / "polyps", names(20))
    frames = write(tmp_path / "clinic" / "frames", names(40), "{}.png", bare=names(40))
    config = init(frames, tmp_path / "mine.yaml")
    assert config.dataset.options["root"] == str(frames)
    said = capsys.readouterr().out
    assert "no image has a mask" in said
    assert "is one side of" not in said


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda root: None, "no such folder; name the folder that holds your images"),
        (lambda root: root.mkdir(), "holds no image"),
        (lambda root: write(root, names(2)), "too few"),
        (lambda root: write(root, names(9), target="masks/other-{}{}.png".replace("{}{}", "{}z9")), "no rule pairs"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_no_file(make, match, tmp_path, capsys):
    make(tmp_path / "set")
    assert main(["init", str(tmp_path / "set"), "-o", str(tmp_path / "mine.yaml")]) == 2
    error = capsys.readouterr().err
    assert match in error
    assert error.count("\n") == 1
    assert not (tmp_path / "mine.yaml").exists()


def test_no_torch_is_loaded(tmp_path):
    root = write(tmp_path / "set", names(20))
    code = (
        "import sys\nfrom al_lightning.cli import main\n"
        f"code = main(['init', {str(root)!r}, '-o', {str(tmp_path / 'mine.yaml')!r}])\n"
        "sys.exit(3 if 'torch' in sys.modules else code)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_budget_and_size_fit_the_set():
    assert budget(803) == Budget(40, 40, 6)
    for pool in range(1, 60):
        found = budget(pool)
        assert found.initial >= 1
        assert found.initial + (found.stages - 2) * found.per_stage < pool or found.stages == 1
    assert size_for([(1080, 1920)] * 4) == [160, 256]
    assert size_for([(1080, 1920)] * 4, 512) == [288, 512]
    assert size_for([(20, 20)]) == 32


@pytest.mark.parametrize(
    ("targets", "writer", "choices"),
    [
        (discs(), numbers([0, 4]), [{"foreground": [4]}]),
        (discs(classes=3), numbers([0, 1, 2]), [{"foreground": [2]}, {"foreground": [1]}, {"foreground": [1, 2]}]),
        ([line_of(target) for target in discs()], numbers([0, 255]), [{"masks": "outline"}, {"masks": "threshold"}]),
        (discs(), palette([[0, 0, 0], [255, 0, 0]], [0, 7]), [{"foreground": [7]}]),
        (
            discs(),
            colours([[0, 0, 0], [200, 30, 30]]),
            [{"masks": "colours", "colours": {"background": [0, 0, 0], "polyp": [200, 30, 30]}}],
        ),
        (discs(), numbers([0, 0]), [{"allow_missing_classes": True}]),
    ],
)
def test_an_error_carries_the_options_that_its_message_names(tmp_path, targets, writer, choices):
    with pytest.raises(DataError) as caught:
        read(written(tmp_path, targets, writer))
    error = pickle.loads(pickle.dumps(caught.value))  # a worker of a loader sends it so
    assert (error.about, list(error.choices)) == ("masks", choices)
    first = ", ".join(f"{key}: {flow(value)}" for key, value in choices[0].items())
    assert f"dataset.options: {{{first}}}" in str(error)


@pytest.mark.parametrize(
    "value", ["no", "1e3", "a: b", "x #y", "é", "(case_\\d+)", "", "C:\\x", "12", "- a", "a/b c", None]
)
def test_values_are_what_yaml_reads(value):
    assert OmegaConf.create(f"a: {flow(value)}\nb: [{flow(value)}]") == {"a": value, "b": [value]}
