"""Every shipped experiment loads, and runs two tiny stages on a tiny set."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from al_lightning import experiment
from al_lightning.config import catalogue, load

SMALL = {
    "unet": "widths=[4,8]",
    "suggestive-fcn": "multiplier=0.03",
    "fcn8s": "multiplier=0.03",
    "segnet": "multiplier=0.05",
    "drn-d-22": "multiplier=0.05",
    "pix2pix": "multiplier=0.03",
    "deeplabv3plus": "encoder=mobilenet_v2",
}
"""Learner -> the option that makes it small."""

QUICK = {
    "vaal": ["multiplier=0.05", "iterations=2", "size=32"],
    "unc-pca-hash": ["size=32"],
    "cereals": ["size=16", "cost_iterations=2", "cost_multiplier=0.03"],
    "region-entropy": ["size=16"],
    "region-random": ["size=16"],
}
"""Strategy -> options that make it quick."""


def is_depth(config) -> bool:
    return config.dataset.name == "colonoscopy-depth" or config.dataset.options.get("task") == "depth"


def polyp_set(root: Path) -> list[str]:
    options = {"root": root, "size": 32, "validation": 4}
    return ["dataset.name=kvasir", *[f"dataset.options.{key}={value}" for key, value in options.items()]]


def depth_set(root: Path) -> list[str]:
    options = {"root": root, "size": 32, "render_size": 32, "pool": 24, "validation": 8, "test": 8, "task": "depth"}
    return ["dataset.name=synthetic", *[f"dataset.options.{key}={value}" for key, value in options.items()]]


@pytest.fixture(scope="session")
def depth_root(tmp_path_factory):
    return tmp_path_factory.mktemp("depth")


@pytest.mark.parametrize("name", catalogue.names())
def test_every_experiment_runs_two_stages(name, kvasir_root, depth_root, tmp_path):
    full = load([name])
    overrides = [
        f"runs_dir={tmp_path}",
        *(depth_set(depth_root) if is_depth(full) else polyp_set(kvasir_root)),
        "budget.initial=5",
        "budget.per_stage=4",
        "budget.stages=2",
        "trainer.max_epochs=1",
        "trainer.max_steps=-1",
        "trainer.accelerator=cpu",
        "trainer.enable_progress_bar=false",
        "loader.batch_size=4",
        "loader.workers=0",
        "logging.wandb.mode=disabled",
        f"learner.options.{SMALL[full.learner.name]}",
        f"learner.mc_passes={min(full.learner.mc_passes, 2)}",
        f"learner.committee.members={min(full.learner.committee.members, 2)}",
        *[f"strategy.options.{item}" for item in QUICK.get(full.strategy.name, [])],
    ]
    if full.learner.initial_epochs is not None:
        overrides.append("learner.initial_epochs=1")
    if full.strategy.name == "ceal-melanoma":
        overrides.append("budget.per_stage=7")
    folder = experiment.run(load([name], overrides), Console(quiet=True))
    if full.strategy.name == "full":
        assert [row["fraction"] for row in folder.rows()] == [1.0]
        return
    first, second = folder.rows()
    labels = [pick for pick in first["selected"] if pick["source"] != "pseudo"]
    if any("box" in pick for pick in labels):
        assert len(labels) > second["labelled"] - first["labelled"] > 0
    else:
        assert len(labels) == second["labelled"] - first["labelled"] > 0


def test_a_file_says_what_it_is_for_and_its_variants_take_a_line_each():
    for path in catalogue.files():
        content, lines = catalogue.read(path), path.read_text().splitlines()
        assert lines[0].startswith("# "), path
        assert len(lines[0]) <= 60, f"{path}: the first line stands in `al-lightning experiments`"
        below = lines[lines.index("variants:") + 1 :] if content.variants else []
        assert len([line for line in below if not line.lstrip().startswith("#")]) == len(content.variants), path


def test_each_cereals_has_its_two_baselines_at_the_same_settings():
    for data in ("camvid", "cityscapes", "kvasir"):
        names = {f"{data}-cereals": "cereals", f"{data}-cereals-random": "region-random"}
        names[f"{data}-cereals-entropy"] = "region-entropy"
        configs = {name: load([name]) for name in names}
        assert [config.strategy.name for config in configs.values()] == list(names.values())
        assert {config.name for config in configs.values()} == {f"{data}-cereals"}
        assert all(config.learner.options["multiplier"] == 0.25 for config in configs.values())
        for size in (32, 64, 128, 256, 512):
            for name in names:
                load([name], [f"strategy.options.size={size}", f"name={data}-cereals-{size}"])


def test_kvasir_has_the_settings_of_the_paper():
    config = load(["kvasir-ta-coreset"])
    assert (config.budget.initial, config.budget.per_stage, config.budget.stages) == (100, 100, 6)
    assert (config.trainer["max_epochs"], config.loader.batch_size) == (100, 8)
    assert config.dataset.options == {"root": "data/Kvasir-SEG", "size": 256}
    full = experiment.complete(config)
    assert full.learner.options["betas"] == (0.9, 0.999)
    assert full.learner.options["lr"] == 2e-4
