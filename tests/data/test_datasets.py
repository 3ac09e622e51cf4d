"""Every dataset of the table: a new one is tested here by its line in `DATASETS` and a tree of its files in `TREES`."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from dataset_trees import TREES, save, split_ids

from al_lightning.config.options import options_of
from al_lightning.data import DATASETS
from al_lightning.data.dataset import SPLITS, DataError, DenseDataset
from al_lightning.data.info import INFO_OF

NAMES = DATASETS.builtin()
PUBLISHED = [name for name, tree in TREES.items() if tree.needed is not None]

Build = Callable[[str], DenseDataset]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """name -> that dataset on its tree."""

    @cache
    def build(name: str) -> DenseDataset:
        root = tmp_path_factory.mktemp(name) / "set"
        TREES[name].write(root)
        return DATASETS[name](str(root), **TREES[name].options)

    return build


def test_each_dataset_has_a_tree():
    assert set(TREES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_built_with_disjoint_splits_and_unique_ids(name, build):
    data = build(name)
    assert data.name == name
    assert all(split_ids(data))
    assert all(path.is_file() for path in data.images)
    assert all(path is None or path.is_file() for path in data.targets)


@pytest.mark.parametrize("name", NAMES)
def test_images_and_targets_are_read_in_one_size_and_in_the_range_of_the_task(name, build):
    data = build(name)
    for split in SPLITS:
        row = int(getattr(data, split)[0])
        image, target = data.read_image(row), data.read_target(row)
        assert image.dtype == np.uint8
        assert image.shape == (*target.shape, 3)
        if data.task.kind == "depth":
            assert target.dtype == np.float32
            assert 0 <= target.min() <= target.max() <= data.task.maximum
        else:
            assert target.dtype == np.uint8
            assert set(np.unique(target).tolist()) <= {*range(len(data.task.classes)), 255}


@pytest.mark.parametrize("name", NAMES)
def test_its_plot_shows_image_and_target_and_names_what_the_colours_mean(name, build):
    data = build(name)
    row = int(data.test[-1])
    figure = data.plot(row, width=6)
    assert figure.get_suptitle() == data.ids[row]
    assert figure.get_figwidth() == 6
    left, right = figure.axes[:2]
    assert (left.get_title(), right.get_title()) == ("image", "target")
    assert np.array_equal(left.images[0].get_array(), data.read_image(row))
    if data.task.kind == "depth":
        assert np.array_equal(right.images[0].get_array(), data.read_target(row))
        assert [axes.get_ylabel() for axes in figure.axes[2:]] == ["depth in cm"]
    else:
        named = [text.get_text() for text in right.get_legend().get_texts()]
        assert tuple(named[: len(data.task.classes)]) == data.task.classes
        assert named[len(data.task.classes) :] == (["void"] if (data.read_target(row) == 255).any() else [])
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    assert picture.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NAMES)
def test_its_source_licence_citation_and_layout_are_known(name):
    info = INFO_OF[name]
    assert [field for field, text in vars(info).items() if not text.strip()] == []
    if TREES[name].needed is not None:
        assert info.source.startswith("http")


def test_the_documented_table_is_that_of_the_datasets():
    assert tuple(INFO_OF) == NAMES
    assert len({info.title for info in INFO_OF.values()}) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_of_a_type_that_the_configuration_knows_and_is_documented(name):
    options = options_of("dataset", DATASETS, name, {})
    assert {"root", "size", "evaluate_at"} <= set(options)
    text = inspect.getdoc(DATASETS[name])
    assert [option for option in options if f"    {option} (" not in text] == [], "described as `option (type): ...`"
    assert text.count("Default") >= len(options)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_missing_or_wrong_is_named_with_a_remedy(name, tmp_path):
    write, options, needed = TREES[name]
    load = DATASETS[name]
    with pytest.raises(FileNotFoundError) as info:
        load(str(tmp_path / "nowhere"))
    for text in (str(tmp_path / "nowhere"), "dataset.options.root", "dataset.name=synthetic", "http"):
        assert text in str(info.value)
    root: Path = tmp_path / "set"
    write(root)
    data, again = (load(str(root), **options) for _ in range(2))
    assert all(np.array_equal(getattr(data, split), getattr(again, split)) for split in SPLITS)

    # A target of another size is found when it is read.
    row = int(data.test[0])
    content = data.targets[row].read_bytes()
    save(data.targets[row], np.zeros((7, 8), dtype=np.uint8))
    with pytest.raises(DataError, match=r"the target is 8 x 7 pixels but its image .* is 8 x 6"):
        data.read_target(row)
    data.targets[row].write_bytes(content)

    # A target that is no image is named.
    data.targets[row].write_bytes(content[:20])
    with pytest.raises(DataError, match=data.targets[row].name.replace(".", r"\.")):
        data.read_target(row)

    # An image without target; clinicdb reads the headers of TIFFs.
    data.targets[row].unlink()
    with pytest.raises(DataError, match="add") as info:
        load(str(root), **options)
    stem = data.targets[row].stem
    assert stem in str(info.value) or data.images[row].name in str(info.value)
    data.targets[row].write_bytes(content)

    # An empty folder.
    for image in (root / needed).rglob("*.*"):
        if image.is_file():
            image.unlink()
    for listing in root.glob("val.txt"):
        listing.unlink()
    with pytest.raises(DataError, match="holds no image") as info:
        load(str(root), **options)
    assert str(root / needed) in str(info.value)
