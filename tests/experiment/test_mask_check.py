"""`check --run`: the masks that somebody spoiled are first, and the run is only read."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from disc_runs import SPOILED, disc, run_discs, write_discs
from PIL import Image
from rich.console import Console

from al_lightning.cli import main
from al_lightning.cli.check_run import default_output
from al_lightning.config import load
from al_lightning.core.waiting import Waiting
from al_lightning.experiment import resume, run
from al_lightning.experiment.mask_check import check_masks


def contents(root: Path) -> dict[str, str]:
    return {
        str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in root.rglob("*")
        if file.is_file()
    }


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which six masks are wrong, one of them of the test set."""
    return run_discs(tmp_path_factory.mktemp("spoiled"), wrong=SPOILED).path


def test_spoiled_masks_are_first_and_the_run_stays_as_it_was(spoiled: Path, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    before = contents(spoiled)
    assert main(["check", "--run", str(spoiled), "--folds", "3", "--top", "8"]) == 0
    said = capsys.readouterr().out
    assert contents(spoiled) == before
    lines = table(tmp_path / "audit-discs-random-seed-0" / "masks.csv")
    assert [int(line["rank"]) for line in lines] == list(range(1, 47))
    assert list(lines[0]) == ["rank", "id", "split", "score", "iou", "softmin", "fold", "mask"]
    assert {int(line["id"].split("/")[1]) for line in lines[:6]} == set(SPOILED)
    scores = [float(line["score"]) for line in lines]
    assert scores == sorted(scores)
    assert scores[0] < 0.2
    assert np.median(scores) > 0.8
    for line in lines:
        assert (line["split"] == "pool") == (line["fold"] in ("1", "2", "3"))
        assert Path(line["mask"]).is_file()
        assert Path(line["mask"]).stem == line["id"].split("/")[1]
    of_patient: dict[int, set[str]] = {}
    for line in lines[:36]:
        of_patient.setdefault(int(line["id"].split("/")[1]) // 2, set()).add(line["fold"])
    assert all(len(folds) == 1 for folds in of_patient.values())
    assert "3 trainings of unet, 12 epochs each" in said
    assert "where a mask is wrong: correct the file that masks.csv names, and start a new run" in said
    with Image.open(tmp_path / "audit-discs-random-seed-0" / "masks.png") as sheet:
        assert sheet.width > 1000
        pixels = np.asarray(sheet).reshape(-1, 3)
    for colour in ((0, 255, 90), (255, 0, 255)):
        assert (pixels == colour).all(1).sum() > 100


def test_it_is_reproducible_and_takes_settings_of_the_training(spoiled: Path, tmp_path) -> None:
    found = [check_masks(spoiled, ["trainer.max_epochs=1"], folds=2, top=3) for _ in range(2)]
    assert found[0].judged == found[1].judged
    assert found[0].epochs == 1
    assert set(found[0].seen) == {one.id for one in found[0].judged[:3]}
    other = check_masks(spoiled, ["trainer.max_epochs=1", "loader.batch_size=3"], folds=2, top=3)
    assert [one.score for one in other.judged] != [one.score for one in found[0].judged]


def test_regions_count_alone(tmp_path) -> None:
    """A mask that is wrong where nobody was asked is no fault; the same wrong pixels in a region are one."""
    folder = run_discs(
        tmp_path,
        *("budget.initial=16", "budget.per_stage=6", "budget.stages=2", "strategy.name=region-random"),
        *("strategy.options.size=16", "trainer.max_epochs=1", "learner.restart=finetune", "learner.initial_epochs=4"),
    )
    found = check_masks(folder.path, folds=2, top=46)
    assert found.epochs == 4, "a learner that would go on from one that knows all labels begins anew"
    pool, data = found.labels.pool, found.labels.dataset
    partial = {data.ids[row]: pool.revealed(row) for row in pool.partial.tolist()}
    assert partial
    for name, revealed in partial.items():
        assert ((found.seen[name].label == 255) == ~revealed).all()
    before = {one.id: one.score for one in found.judged}
    for name, revealed in partial.items():
        file = Path(next(one.label for one in found.judged if one.id == name))
        with Image.open(file) as mask:
            pixels = np.array(mask)
        Image.fromarray(np.where(revealed, pixels, 255 - pixels)).save(file)
    after = {one.id: one.score for one in check_masks(folder.path, folds=2, top=1).judged}
    assert after == before


def test_depth(tmp_path) -> None:
    rng = np.random.default_rng(0)
    for part in ("images", "depth"):
        (tmp_path / "set" / part).mkdir(parents=True)
    for number in range(30):
        ramp = np.linspace(40, 200, 32)[None].repeat(32, 0) * rng.uniform(0.6, 1.1)
        if rng.random() < 0.5:
            ramp = ramp.T
        grey = (255 - ramp)[..., None].repeat(3, 2) + rng.normal(0, 4, (32, 32, 3))
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(tmp_path / f"set/images/{number:02d}.png")
        depth = ramp[::-1, ::-1] if number in (4, 11) else ramp
        np.save(tmp_path / f"set/depth/{number:02d}.npy", (depth / 10).astype(np.float32))
    words = [
        *("name=depth", "dataset.name=folder", f"dataset.options.root={tmp_path / 'set'}", f"runs_dir={tmp_path}"),
        *("dataset.options.task=depth", "dataset.options.unit=cm", "dataset.options.size=32"),
        *("learner.name=unet", "learner.options.widths=[8,16]", "learner.options.lr=0.01", "strategy.name=random"),
        *("budget.initial=12", "budget.per_stage=1", "budget.stages=1", "trainer.max_epochs=15"),
        *("trainer.accelerator=cpu", "logging.wandb.mode=disabled", "trainer.enable_progress_bar=false"),
    ]
    folder = run(load([], words), Console(quiet=True))
    found = check_masks(folder.path, folds=3, top=4)
    wrong = {"04", "11"} & {one.id for one in found.judged}
    assert wrong
    assert {one.id for one in found.judged[: len(wrong)]} == wrong
    assert found.judged[0].score < 0.3
    assert 0.45 < np.median([one.score for one in found.judged]) < 0.55
    out = tmp_path / "out"
    assert main(["check", "--run", str(folder.path), "--folds", "3", "-o", str(out), "trainer.max_epochs=1"]) == 0
    assert list(table(out / "masks.csv")[0])[3:] == ["score", "rmse_cm", "fold", "depth"]


def test_labels_of_people_are_checked_while_the_run_waits(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    write_discs(Path("set"))
    shutil.move("set/masks", "truth")
    Path("set/list.csv").unlink()
    words = [
        *("name=people", "dataset.name=folder", "dataset.options.root=set", "dataset.options.targets=none"),
        *("dataset.options.size=32", "oracle.name=folder", "strategy.name=random", "learner.name=unet"),
        *("learner.options.widths=[8,16]", "learner.options.lr=0.01", "budget.initial=24", "budget.per_stage=3"),
        *("budget.stages=2", "budget.validation=4", "budget.test=5", "trainer.max_epochs=12", "loader.batch_size=4"),
        *("trainer.accelerator=cpu", "logging.wandb.mode=disabled", "trainer.enable_progress_bar=false"),
    ]
    quiet, folder = Console(quiet=True), Path("runs/people/random/seed-0")
    with pytest.raises(Waiting):
        run(load([], words), quiet)
    assert main(["check", "--run", str(folder)]) == 2
    assert "no stage of this run is trained yet" in capsys.readouterr().err
    asked = table(folder / "queries/stage-000/queries.csv")
    for line in asked:
        shutil.copy(f"truth/{line['id']}.png", folder / "annotations")
    wrong = next(line["id"] for line in asked if line["source"].startswith("initial"))
    with Image.open(f"truth/{wrong}.png") as mask:
        Image.fromarray(255 - np.asarray(mask)).save(folder / "annotations" / f"{wrong}.png")
    with pytest.raises(Waiting):
        resume(folder, quiet)
    assert "pool" not in json.loads((folder / "state/stage-000.json").read_text())
    before = contents(folder)
    assert main(["check", "--run", str(folder), "--folds", "3", "-o", "out"]) == 0
    assert contents(folder) == before
    assert (
        "save it again in runs/people/random/seed-0/annotations under the name of its image" in capsys.readouterr().out
    )
    lines = table(Path("out/masks.csv"))
    assert len(lines) == 33
    assert lines[0]["id"] == wrong
    assert Path(lines[0]["mask"]) == Path("runs/people/random/seed-0/annotations") / f"{wrong}.png"
    # saved again, it is used from the next stage on, and agrees
    shutil.copy(f"truth/{wrong}.png", lines[0]["mask"])
    for line in table(folder / "queries/stage-001/queries.csv"):
        shutil.copy(f"truth/{line['id']}.png", folder / "annotations")
    resume(folder, quiet)
    again = check_masks(folder, folds=3)
    assert len(again.judged) == 36
    assert next(one.score for one in again.judged if one.id == wrong) > 3 * float(lines[0]["score"])


def test_mistakes_are_one_line(spoiled: Path, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    gone = tmp_path / "gone" / "runs" / "discs" / "random" / "seed-0"
    shutil.copytree(spoiled, gone)
    text = (gone / "config.yaml").read_text()
    cases = [
        (["--run", "empty"], "empty: holds no config.yaml"),
        (["--run", str(spoiled.parents[1])], "holds no config.yaml"),
        (["--run", str(spoiled), "--folds", "19"], "folds=19: the run has 36 labelled images in 18 groups"),
        (["--run", str(spoiled), "--folds", "1"], "folds=1: expected at least 2"),
        (["--run", str(spoiled), "--top", "0"], "top=0: expected at least 1"),
        (["--run", str(spoiled), "--stage", "3"], "stage=3"),
        (["--run", str(spoiled), "demo"], "'demo': --run"),
        (["--run", str(spoiled), "learner.name=pix2pix"], "only trainer.* and loader.* may differ"),
        (["--run", str(spoiled), "trainer.max_epoch=2"], "trainer.max_epoch"),
        (["demo", "--folds", "3"], "--folds: of the labels of a run"),
    ]
    (tmp_path / "file").touch()
    cases.append((["--run", str(spoiled), "-o", "file"], "--output file: is a file"))
    for words, match in cases:
        assert main(["check", *words]) == 2, words
        said = capsys.readouterr().err
        assert match in said
        assert said.count("\n") == 1
    for old, new, match in [
        ("name: unet", "name: mine.module:Gone", "mine.module:Gone"),
        (str(spoiled.parents[3] / "set"), str(tmp_path / "nowhere"), "nowhere"),
    ]:
        assert old in text
        (gone / "config.yaml").write_text(text.replace(old, new))
        assert main(["check", "--run", str(gone)]) == 2
        said = capsys.readouterr().err
        assert match in said
        assert said.count("\n") == 1
    assert not list(tmp_path.glob("audit*"))


def test_an_interruption_leaves_nothing(spoiled: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def stop(what: str, done: float) -> None:
        if done > 0.5:
            raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        check_masks(spoiled, ["trainer.max_epochs=2"], folds=2, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_the_default_folder_says_which_run_it_was(tmp_path) -> None:
    name = default_output(tmp_path / "runs/a b/mixture,gamma=0.3/seed-1").name
    assert name == "audit-a_b-mixture,gamma=0.3-seed-1"


def test_discs_are_what_they_seem() -> None:
    image, mask = disc(np.random.default_rng(0))
    assert image[mask].mean() > image[~mask].mean() + 80
