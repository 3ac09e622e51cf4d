"""`al-lightning init` writes the loader of a published set for its layout."""

from __future__ import annotations

import dataset_trees as trees
import pytest
from init_sets import init

from al_lightning import experiment
from al_lightning.cli import main

PUBLISHED = {
    "kvasir": lambda root: trees.kvasir_tree(root / "K", 60, 6),
    "glas": lambda root: trees.glas_tree(root, {"train": 12, "testA": 3, "testB": 2}),
    "camvid": trees.camvid_tree,
    "clinicdb": trees.clinicdb_tree,
    "isic2017": lambda root: trees.isic_tree(root, {"Training": 8, "Validation": 2, "Test_v2": 3}),
    "cityscapes": lambda root: trees.cityscapes_tree(root, trees.CITIES, ("labelTrainIds",)),
    "bdd100k": lambda root: trees.bdd_tree(root, False, {"train": 8, "val": 3}),
    "colonoscopy-depth": lambda root: trees.depth_tree(root, {"T1": 8, "T2": 8, "T3": 8}),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_layout_gets_its_own_loader(name, tmp_path, capsys):
    root = PUBLISHED[name](tmp_path / "set")
    if name == "kvasir":
        root = tmp_path / "set" / "K"
    config = init(root, tmp_path / "mine.yaml")
    assert config.dataset.name == name
    assert config.dataset.options["root"] == str(root)
    assert f"a loader of its own, {name}" in capsys.readouterr().out
    experiment.prepare(experiment.complete(config))


@pytest.mark.parametrize(
    ("make", "name", "options"),
    [
        (lambda root: trees.glas_tree(root, {"train": 12, "testA": 3}), "glas", {"part": "A"}),
        (lambda root: trees.isic_tree(root, {"Training": 8, "Validation": 2}), "isic2017", {"protocol": "paper"}),
        (lambda root: trees.depth_tree(root, {"T2": 8}), "colonoscopy-depth", {"textures": ["T2"]}),
        (lambda root: trees.bdd_tree(root, True, {"train": 8, "val": 3}), "bdd100k", {}),
        (lambda root: trees.clinicdb_tree(root, 60), "folder", {}),
    ],
)
def test_what_lacks_a_part_of_a_published_set_says_so(make, name, options, tmp_path):
    config = init(make(tmp_path / "set"), tmp_path / "mine.yaml")
    found = {key: value for key, value in config.dataset.options.items() if key not in ("root", "size")}
    assert (config.dataset.name, found) == (name, options)


def test_the_folder_around_a_published_set_is_enough_and_around_several_is_not(tmp_path, capsys):
    trees.camvid_tree(tmp_path / "all" / "CamVid")
    config = init(tmp_path / "all", tmp_path / "mine.yaml")
    assert config.dataset.options["root"] == str(tmp_path / "all" / "CamVid")
    trees.glas_tree(tmp_path / "all" / "glas", {"train": 3, "testA": 3, "testB": 2})
    assert main(["init", str(tmp_path / "all"), "-o", str(tmp_path / "other.yaml")]) == 2
    assert "CamVid (camvid), glas (glas); name one" in capsys.readouterr().err
    assert not (tmp_path / "other.yaml").exists()


def test_the_sessile_folder_alone_is_read_and_points_to_the_whole_set(tmp_path, capsys):
    trees.kvasir_tree(tmp_path / "Kvasir-SEG", 24, 12)
    config = init(tmp_path / "sessile-main-Kvasir-SEG", tmp_path / "mine.yaml")
    assert config.dataset.name == "folder"
    assert f"al-lightning init {tmp_path / 'Kvasir-SEG'}" in capsys.readouterr().out
