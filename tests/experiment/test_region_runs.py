"""Whole runs that ask for regions."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from rich.console import Console

from al_lightning import experiment
from al_lightning.config import ConfigError, load
from al_lightning.cost.annotation import AnnotationCost
from al_lightning.learners.unet import unet
from al_lightning.loop import ActiveLearningLoop
from al_lightning.strategies import Cereals, RegionRandom, UncertaintySampling


def test_images_and_regions_mix_in_one_run_with_mc_passes_and_a_bare_trainer(regional_data):
    data = regional_data
    quiet = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    pool = data.pool
    torch.manual_seed(0)
    learner = unet(data.dataset.task, (16, 16), widths=[4, 8], dropout=0.5)
    learner.mc_passes = 3
    cereals = Cereals(size=6, step=2, uncertainty="vote-entropy", cost_iterations=2, cost_multiplier=1 / 16)
    images = [2]
    for stage, strategy in enumerate([cereals, UncertaintySampling("bvsb"), RegionRandom(6), cereals]):
        loop = ActiveLearningLoop(pool, strategy, per_stage=2, seed=0, cost=AnnotationCost(data.cache))
        loop.stage = stage
        if stage == 0:
            loop.start(2)
        trainer = pl.Trainer(max_epochs=1, callbacks=[loop], enable_checkpointing=False, **quiet)
        trainer.fit(learner, data)
        assert torch.isfinite(trainer.callback_metrics["train/loss"])
        before = {name: value.clone() for name, value in learner.state_dict().items() if "metrics" not in name}
        query = loop.acquire(trainer, learner, data)
        assert all(torch.equal(value, learner.state_dict()[name]) for name, value in before.items())
        assert (query.regions is None) == isinstance(strategy, UncertaintySampling)
        images.append(pool.labelled_equivalent)
    assert images[1] == 4
    assert images[2] <= 6  # an image of which regions were known already reveals less than an image
    assert images[4] - images[3] in (2, 3)
    assert len(pool.partial)
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in learner.parameters())


@pytest.fixture
def regional(tiny):
    tiny["strategy"] = {"name": "cereals", "options": {"size": 8, "cost_iterations": 2, "cost_multiplier": 0.0625}}
    return tiny


def run(path: Path, *overrides: str):
    return experiment.run(load([path], overrides), Console(quiet=True))


def test_a_run_with_regions_counts_and_says_what_it_asked_for(regional, write_config):
    folder = run(write_config(regional))
    rows = folder.rows()
    assert [row["labelled"] for row in rows] == [4, 7, 10]
    assert rows[0]["cost"]["images"] == 4
    for before, after in pairwise(rows):
        assert before["cost"]["clicks"] < after["cost"]["clicks"]
        pixels = after["cost"]["pixels"]
        # A pixel of the learner stands for 2.5 rows, hence 2 or 3.
        assert pixels == pytest.approx(after["labelled"] * 40 * 48, abs=40 * 48 / 4)
    assert len(rows[0]["selected"]) >= 12
    for pick in rows[0]["selected"]:
        assert set(pick) == {"id", "source", "score", "box"}
        assert pick["box"][2:] == [8, 8]
    cost = json.loads(folder.environment.read_text())["cost"]
    assert cost["clicks"] == "contours"
    assert cost["pool"]["pixels"] == 18 * 40 * 48
    assert cost["pool"]["clicks"] > rows[2]["cost"]["clicks"]


def test_a_run_mixes_images_and_regions_by_its_yaml_alone(regional, write_config):
    options = {"uncertain": {"name": "bvsb"}, "diverse": {"name": "region-entropy", "options": {"size": 8}}}
    regional["strategy"] = {"name": "mixture", "options": options | {"gamma": 0.4}}
    rows = run(write_config(regional)).rows()
    assert [row["labelled"] for row in rows][:2] == [4, 7]
    kinds = [(pick["source"], pick["box"] == [0, 0, 16, 16]) for pick in rows[0]["selected"]]
    assert kinds[0] == ("bvsb", True)
    assert set(kinds[1:]) == {("region-entropy", False)}
    assert rows[1]["cost"]["pixels"] > rows[0]["cost"]["pixels"]


def test_the_yaml_chooses_what_a_click_counts(regional, write_config):
    regional["strategy"] = {"name": "region-random", "options": {"size": 8}}
    path = write_config(regional)
    vertices, terms = run(path), run(path, "budget.clicks=sum", "name=sum")
    said = [json.loads(folder.environment.read_text())["cost"] for folder in (vertices, terms)]
    assert [cost["terms"] for cost in said] == ["vertices", "sum"]
    assert said[1]["pool"]["clicks"] > said[0]["pool"]["clicks"]
    for few, many in zip(vertices.rows(), terms.rows(), strict=True):
        assert many["selected"] == few["selected"]
        assert many["cost"]["clicks"] > few["cost"]["clicks"]


def test_a_stopped_run_goes_on_with_its_regions(regional, write_config):
    regional["strategy"] = {"name": "region-entropy", "options": {"size": 8}}
    path = write_config(regional)
    whole = run(path).rows()
    folder = run(path, "name=again")
    # As if killed after stage 1: its successor's state and row are not there yet.
    state = sorted((folder.path / "state").iterdir())
    state[-1].unlink()
    lines = (folder.path / "stages.jsonl").read_text().splitlines(keepends=True)
    (folder.path / "stages.jsonl").write_text("".join(lines[:2]))
    resumed = experiment.resume(folder.path, Console(quiet=True)).rows()
    strip = [{k: v for k, v in row.items() if k != "seconds"} for row in whole]
    assert [{k: v for k, v in row.items() if k != "seconds"} for row in resumed] == strip


def test_depth_refuses_regions(tiny, write_config, tmp_path):
    tiny["dataset"] = {
        "name": "synthetic",
        "options": {"root": str(tmp_path / "d"), "size": 32, "render_size": 32, "pool": 24, "validation": 8, "test": 8}
        | {"task": "depth"},
    }
    tiny["strategy"] = {"name": "region-random"}
    with pytest.raises(ConfigError, match="region-random: asks for regions, which a depth task"):
        run(write_config(tiny))


def test_images_of_several_sizes_in_one_run(regional, write_config, kvasir_root, tmp_path):
    """Boxes are in the learner's grid, costs at each image's own size."""
    root = tmp_path / "sizes" / "Kvasir-SEG"
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
        for i, file in enumerate(sorted((kvasir_root / part).iterdir())):
            with Image.open(file) as image:
                image.resize((48 + 5 * (i % 4), 40 + 7 * (i % 3))).save(root / part / file.name)
    (root.parent / "sessile-main-Kvasir-SEG").symlink_to(kvasir_root.parent / "sessile-main-Kvasir-SEG")
    regional["dataset"]["options"]["root"] = str(root)
    regional["strategy"] = {"name": "region-random", "options": {"size": 8}}
    rows = run(write_config(regional)).rows()
    assert [row["labelled"] for row in rows] == [4, 7, 10]
    assert rows[0]["cost"]["pixels"] < rows[1]["cost"]["pixels"] < rows[2]["cost"]["pixels"]
