"""`run` and others without a file, over stated defaults."""

from __future__ import annotations

import re

import pytest
from init_sets import names, write

from al_lightning import experiment
from al_lightning.cli import main
from al_lightning.cli.checked import dataset_config, load_checked, over_defaults
from al_lightning.config import ConfigError, defaults, load
from al_lightning.core.run_folder import RunFolder

SMALL = [
    *("trainer.max_epochs=1", "trainer.accelerator=cpu", "trainer.enable_progress_bar=false"),
    *("learner.options.widths=[4,8]", "dataset.options.size=16", "logging.wandb.mode=disabled"),
]


def test_a_folder_runs_without_a_file_and_says_what_was_assumed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "polyps", names(40))
    words = ["dataset.name=folder", "dataset.options.root=polyps", "budget.initial=4", "budget.stages=2", *SMALL]
    assert main(["run", *words]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == (
        "no file given: learner unet, strategy unc-ta-coreset, budget 4 + 10 x 1; "
        "al-lightning init writes them to a file"
    )
    assert len(RunFolder(tmp_path / "runs" / "polyps" / "unc-ta-coreset" / "seed-0").rows()) == 2


def test_the_budget_of_a_small_pool_is_what_it_has(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "polyps", names(16))
    words = ["dataset.options.root=polyps", "strategy.name=random", *SMALL]
    assert main(["run", *words]) == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.endswith(" images") and line.startswith("budget")]
    folder = RunFolder(tmp_path / "runs" / "polyps" / "random" / "seed-0")
    assert line == "budget 4 + 4 x 3 instead, as the pool has 13 images"
    assert [row["labelled"] for row in folder.rows()] == [4, 8, 12, 13]
    write(tmp_path / "polyps", names(60)[16:])  # the pool would take the whole budget now
    assert main(["run", *words]) == 0
    assert "complete, 4 stages" in capsys.readouterr().out
    assert main(["run", *words, "seed=1", "budget.initial=99"]) == 2
    assert "budget.initial=99: the pool of folder has only" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "pool", "budget"),
    [
        ([], 50, (10, 10, 5)),
        ([], 45, (10, 10, 5)),
        ([], 20, (6, 6, 4)),
        ([], 2, (1, 1, 2)),
        (["budget.per_stage=7"], 20, (6, 7, 3)),
        (["budget.stages=3"], 20, (6, 6, 3)),
        (["budget.initial=30"], 20, (30, 6, 6)),
        (["budget={initial: 10, per_stage: 10, stages: 6}"], 20, (10, 10, 6)),
    ],
)
def test_what_the_user_says_of_the_budget_stays(words, pool, budget):
    config = load([defaults.file()], ["name=x", "dataset.name=folder", *words])
    found = defaults.fitted(config, pool, words).budget
    assert (found.initial, found.per_stage, found.stages) == budget


@pytest.mark.parametrize(
    ("words", "name", "dataset", "line"),
    [
        (
            ["dataset.options.root=/data/my polyps"],
            "my-polyps",
            "folder",
            "dataset folder, learner unet, strategy unc-ta-coreset, budget 10 + 10 x 5, 50 epochs",
        ),
        (
            ["dataset.name=synthetic", "strategy.name=random"],
            "synthetic",
            "synthetic",
            "learner unet, budget 10 + 10 x 5, 50 epochs",
        ),
        (["dataset.name=camvid", "name=mine", "trainer.max_epochs=2"], "mine", "camvid", "budget 10 + 10 x 5"),
        (["dataset.options.root=/data/010"], "010", "folder", "dataset folder"),
        (["dataset.name=my.module:polyps"], "my.module.polyps", "my.module:polyps", "learner unet"),
    ],
)
def test_names_come_from_the_folder_or_the_dataset(words, name, dataset, line):
    files, overrides, is_assumed = over_defaults(words)
    config = load(files, overrides)
    assert is_assumed
    assert (config.name, config.dataset.name) == (name, dataset)
    assert line in defaults.assumed(config, words)


def test_depth_is_assumed_with_an_uncertainty_that_it_has(tmp_path):
    for words in (["dataset.name=colonoscopy-depth"], ["dataset.name=synthetic", "dataset.options.task=depth"]):
        config = load_checked(*over_defaults(words)[:2])
        assert (config.strategy.options, config.learner.mc_passes) == ({"measure": "deviation"}, 8)
        assert load_checked(*over_defaults([*words, "strategy.name=random"])[:2]).strategy.options == {}
    small = {"size": 16, "render_size": 32, "pool": 24, "validation": 6, "test": 6, "root": tmp_path}
    options = [f"dataset.options.{key}={value}" for key, value in small.items()]
    files, overrides, _ = over_defaults(
        ["dataset.name=synthetic", "dataset.options.task=depth", *options, "budget.stages=2"]
    )
    experiment.prepare(experiment.complete(load(files, overrides)))


def test_the_defaults_are_those_of_the_file():
    config = load([defaults.file()], ["name=x", "dataset.name=synthetic"])
    budget = config.budget
    assert (config.learner.name, config.strategy.name) == ("unet", "unc-ta-coreset")
    assert (budget.initial, budget.per_stage, budget.stages, config.trainer["max_epochs"]) == (10, 10, 6, 50)


@pytest.mark.parametrize("words", [["seed=1"], ["dataset.options.size=32", "strategy.name=random"]])
def test_words_without_a_dataset_name_the_ways(words, capsys):
    assert main(["run", *words]) == 2
    error = capsys.readouterr().err
    assert re.search("no experiment given; name one, such as demo.*dataset.options.root=FOLDER", error)
    assert error.count("\n") == 1


def test_mistakes_in_words_without_a_file_are_told(tmp_path, capsys):
    assert main(["run", "dataset.name=foldr", "dataset.options.root=x"]) == 2
    assert "dataset.name='foldr': no such dataset (did you mean 'folder'?)" in capsys.readouterr().err
    assert main(["run", "dataset.options.root=x", "dataset.options.maks=index"]) == 2
    assert "folder has no such option (did you mean 'masks'?)" in capsys.readouterr().err
    assert main(["run", f"dataset.options.root={tmp_path}/absent"]) == 2
    assert f"{tmp_path}/absent: no such folder" in capsys.readouterr().err


def test_a_command_of_the_dataset_alone_needs_no_other_section(tmp_path):
    (tmp_path / "data.yaml").write_text("dataset: {name: folder, options: {root: x}}\n")
    section = dataset_config([str(tmp_path / "data.yaml"), "dataset.options.size=32"]).dataset
    assert (section.name, section.options) == ("folder", {"root": "x", "size": 32})
    assert dataset_config(["dataset.options.root=x"]).dataset.name == "folder"
    assert dataset_config(["kvasir"]).dataset.name == "kvasir"
    with pytest.raises(ConfigError, match=r"dataset\.options\.rot"):
        dataset_config(["dataset.name=folder", "dataset.options.rot=x"])
