"""AnnotationCost's three-term sum against plain loops over the pixels of the images."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click_loops import mask_cost_by_loop, scene
from dataset_trees import grey, save
from region_parts import regions_of

from al_lightning.core.pool import LabelPool
from al_lightning.core.query import Query
from al_lightning.core.region import Box, array_of
from al_lightning.core.task import IGNORE, Task
from al_lightning.cost.annotation import AnnotationCost
from al_lightning.cost.clicks import contour_clicks
from al_lightning.data import Cache
from al_lightning.data.dataset import DenseDataset
from al_lightning.data.reading import index_map

GRID = (16, 24)
BOXES = [(2, 3, 8, 9), (0, 0, 16, 5), (5, 8, 9, 12), (4, 2, 7, 20), (15, 0, 1, 24), (0, 23, 9, 1), (1, 6, 1, 5)]
"""Regions that overlap: the new parts of most are ragged. In a grid finer than the image the last holds no pixel."""


def maps_of(native: tuple[int, int]) -> list[np.ndarray]:
    """Class maps with void: blobs, noise, blobs; then one of void alone."""
    return [scene(seed, native, smooth=smooth) for seed, smooth in ((0, 3), (1, 0), (2, 1))] + [
        np.full(native, IGNORE, dtype=np.uint8)
    ]


def dataset_of(root: Path, maps: list[np.ndarray], grid: tuple[int, int] = GRID) -> DenseDataset:
    """The maps are rows 0, 1, ... of the pool; one row more is validation and test."""
    names = [f"i{row}" for row in range(len(maps) + 1)]
    images = [save(root / "images" / f"{name}.png", grey(9, maps[0].shape)) for name in names]
    targets = [save(root / "masks" / f"{name}.png", m) for name, m in zip(names, [*maps, maps[0]], strict=True)]
    last = np.array([len(maps)])
    task = Task("segmentation", ("a", "b", "c"))
    return DenseDataset(
        "x", task, tuple(names), tuple(images), tuple(targets), np.arange(len(maps)), last, last, grid, index_map
    )


def new_pool(dataset: DenseDataset) -> LabelPool:
    return LabelPool(dataset.pool, dataset.ids, dataset.size)


def ask(pool: LabelPool, row: int, *boxes: tuple[int, int, int, int], stage: int = 1, file: Path | None = None) -> None:
    """Boxes of zeros stand for the whole image."""
    query = Query.of(np.full(len(boxes), row), "x", regions=regions_of(*boxes))
    pool.commit(query, stage, {row: str(file)} if file else None)


def by_loop(pool: LabelPool, dataset: DenseDataset) -> tuple[int, int]:
    """Native pixels of the union of regions, and Σ c(new part) over labels in the order of commits."""
    known: set[tuple[int, int, int]] = set()
    clicks = 0
    for label in pool.labels:
        target = index_map(Path(label.target) if label.target else dataset.targets[label.row])
        top, left, height, width = array_of([label.region or Box(0, 0, *dataset.size)])[0].tolist()
        mask = np.zeros(target.shape, dtype=bool)
        for y, x in np.ndindex(target.shape):
            row = int((y + 0.5) * dataset.size[0] / target.shape[0])
            column = int((x + 0.5) * dataset.size[1] / target.shape[1])
            hit = top <= row < top + height and left <= column < left + width
            if hit and (label.row, y, x) not in known:
                mask[y, x] = True
                known.add((label.row, y, x))
        clicks += mask_cost_by_loop(mask, contour_clicks(target).points, target)
    return len(known), clicks


@pytest.fixture
def dataset(tmp_path):
    return dataset_of(tmp_path, maps_of((20, 25)))


def opened(costs: AnnotationCost) -> list[int]:
    """Rows whose targets `costs` opens from now on."""
    rows: list[int] = []
    read = costs.dataset.read_target

    class Watched(DenseDataset):
        def read_target(self, row, file=None):
            rows.append(row)
            return read(row, file)

    costs.dataset = Watched(**vars(costs.dataset))
    return rows


@pytest.mark.parametrize("native", [(16, 24), (37, 50), (11, 13)], ids=["as it is", "coarser grid", "finer grid"])
def test_the_sum_is_of_new_parts_in_the_order_of_commits(tmp_path, native):
    dataset = dataset_of(tmp_path, maps_of(native))
    cache, pool = Cache(dataset, "none"), new_pool(dataset)
    costs = AnnotationCost(cache, "sum")
    assert costs.cost(pool) == {"images": 0, "pixels": 0, "clicks": 0}
    pool.commit(Query.of(np.array([2]), "initial"), 0)
    spent = [costs.cost(pool)["clicks"]]
    for stage, (first, second) in enumerate(zip(BOXES, BOXES[::-1], strict=True), 1):
        query = Query.of(np.array([0, 1, 3]), "x", regions=regions_of(first, second, first))
        pool.commit(query, stage)
        cost = costs.cost(pool)
        assert (cost["pixels"], cost["clicks"]) == by_loop(pool, dataset)
        assert type(cost["clicks"]) is int
        spent.append(cost["clicks"])
    ask(pool, 0, (0, 0, 0, 0), stage=9)  # what is left of an image is ragged, and in several pieces
    spent.append(costs.cost(pool)["clicks"])
    assert spent[-1] == by_loop(pool, dataset)[1]
    assert all(after > before for before, after in pairwise(spent))
    # Neither counting at once nor reading the state back from JSON makes a difference.
    assert AnnotationCost(cache, "sum").cost(pool) == costs.cost(pool)
    again = new_pool(dataset)
    again.restore(json.loads(json.dumps(pool.state())))
    assert AnnotationCost(cache, "sum").cost(again) == costs.cost(again) == costs.cost(pool)


def test_another_order_is_another_sum(dataset):
    sums = []
    for boxes in (BOXES, BOXES[::-1]):
        pool = new_pool(dataset)
        ask(pool, 0, *boxes)
        sums.append(AnnotationCost(Cache(dataset, "none"), "sum").cost(pool)["clicks"])
        assert sums[-1] == by_loop(pool, dataset)[1]
    assert sums[0] != sums[1]


def test_old_labels_are_not_counted_again_and_changed_ones_are(dataset):
    costs, pool = AnnotationCost(Cache(dataset, "none"), "sum"), new_pool(dataset)
    rows = opened(costs)
    ask(pool, 0, *BOXES[:2])
    ask(pool, 1, BOXES[0])
    before, state = costs.cost(pool), pool.state()
    assert sorted(rows) == [0, 1]
    assert costs.cost(pool) == before
    ask(pool, 1, BOXES[2], stage=2)
    after = costs.cost(pool)
    assert sorted(rows) == [0, 1, 1]
    assert after["clicks"] > before["clicks"]
    # An earlier state, and then other labels in place of the later ones.
    pool.restore(state)
    assert costs.cost(pool) == before
    ask(pool, 1, BOXES[3], stage=2)
    assert costs.cost(pool)["clicks"] == by_loop(pool, dataset)[1]
    other = new_pool(dataset)
    ask(other, 0, *BOXES[1::-1])
    assert costs.cost(other)["clicks"] == by_loop(other, dataset)[1]


def test_all_images_cost_the_total_and_regions_can_cost_more(dataset):
    costs, images, regions = AnnotationCost(Cache(dataset, "none"), "sum"), new_pool(dataset), new_pool(dataset)
    images.commit(Query.of(images.rows, "full"), 0)
    assert costs.cost(images) == costs.total()
    assert costs.total()["clicks"] == by_loop(images, dataset)[1]
    quarters = [(y, x, 8, 12) for y in (0, 8) for x in (0, 12)]
    for row in (0, 1, 2):
        ask(regions, row, *quarters)
    assert regions.labelled.tolist() == [0, 1, 2]
    assert costs.cost(regions)["clicks"] > costs.total()["clicks"]
    # A pool without a grid has whole images.
    plain = LabelPool(dataset.pool, dataset.ids)
    plain.commit(Query.of(images.rows, "full"), 0)
    assert costs.cost(plain) == costs.total()


def test_void_costs_nothing(dataset):
    costs, pool = AnnotationCost(Cache(dataset, "none"), "sum"), new_pool(dataset)
    ask(pool, 3, *BOXES[:3])
    cost = costs.cost(pool)
    assert cost["clicks"] == 0
    assert cost["pixels"] > 0


def test_vertices_are_those_of_polygons_and_classes_those_of_the_map(tmp_path):
    target = np.zeros((32, 48), dtype=np.uint8)
    target[:, 20:] = 1
    ring = [[20, 0], [47, 0], [47, 31], [20, 31], [20, 15], [21.9, 15]]
    content = {"imgHeight": 32, "imgWidth": 48, "objects": [{"label": "b", "polygon": ring}]}
    dataset = dataset_of(tmp_path, [target])
    for path in dataset.targets:
        path.with_suffix(".json").write_text(json.dumps(content))
    dataset = replace(dataset, polygons=lambda path: path.with_suffix(".json"))
    costs, pool = AnnotationCost(Cache(dataset, "none"), "sum"), new_pool(dataset)
    assert costs.kind == "polygons"
    assert costs.total()["clicks"] == 6 + 2 + 2
    # Native columns 14 to 29 and rows 10 to 19: both vertices at row 15 lie inside.
    ask(pool, 0, (5, 7, 5, 8))
    assert costs.cost(pool)["clicks"] == 2 + 2 + 2
    # Columns 20 to 47 beside it: the vertex (20, 15) lies in the known part, (47, 0) and (47, 31) where the image ends.
    ask(pool, 0, (0, 15, 16, 9), stage=2)
    assert costs.cost(pool)["clicks"] == 6 + (2 + 0 + 1)
    # An oracle's file has no polygons: its outlines are traced.
    answer = np.zeros((32, 48), dtype=np.uint8)
    answer[22:28, 2:8] = 2
    file = save(tmp_path / "answer.png", answer)
    ask(pool, 0, (0, 0, 0, 0), stage=3, file=file)
    assert costs.cost(pool)["clicks"] == 6 + 3 + (2 + 4 + 2)  # corners of the image and of a square, two classes


def test_a_label_is_counted_in_the_file_that_the_oracle_gave_for_it(dataset, tmp_path):
    costs, pool = AnnotationCost(Cache(dataset, "none"), "sum"), new_pool(dataset)
    first, second = (save(tmp_path / f"{seed}.png", scene(seed, (20, 25), smooth=1)) for seed in (7, 8))
    spent = []
    for stage, file in enumerate((None, first, second), 1):
        ask(pool, 0, BOXES[stage - 1], stage=stage, file=file)
        spent.append(costs.cost(pool)["clicks"])
        assert spent[-1] == by_loop(pool, dataset)[1]
    assert spent == sorted(spent)
    assert AnnotationCost(costs.cache, "sum").cost(pool)["clicks"] == spent[-1]
    without = new_pool(dataset)
    ask(without, 0, *BOXES[:3])
    assert costs.cost(without)["clicks"] != spent[-1]


def test_a_density_learns_from_vertices_whatever_the_terms(dataset):
    vertices, total = (AnnotationCost(Cache(dataset, "none"), terms) for terms in ("vertices", "sum"))
    pool = new_pool(dataset)
    ask(pool, 0, *BOXES[:2])
    found = total.clicks(pool, 0)
    assert np.array_equal(found, vertices.clicks(pool, 0))
    assert vertices.cost(pool)["clicks"] == len(found) > 0
    assert total.cost(pool)["clicks"] != len(found)
    assert total.kind == vertices.kind == "contours"


def test_depth_has_no_clicks(dataset):
    depth = replace(dataset, task=Task("depth"))
    costs, pool = AnnotationCost(Cache(depth, "none"), "sum"), LabelPool(depth.pool, depth.ids)
    pool.commit(Query.of(np.array([1]), "x"), 0)
    assert costs.kind is None
    assert costs.cost(pool) == {"images": 1, "pixels": 20 * 25, "clicks": None}
    assert costs.total()["clicks"] is None


def test_unknown_terms_are_refused(dataset):
    with pytest.raises(ValueError, match="click terms='both': expected vertices or sum"):
        AnnotationCost(Cache(dataset, "none"), "both")
