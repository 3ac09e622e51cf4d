"""Points of a sweep and their folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from al_lightning import experiment
from al_lightning.cli import main
from al_lightning.config import ConfigError, load
from al_lightning.experiment.sweep import folders, points

MIXED = ["strategy.name=mixture"]


def places(sweeps: list[str], *overrides: str) -> list[str]:
    """Folders of the points, below runs/demo."""
    grid = points(sweeps)
    configs = [load(["demo"], [*overrides, *point.overrides]) for point in grid]
    return [folder.path.relative_to("runs/demo").as_posix() for folder in folders(grid, configs)]


def test_no_sweep_is_one_point_in_the_ordinary_folder():
    (point,) = points([])
    assert point.overrides == ()
    config = load(["demo"])
    assert point.folder(config).path == experiment.run_folder(config).path == Path("runs/demo/ta-coreset/seed-0")


def test_seeds_strategies_and_names_keep_their_folders():
    assert places(["strategy.name=random,bvsb", "seed=0,1"]) == [
        "random/seed-0",
        "random/seed-1",
        "bvsb/seed-0",
        "bvsb/seed-1",
    ]
    grid = points(["name=a,b", "runs_dir=x,y"])
    configs = [load(["demo"], point.overrides) for point in grid]
    paths = [str(folder.path) for folder in folders(grid, configs)]
    assert paths == ["x/a/ta-coreset/seed-0", "y/a/ta-coreset/seed-0", "x/b/ta-coreset/seed-0", "y/b/ta-coreset/seed-0"]


@pytest.mark.parametrize(
    ("sweeps", "names"),
    [
        (["strategy.options.gamma=0.3,0.5"], ["mixture,gamma=0.3", "mixture,gamma=0.5"]),
        (["trainer.max_epochs=1", "loader.batch_size=2"], ["mixture,max_epochs=1,batch_size=2"]),
        (
            ["dataset.options.size=64", "strategy.options.size=8,16"],
            [f"mixture,dataset.options.size=64,strategy.options.size={size}" for size in (8, 16)],
        ),
        (["learner.options.widths=[4,8],[8,16]"], ["mixture,widths=4_8", "mixture,widths=8_16"]),
        (["dataset.options.root=/sets/a b:c"], ["mixture,root=sets_a_b_c"]),
        (["learner.options.lr=1e-4,-1,+2"], ["mixture,lr=1e-4", "mixture,lr=-1", "mixture,lr=+2"]),
    ],
)
def test_any_other_key_gets_a_folder_of_its_own(sweeps, names):
    assert places(sweeps, *MIXED) == [f"{name}/seed-0" for name in names]


def test_long_and_empty_values_are_told_apart_by_a_hash():
    first, second = places([f"dataset.options.root=/{'x' * 300}a,/{'x' * 300}b"])
    assert first != second
    assert all(len(place.split("/")[0]) < 80 for place in (first, second))
    (none,) = places(["dataset.options.root=///"])
    assert none.startswith("ta-coreset,root=value-")
    many = [f"trainer.{'k' * 30}{number}={'v' * 35}" for number in range(12)]
    (place,) = places(many)
    assert len(place.split("/")[0].encode()) < 255


def test_a_strategy_of_the_sweep_keeps_the_options_of_the_sweep():
    """A change of name drops options: it goes before them, in whatever order the two are given."""
    (point,) = points(["strategy.options.gamma=0.3", "strategy.name=mixture"])
    config = load(["demo"], point.overrides)
    assert (config.strategy.name, config.strategy.options) == ("mixture", {"gamma": 0.3})
    assert point.folder(config).path.parent.name == "mixture,gamma=0.3"


@pytest.mark.parametrize("sweeps", [["seed=0,1,0"], ["trainer.a=x y,x:y"], ["strategy.name=a,a"]])
def test_two_points_of_one_folder_are_refused(sweeps):
    with pytest.raises(ConfigError, match="would both run in runs/demo/"):
        places(sweeps)


@pytest.mark.parametrize("sweep", ["seed", "seed=", "seed=1,,2", "=1", "seed=1,"])
def test_another_form_is_refused(sweep):
    with pytest.raises(ConfigError, match="expected key=a,b"):
        points([sweep])


def test_a_key_swept_twice_is_refused():
    with pytest.raises(ConfigError, match="seed is swept twice"):
        points(["seed=0", "seed=1"])


def test_a_sweep_of_an_option_runs_each_value_and_reports_all(tiny, write_config, capsys):
    tiny["strategy"] = {"name": "random"}
    tiny["budget"]["stages"] = 2
    tiny["trainer"]["max_epochs"] = 1
    path = str(write_config(tiny))
    sweep = ["--sweep", "learner.options.lr=0.01,0.02"]
    assert main(["run", path, *sweep, "logging.csv=false"]) == 0
    runs = Path(tiny["runs_dir"]) / "tiny"
    stages = sorted(runs.rglob("stages.jsonl"))
    assert [file.parent.relative_to(runs).as_posix() for file in stages] == [
        "random,lr=0.01/seed-0",
        "random,lr=0.02/seed-0",
    ]
    for file, rate in zip(stages, (0.01, 0.02), strict=True):
        assert load([file.with_name("config.yaml")]).learner.options["lr"] == rate
    capsys.readouterr()
    assert (runs / "report.html").is_file()
    assert main(["report", str(runs), "-o", str(runs / "again.html")]) == 0
    assert "lr=0.02" in capsys.readouterr().out
    assert main(["resume", str(stages[0].parent)]) == 0
    assert main(["run", path, *sweep]) == 0
    assert capsys.readouterr().out.count("complete") == 3


def test_nothing_runs_where_two_points_share_a_folder(tiny, write_config, capsys):
    assert main(["run", str(write_config(tiny)), "--sweep", "seed=0,0"]) == 2
    assert "would both run in" in capsys.readouterr().err
    assert not Path(tiny["runs_dir"]).exists()
