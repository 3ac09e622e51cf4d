"""The built-in set through the loaders that read it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from al_lightning.data import Cache
from al_lightning.data.datasets.synthetic import synthetic

SMALL = {"size": 24, "render_size": 24, "pool": 24, "validation": 8, "test": 8}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("synthetic")
    synthetic(str(path), **SMALL)
    return str(path)


def test_masks_are_read_through_the_kvasir_layout_and_split_by_sequence(root):
    dataset = synthetic(root, **SMALL)
    assert (len(dataset.pool), len(dataset.validation), len(dataset.test)) == (24, 8, 8)
    sequences = [{dataset.ids[row].removeprefix("test/")[:4] for row in rows} for rows in _splits(dataset)]
    assert not sequences[0] & sequences[1]
    assert not sequences[0] & sequences[2]
    assert dataset.read_target(int(dataset.pool[0])).dtype == np.uint8


def test_depth_is_the_same_frames_in_cm_with_the_same_split(root):
    masks, depth = synthetic(root, **SMALL), synthetic(root, task="depth", **SMALL)
    assert depth.task.kind == "depth"
    assert [len(rows) for rows in _splits(depth)] == [24, 8, 8]
    target = depth.read_target(int(depth.pool[0]))
    assert target.dtype == np.float32
    assert 0 <= target.min() < target.max() <= 20
    a, b = Cache(masks).images(masks.pool), Cache(depth).images(depth.pool)
    # The frames are JPEG in one layout and PNG in the other.
    difference = np.abs(a[:, None].astype(int) - b[None].astype(int)).mean((2, 3, 4))
    assert sorted(difference.argmin(1).tolist()) == list(range(24))
    assert difference.min(1).max() < 12


def test_it_is_rendered_once(root, monkeypatch):
    monkeypatch.setattr(sys.modules["al_lightning.data.datasets.synthetic"], "render_dataset", None)
    synthetic(root, **SMALL)


def _splits(dataset):
    return dataset.pool, dataset.validation, dataset.test
