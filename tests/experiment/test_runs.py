"""One run from YAML to curve: what it leaves, and when it stops."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from experiment_runs import QUIET, run, without_times
from omegaconf import OmegaConf
from rich.console import Console

from al_lightning import experiment
from al_lightning.config import load


def test_a_run_leaves_rows_state_and_config(tiny, write_config):
    folder = run(write_config(tiny))
    assert folder.path.parts[-3:] == ("tiny", "ta-coreset", "seed-0")
    rows = folder.rows()
    assert [(row["stage"], row["labelled"]) for row in rows] == [(0, 4), (1, 7), (2, 10)]
    assert set(rows[0]) == {"stage", "labelled", "fraction", "steps", "cost", "val", "test", "seconds", "selected"}
    assert {"miou", "iou", "dice"} <= set(rows[0]["test"])
    assert set(rows[0]["seconds"]) == {"fit", "test", "score", "select"}
    cost = [row["cost"] for row in rows]
    assert [(c["images"], c["pixels"]) for c in cost] == [(n, n * 40 * 48) for n in (4, 7, 10)]
    assert 0 < cost[0]["clicks"] < cost[1]["clicks"] < cost[2]["clicks"]
    assert [len(row["selected"]) for row in rows] == [3, 3, 0]
    picked = [pick["id"] for row in rows for pick in row["selected"]]
    assert len(set(picked)) == 6
    assert all(pick["source"] == "k-center" and pick["score"] > 0 for pick in rows[0]["selected"])
    environment = json.loads(folder.environment.read_text())
    assert environment["dataset"]["overlap"] == {"by_id": 0, "by_thumbnail": 0}
    assert environment["dataset"]["removed_from_pool"] > 0
    pool = {"images": 18, "pixels": 18 * 40 * 48, "clicks": None}
    assert environment["cost"] == {"clicks": "contours", "terms": "vertices", "pool": pool}
    saved = OmegaConf.load(folder.config)
    assert saved.dataset.options.protocol == "clean"
    assert saved.learner.options.betas == [0.9, 0.999]
    assert not list(folder.path.rglob("last.ckpt"))


def test_a_run_stops_once_its_fraction_of_the_pixels_is_labelled(tiny, write_config):
    tiny["strategy"]["name"] = "random"
    path = write_config(tiny)
    folder = run(path, "budget.pixels=0.3", "budget.stages=4")  # 4, 7 and 10 of 18 images
    rows = folder.rows()
    assert [row["labelled"] for row in rows] == [4, 7]
    assert [len(row["selected"]) for row in rows] == [3, 0]
    assert without_times(rows[:1]) == without_times(run(path, "name=whole").rows()[:1])
    before = folder.stages.stat().st_mtime_ns
    again = experiment.resume(folder.path, QUIET)
    assert folder.stages.stat().st_mtime_ns == before
    assert len(again.rows()) == 2
    total = json.loads(folder.environment.read_text())["cost"]["pool"]["pixels"]
    assert [row["cost"]["pixels"] / total for row in rows] == [4 / 18, 7 / 18]


def test_augmentation_is_asked_for_in_the_yaml(tiny, write_config):
    path = write_config(tiny)
    plain, flipped = (
        run(path, "budget.stages=1", *extra).rows()[0] for extra in ([], ["learner.augment=flips", "name=f"])
    )
    assert plain["val"] != flipped["val"]


def test_patience_stops_a_stage_that_no_longer_gets_better(tiny, write_config):
    tiny["strategy"]["name"] = "full"
    tiny["learner"]["options"]["lr"] = 1e-12
    tiny["learner"]["options"]["norm"] = False  # nothing changes from epoch to epoch
    tiny["trainer"]["max_epochs"] = 50
    tiny["logging"]["csv"] = True
    folder = run(write_config(tiny), "learner.patience=3")
    with next(folder.path.rglob("metrics.csv")).open(newline="") as file:
        epochs = {line["epoch"] for line in csv.DictReader(file) if line["epoch"]}
    assert epochs == {"0", "1", "2", "3"}


def test_the_same_seed_gives_the_same_rows_and_stage_0_is_shared(tiny, write_config):
    path = write_config(tiny)
    rows = without_times(run(path).rows())
    assert rows == without_times(run(path, "name=again").rows())
    other = run(path, "strategy.name=random").rows()
    assert other[0]["test"] == rows[0]["test"]
    assert run(path, "seed=1").rows()[0]["val"]["loss"] != rows[0]["val"]["loss"]


def test_finetune_starts_from_the_stage_before(tiny, write_config):
    tiny["learner"]["restart"] = "finetune"
    tiny["trainer"]["max_epochs"] = 1
    tiny["learner"]["options"]["lr"] = 1e-12
    tiny["strategy"]["name"] = "random"
    rows = run(write_config(tiny)).rows()
    # With steps of the optimiser that change no weight, only batch statistics can move between stages.
    assert rows[0]["val"]["loss"] != rows[1]["val"]["loss"]
    states = list(Path(tiny["runs_dir"]).rglob("best.ckpt"))
    import torch

    weights = [torch.load(p, weights_only=True)["state_dict"]["network.head.weight"] for p in sorted(states)]
    assert torch.allclose(weights[0], weights[2], atol=1e-6)


def test_full_supervision_is_one_stage_with_everything(tiny, write_config):
    path = write_config(tiny)
    folder = run(path, "strategy.name=full", "trainer.max_epochs=1")
    (row,) = folder.rows()
    assert (row["labelled"], row["fraction"], row["selected"]) == (18, 1.0, [])
    assert run(path, "strategy.name=full", "trainer.max_epochs=1").rows() == (row,)


def test_the_first_line_has_the_images_a_step_where_they_are_not_those_of_a_batch(tiny, write_config, tmp_path):
    path = write_config(tiny)
    for override, expected in (
        ("trainer.accumulate_grad_batches=3", "16 x 16 pixels, 12 images a step (4 images x 3 batches)"),
        ("trainer.accumulate_grad_batches=1", "16 x 16 pixels"),
    ):
        with (tmp_path / "output").open("w") as output:
            overrides = [override, "budget.stages=1", f"name=n{override[-1]}"]
            experiment.run(load([path], overrides), Console(file=output))
        assert (tmp_path / "output").read_text().splitlines()[0].endswith(expected)


def test_a_discrepancy_trains_on_where_no_image_is_unlabelled(tiny, write_config):
    tiny["learner"]["options"]["discrepancy"] = 0.1
    tiny["budget"] = {"initial": 15, "per_stage": 3, "stages": 2}
    assert [row["labelled"] for row in run(write_config(tiny), "strategy.name=random").rows()] == [15, 18]
