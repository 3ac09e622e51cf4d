"""A kind of region that is no box: pool, cost and cache know its window and its pixels alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from region_parts import IDS, ROWS, SIZE, new_pool

from al_lightning.core.region import REGIONS, Box, Region, area, cover, region_of
from al_lightning.cost.annotation import AnnotationCost, native_area
from al_lightning.types import Query


@dataclass(frozen=True)
class Diamond(Region):
    """|y − row| + |x − column| ≤ radius."""

    row: int
    column: int
    radius: int
    kind: ClassVar[str] = "diamond"

    @property
    def window(self):
        r = self.radius
        return slice(self.row - r, self.row + r + 1), slice(self.column - r, self.column + r + 1)

    @property
    def pixels(self):
        y, x = np.mgrid[-self.radius : self.radius + 1, -self.radius : self.radius + 1]
        return abs(y) + abs(x) <= self.radius

    def check(self, image):
        y, x = self.window
        if y.start < 0 or x.start < 0 or y.stop > image[0] or x.stop > image[1]:
            raise ValueError(f"diamond {self.to_json()} is not inside {image}")

    def to_json(self):
        return [self.row, self.column, self.radius]

    @classmethod
    def from_json(cls, values):
        return cls(*values)


def ask(pool, row, *regions, stage=1):
    pool.commit(Query.of(np.full(len(regions), row), "x", regions=regions), stage)


def test_the_pool_counts_its_pixels_with_those_of_boxes():
    pool = new_pool()
    ask(pool, 8, Diamond(10, 10, 3), Box(10, 10, 4, 4))
    expected = np.zeros(SIZE, dtype=bool)
    for y, x in np.ndindex(SIZE):
        expected[y, x] = abs(y - 10) + abs(x - 10) <= 3 or (10 <= y < 14 and 10 <= x < 14)
    assert np.array_equal(pool.revealed(8), expected)
    assert pool.overspent_pixels == expected.sum() == area(pool.regions(8), SIZE)
    with pytest.raises(ValueError, match=r"region \[10, 10, 2\] of id8 is revealed already"):
        ask(pool, 8, Diamond(10, 10, 2), stage=2)
    with pytest.raises(ValueError, match=r"id8: diamond \[1, 1, 3\] is not inside"):
        ask(pool, 8, Diamond(1, 1, 3), stage=2)


def test_state_survives_json():
    pool = new_pool()
    ask(pool, 4, Diamond(10, 20, 5), Box(0, 0, 2, 2))
    state = json.loads(json.dumps(pool.state()))
    assert [sorted(set(entry) & {"box", "diamond"}) for entry in state] == [["diamond"], ["box"]]
    again = new_pool()
    again.restore(state)
    assert again.labels == pool.labels
    assert np.array_equal(again.revealed(4), pool.revealed(4))
    assert region_of({"id": "a"}) is None


@pytest.mark.parametrize("native", [(32, 48), (75, 100), (20, 30)])
def test_native_pixels_are_counted_by_their_centres(native):
    regions = [Diamond(10, 10, 4), Diamond(20, 30, 6), Box(8, 8, 9, 3)]
    mask = cover(regions, SIZE)
    inside = sum(
        bool(mask[int((y + 0.5) * SIZE[0] / native[0]), int((x + 0.5) * SIZE[1] / native[1])])
        for y, x in np.ndindex(native)
    )
    assert native_area(regions, SIZE, native) == inside


@pytest.mark.parametrize("terms", ["vertices", "sum"])
def test_its_clicks_are_those_of_its_pixels(regional_data, terms):
    pool, costs = regional_data.pool, AnnotationCost(regional_data.cache, terms)
    row = int(pool.rows[0])
    ask(pool, row, Diamond(8, 8, 7))
    few = costs.cost(pool)
    assert few["images"] == 1
    assert 0 < few["pixels"] < 40 * 48
    ask(pool, row, Box(0, 0, *pool.size), stage=2)
    whole = AnnotationCost(regional_data.cache, terms).cost(pool)
    assert costs.cost(pool) == whole
    assert whole["pixels"] == 40 * 48
    assert whole["clicks"] >= few["clicks"]


def test_rows_of_other_images_are_not_touched():
    pool = new_pool()
    ask(pool, 9, Diamond(16, 24, 10))
    assert pool.partial.tolist() == [9]
    assert all(not pool.revealed(row).any() for row in ROWS if row != 9)
    assert pool.ids == tuple(IDS)


def test_kinds_add_themselves_and_two_of_one_name_are_refused():
    assert {"box": Box, "diamond": Diamond}.items() <= REGIONS.items()
    with pytest.raises(ValueError, match="kind='diamond': Diamond is of this kind already"):

        class Other(Diamond):
            pass
