"""The audit finds each spoilt file, and nothing in a clean set."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from audit_tree import SIZE, cut, draw, only
from PIL import Image

from al_lightning.audit.audit import audit
from al_lightning.core.task import Task
from al_lightning.data.reading import class_map, depth_map


def test_a_clean_set_has_no_finding(tree):
    told = []
    found = audit(tree.dataset(), lambda *step: told.append(step))
    assert found.findings == ()
    assert not found.leaks
    assert found.counts == {}
    assert found.splits == {"test": 3, "validation": 3, "pool": 8}
    nothing = {"name": 0, "file": 0, "pixels": 0, "picture": 0, "same": 0}
    assert found.overlap == {"validation": nothing, "pool": nothing}
    assert found.sizes["images"] == 14
    assert found.sizes["most_common"] == ["120 x 96", 14]
    assert found.sizes["aspect"] == [1.25, 1.25]
    assert ("reading", 14, 14) in told


def small_grey(path: Path) -> None:
    values = np.zeros(SIZE)
    values[20:25, 20:30] = 170  # 0.4 % of the image, but all of the object
    draw(path, values)


FILES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "truncated": ("image", cut),
    "unreadable": ("image", lambda path: path.write_text("no picture")),
    "missing": ("image", lambda path: path.unlink()),
    "constant image": ("image", lambda path: draw(path, np.full((*SIZE, 3), 90))),
    "mask truncated": ("mask", cut),
    "mask unreadable": ("mask", lambda path: path.write_bytes(b"")),
    "mask missing": ("mask", lambda path: path.unlink()),
    "mask size": ("mask", lambda path: draw(path, np.eye(100) * 255)),
    "mask empty": ("mask", lambda path: draw(path, np.zeros(SIZE))),
    "mask full": ("mask", lambda path: draw(path, np.full(SIZE, 255))),
    "mask grey": ("mask", lambda path: draw(path, np.linspace(0, 255, 96 * 120).reshape(SIZE))),
}
WARNINGS = ("constant image", "mask empty", "mask full", "mask grey")


@pytest.mark.parametrize("kind", FILES)
def test_a_spoilt_file_is_found_and_stops_nothing(tree, kind):
    what, spoil = FILES[kind]
    dataset = tree.dataset()
    path = (tree.image if what == "image" else tree.mask)("pool", "pool-q")
    spoil(path)
    found = audit(dataset)
    only(found, kind, "warning" if kind in WARNINGS else "error")
    assert found.findings[0].ids == ("pool/pool-q",)
    assert found.findings[0].paths == (str(path),)
    assert found.findings[0].splits == ("pool",)
    assert str(path) not in found.findings[0].detail
    assert not found.leaks


def test_a_small_grey_object_is_found_and_a_jpeg_mask_is_not(tree):
    small_grey(tree.mask("pool", "pool-q"))
    with Image.open(tree.mask("pool", "pool-k")) as mask:
        encoded = io.BytesIO()
        mask.resize((60, 48), Image.Resampling.BILINEAR).resize((120, 96)).save(encoded, "JPEG", quality=60)
    Image.open(encoded).save(tree.mask("pool", "pool-k"))
    found = audit(tree.dataset())
    only(found, "mask grey", "warning")
    assert found.findings[0].ids == ("pool/pool-q",)


def test_targets_that_are_not_binary_masks(tree):
    dataset = tree.dataset()
    classes = tree.dataset(task=Task("segmentation", ("a", "b", "c")), decode_target=partial(class_map, classes=3))
    for split, name in tree.ids:
        draw(tree.mask(split, name), np.arange(96 * 120).reshape(SIZE) % 3)
    assert audit(classes).findings == ()
    draw(tree.mask("pool", "pool-q"), np.full(SIZE, 2))
    draw(tree.mask("pool", "pool-x"), np.full(SIZE, 7))
    assert {f.kind: f.severity for f in audit(classes).findings} == {
        "mask constant": "warning",
        "mask unreadable": "error",
    }
    depth = tree.dataset(task=Task("depth", ()), decode_target=partial(depth_map, maximum=20.0))
    assert {f.kind: f.ids for f in audit(depth).findings if f.ids[0] == "pool/pool-q"} == {
        "depth constant": ("pool/pool-q",)
    }
    unlabelled = tree.dataset(targets=tuple(None for _ in dataset.ids))
    assert audit(unlabelled).findings == ()
