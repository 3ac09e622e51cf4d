"""Runs whose labels people give: they wait, take what is delivered, and go on."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from al_lightning.cli import main
from al_lightning.config import load
from al_lightning.core.waiting import Waiting
from al_lightning.experiment import complete, resume, run
from al_lightning.experiment.first import first_strategy
from al_lightning.experiment.setup import build_dataset
from al_lightning.experiment.trained import load_trained


def config(*overrides: str):
    return complete(load(["base.yaml"], list(overrides)))


RUN = Path("runs/people/ta-coreset/seed-0")


def asked(stage: int) -> list[str]:
    with (RUN / f"queries/stage-{stage:03d}/queries.csv").open() as file:
        return [line["id"] for line in csv.DictReader(file)]


def annotate(names: list[str]) -> None:
    for name in names:
        shutil.copy(f"truth/{name}.png", RUN / "annotations")


def waits(*arguments: str, **options: object) -> Waiting:
    with pytest.raises(Waiting) as error:
        resume(RUN, **options) if RUN.exists() else run(config(*arguments))
    return error.value


def rows() -> list[dict]:
    return [json.loads(line) for line in (RUN / "stages.jsonl").read_text().splitlines()]


def test_people_give_the_labels_that_an_oracle_would_have_looked_up(here: Path) -> None:
    """The same labels give the same run, whoever gives them: a run that waited three times, and one that did not."""
    assert waits().missing == 11
    for stage in range(3):
        annotate(asked(stage)[:2])
        assert waits().missing == len(asked(stage)) - 2
        annotate(asked(stage))
        if stage < 2:
            assert waits().missing == 3
    resume(RUN)
    people = rows()
    splits = json.loads((RUN / "splits.json").read_text())
    with open("list.csv", "w") as file:
        file.write("image,target,split\n")
        word = {"pool": "train", "validation": "val", "test": "test"}
        for name in sorted(splits):
            file.write(f"frames/{name}.png,truth/{name}.png,{word[splits[name]]}\n")
    looked_up = config(
        "dataset.options.root=.",
        "dataset.options.csv=list.csv",
        "dataset.options.targets=null",
        "oracle.name=simulated",
        "budget.validation=null",
        "budget.test=null",
        "name=simulated",
    )
    run(looked_up)
    other = [
        json.loads(line) for line in Path("runs/simulated/ta-coreset/seed-0/stages.jsonl").read_text().splitlines()
    ]
    assert [len(row["selected"]) for row in people] == [3, 3, 0]
    for mine, theirs in zip(people, other, strict=True):
        for key in ("test", "val", "labelled", "fraction"):
            assert mine[key] == theirs[key]
        names = [Path(pick["id"]).name for pick in theirs["selected"]]
        assert [pick["id"] for pick in mine["selected"]] == names


def test_what_is_there_already_is_labelled_first_and_the_rest_is_asked_for(here: Path) -> None:
    """Some frames have masks: the splits are drawn from them, and those of the pool count for budget.initial."""
    shutil.move("frames", "set/images")
    Path("set/masks").mkdir(parents=True)
    for number in range(12):
        shutil.copy(f"truth/{number:02d}.png", "set/masks")
    first = waits(
        "dataset.options.root=set",
        "dataset.options.targets=null",
        "budget.validation=null",
        "budget.test=null",
        "budget.initial=13",
        "budget.stages=2",
    )
    splits = json.loads((RUN / "splits.json").read_text())
    have = [name for name, split in splits.items() if split == "pool" and int(name) < 12]
    assert first.asked == 13 - len(have)
    assert not set(asked(0)) & set(have)


def test_a_test_set_of_too_few_masks_is_topped_up_by_people(here: Path) -> None:
    """What has a mask counts; the rest is taken from what is held out without, and stays so when the run is resumed."""
    shutil.move("frames", "set/images")
    Path("set/masks").mkdir(parents=True)
    for number in range(0, 26, 2):
        shutil.copy(f"truth/{number:02d}.png", "set/masks")
    options = ("dataset.options.root=set", "dataset.options.targets=null", "budget.validation=null", "budget.stages=2")
    before = build_dataset(config(*options))
    have = [before.ids[row] for row in before.test.tolist()]
    held_out = [name for name, split in before.split_of().items() if split == "none"]
    wanted = len(have) + 2
    first = waits(*options, f"budget.test={wanted}")
    assert first.asked == 2
    assert set(asked(0)) <= set(held_out)
    assert waits().missing == 2
    annotate(asked(0))
    assert waits().stage == 1
    splits = json.loads((RUN / "splits.json").read_text())
    assert sorted(name for name, split in splits.items() if split == "test") == sorted([*have, *asked(0)])
    with pytest.raises(ValueError, match=f"budget.test={wanted + 90}: {len(have)} images for test have a target"):
        run(config(*options, f"budget.test={wanted + 90}", "name=other"))


def test_enough_goes_on_with_what_is_delivered_and_keeps_the_rest_in_the_pool(here: Path) -> None:
    waits()
    annotate(asked(0))
    waits()
    first = asked(1)
    assert waits(enough=True).missing == 3, "nothing is delivered: nothing to go on with"
    annotate(first[:1])
    assert waits(enough=True).stage == 2
    assert [pick["id"] for pick in rows()[0]["selected"]] == first[:1]
    assert rows()[0]["labelled"] + 1 == 5
    state = json.loads((RUN / "state/stage-000.json").read_text())
    assert not {entry["id"] for entry in state["pool"]} & set(first[1:])


def test_a_correction_counts_from_the_next_stage_on(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    waits()
    annotate(asked(0))
    waits()
    corrected = next(name for name in asked(0) if json.loads((RUN / "splits.json").read_text())[name] == "pool")
    Image.fromarray(np.full((32, 32), 255, np.uint8)).save(RUN / f"annotations/{corrected}.png")
    tested = next(name for name in asked(0) if json.loads((RUN / "splits.json").read_text())[name] == "test")
    Image.fromarray(np.full((32, 32), 255, np.uint8)).save(RUN / f"annotations/{tested}.png")
    (RUN / "annotations/stranger.png").write_bytes(b"x")
    annotate(asked(1))
    waits()
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "stage 1: 1 label of an earlier stage corrected, trained with from this stage on" in said
    assert any(line.startswith("stage 1: 1 changed label of validation and test not used") for line in said)
    assert any(line.startswith("stage 1: 1 answer not used (") and "stranger" in line for line in said)
    pool = json.loads((RUN / "state/stage-000.json").read_text())["pool"]
    file = next(entry["target"] for entry in pool if entry["id"] == corrected)
    assert file.endswith("-v2.classes.png")
    assert np.asarray(Image.open(RUN / file)).all()
    start = json.loads((RUN / "state/stage-000.json").read_text())["first_given"]
    assert start["files"][tested].endswith("-v1.classes.png"), "validation and test stay as they were"


def test_a_withdrawn_image_leaves_the_pool(here: Path) -> None:
    waits()
    annotate(asked(0))
    waits()
    gone = asked(1)[0]
    (RUN / "annotations/withdrawn.txt").write_text(f"{gone}\tno consent\n")
    annotate(asked(1)[1:])
    waits()
    assert gone not in asked(2)
    assert [pick["id"] for pick in rows()[0]["selected"]] == asked(1)[1:]
    assert rows()[1:] == []
    annotate(asked(2))
    resume(RUN)
    assert rows()[2]["labelled"] == 4 + 2 + 3


def test_waiting_is_exit_code_3_with_the_next_thing_to_do(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "base.yaml"]) == 3
    said = capsys.readouterr().out
    assert f"{RUN / 'queries/stage-000/images'}" in said
    assert f"al-lightning resume {RUN}" in said
    (RUN / "annotations/stranger.png").write_bytes(b"x")
    assert main(["resume", str(RUN)]) == 3
    assert "rejected: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("budget.first=entropy", "budget.first='entropy': needs a trained learner"),
        ("budget.first=nobody", "budget.first='nobody': no such strategy"),
        ("budget.test=null", "budget.test=None"),
        ("budget.test=30", "too few"),
        ("oracle.name=simulated", "oracle.name"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_written(here: Path, override: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        run(config(override))
    assert said in str(error.value)
    assert not Path("runs").exists()


def test_a_simulated_run_can_begin_with_a_strategy_too(here: Path) -> None:
    synthetic = complete(
        load(
            ["base.yaml"],
            [
                "dataset.name=synthetic",
                "dataset.options.size=32",
                "dataset.options.render_size=32",
                "dataset.options.pool=20",
                "oracle.name=simulated",
                "budget.validation=null",
                "budget.test=null",
                "budget.stages=1",
                "budget.first=pca-coreset",
            ],
        )
    )
    run(synthetic)
    state = json.loads((RUN / "state/stage-000.json").read_text())
    assert [entry["source"] for entry in state["pool"]] == ["initial: pca-k-center on images"] * 4
    assert [pick["id"] for pick in state["first_asked"]] == [entry["id"] for entry in state["pool"]]


def test_the_first_images_can_be_picked_by_a_strategy(here: Path) -> None:
    waits("budget.first=pca-coreset")
    with (RUN / "queries/stage-000/queries.csv").open() as file:
        sources = [line["source"] for line in csv.DictReader(file)]
    assert sources == ["test"] * 4 + ["validation"] * 3 + ["initial: pca-k-center on images"] * 4
    assert first_strategy("ta-coreset").needs == {"latent"}


@pytest.mark.parametrize("tested", ["member", "ensemble"])
def test_guesses_are_of_the_networks_that_the_run_tests(here: Path, tested: str) -> None:
    waits(
        "learner.committee.members=2",
        f"learner.committee.tested={tested}",
        "learner.options.lr=0.01",
        "trainer.max_epochs=6",
    )
    annotate(asked(0))
    waits()
    learner = load_trained(RUN).learner
    for name in asked(1):
        pixels = torch.from_numpy(np.asarray(Image.open(f"frames/{name}.png")).transpose(2, 0, 1).copy())[None]
        with torch.no_grad():
            found = learner.predict_step({"rows": torch.tensor([0]), "image": pixels}, 0).probabilities
        guess = np.asarray(Image.open(RUN / f"queries/stage-001/guesses/{name}.png"))
        assert np.array_equal(guess > 0, found[0].argmax(0).numpy() > 0)
