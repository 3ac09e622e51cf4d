"""What targets hold: values and classes, label fractions, empty masks, classes that are missing, depth."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from audit_tree import SIZE, draw, told
from PIL import Image

from al_lightning.audit.audit import Audit, audit
from al_lightning.audit.findings import Finding
from al_lightning.audit.subject import Subject
from al_lightning.core.task import Task
from al_lightning.data.depths import DepthReading
from al_lightning.data.masks import MaskReading
from al_lightning.data.reading import class_map, depth_map, object_foreground

CLASSES = ("ground", "road", "sky")


def of(found: Audit, kind: str) -> dict[str, Finding]:
    """place -> the finding of a kind."""
    return {one.place: one for one in found.findings if one.kind == kind}


def mask_of(fraction: float) -> np.ndarray:
    mask = np.zeros(SIZE)
    mask[:, : round(fraction * SIZE[1])] = 255
    return mask


def classes_of(tree, **changes):
    return tree.dataset(task=Task("segmentation", CLASSES), decode_target=partial(class_map, classes=3), **changes)


def test_values_are_told_with_what_they_are_read_as(tree):
    assert of(audit(tree.dataset()), "mask values")["all"].detail == "8-bit grey; 0 is background, 255 is polyp"
    for split, name in tree.ids:
        draw(tree.mask(split, name), np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % 7)
    found = audit(tree.dataset(decode_target=object_foreground))
    assert of(found, "mask values")["all"].detail == "8-bit grey; 0 is background, 1 to 6 is polyp"
    for split, name in tree.ids:
        draw(tree.mask(split, name), np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % 3 * 127.5)
    index = MaskReading("foreground", ("background", "polyp"), foreground=(127,), void=(255,))
    found = audit(tree.dataset(decode_target=index.decode))
    assert of(found, "mask values")["all"].detail == "8-bit grey; 0 is background, 127 is polyp, 255 is void"


def test_values_of_colours_deep_and_lossy_masks(tree):
    colours = np.zeros((*SIZE, 3), np.uint8)
    colours[:, 40:] = (255, 0, 0)
    for split, name in tree.ids:
        Image.fromarray(colours).save(tree.mask(split, name))
    reading = MaskReading("colours", ("background", "polyp"), colours=((0, 0, 0, 0), (255, 0, 0, 1)))
    found = audit(tree.dataset(decode_target=reading.decode))
    assert of(found, "mask values")["all"].detail == "8-bit RGB; [0, 0, 0] is background, [255, 0, 0] is polyp"
    for split, name in tree.ids:
        Image.fromarray((mask_of(0.5) * 257).astype(np.uint16)).save(tree.mask(split, name))
    deep = MaskReading("threshold", ("background", "polyp"), deep_white=65535.0, given=False)
    found = audit(tree.dataset(decode_target=deep.decode))
    assert of(found, "mask values")["all"].detail == "16-bit grey; 0 is background, 65535 is polyp"


def test_label_fractions_of_each_split(tree):
    for number, (split, name) in enumerate(tree.ids):
        draw(tree.mask(split, name), mask_of({"pool": 0.25, "validation": 0.5}.get(split, 0.1 * (number % 3 + 1))))
    found = of(audit(tree.dataset()), "label fraction")
    assert {split: one.detail for split, one in found.items()} == {
        "pool": "polyp: mean 25.0 %, 25.0 to 25.0 % of a mask's pixels",
        "validation": "polyp: mean 50.0 %, 50.0 to 50.0 % of a mask's pixels",
        "test": "polyp: mean 20.0 %, 10.0 to 30.0 % of a mask's pixels",
    }


def test_label_fractions_of_many_classes_and_void(tree):
    for split, name in tree.ids:
        mask = np.zeros(SIZE)
        mask[:, 30:60], mask[:, 60:90], mask[:, 90:] = 1, 2, 255
        draw(tree.mask(split, name), mask)
    detail = of(audit(classes_of(tree)), "label fraction")["pool"].detail
    assert detail.startswith("not ground: mean 66.7 %")
    assert detail.endswith("; ground 33.3, road 33.3, sky 33.3; void 25.0 %")


def test_empty_and_full_masks_are_counted_by_split(tree):
    for name in ("pool-q", "pool-x"):
        draw(tree.mask("pool", name), np.zeros(SIZE))
    draw(tree.mask("test", "test-k"), np.full(SIZE, 255))
    found = audit(tree.dataset())
    assert {(f.kind, f.severity, f.place, f.count) for f in told(found)} == {
        ("mask empty", "info", "pool", 2),
        ("mask full", "info", "test", 1),
    }
    assert of(found, "mask empty")["pool"].detail == "no pixel is polyp (2 of 8 masks of pool)"


@pytest.mark.parametrize(
    ("split", "allowed", "severity"), [("pool", False, "error"), ("pool", True, "warning"), ("test", False, "warning")]
)
def test_a_class_that_a_split_lacks(tree, split, allowed, severity):
    for place, name in tree.ids:
        mask = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % (2 if place == split else 3)
        draw(tree.mask(place, name), mask)
    found = audit(Subject.of(classes_of(tree), allow_missing_classes=allowed))
    one = of(found, "class missing")[split]
    assert one.severity == severity
    assert one.detail.startswith(f"sky in none of {8 if split == 'pool' else 3} masks of {split}")
    assert len(of(found, "class missing")) == 1
    assert found.errors == (severity == "error")


def test_a_class_may_be_in_the_masks_that_are_still_to_come(tree):
    for place, name in tree.ids:
        draw(tree.mask(place, name), np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % (2 if place == "pool" else 3))
    targets = [None if name == "pool-q" else tree.mask(split, name) for split, name in tree.ids]
    found = audit(Subject.of(classes_of(tree, targets=tuple(targets)), labelled=False))
    assert of(found, "class missing")["pool"].severity == "warning"


@pytest.mark.parametrize(("split", "labelled", "severity"), [
    ("pool", True, "error"), ("pool", False, "info"), ("test", False, "error"), ("validation", False, "error")
])  # fmt: skip
def test_images_without_a_mask(tree, split, labelled, severity):
    targets = tuple(None if place == split else tree.mask(place, name) for place, name in tree.ids)
    found = audit(Subject.of(tree.dataset(targets=targets), labelled))
    one = of(found, "no mask")[split]
    assert (one.severity, one.count) == (severity, sum(place == split for place, _ in tree.ids))
    assert set(of(found, "no mask")) == {split}


def test_depth_by_split(tree):
    for split, name in tree.ids:
        draw(tree.mask(split, name), np.full(SIZE, 51) + 51 * (np.arange(120) < 60) * (1 + (split == "test")))
    dataset = tree.dataset(task=Task("depth", ()), decode_target=partial(depth_map, maximum=20.0))
    found = audit(dataset)
    assert told(found) == []
    assert {split: one.detail for split, one in of(found, "depth range").items()} == {
        "pool": "4 to 8 cm, mean 6 cm",
        "validation": "4 to 8 cm, mean 6 cm",
        "test": "4 to 12 cm, mean 8 cm",
    }


def test_depth_that_is_not_measured(tree):
    for split, name in tree.ids:
        draw(tree.mask(split, name), np.where(np.arange(120) < 60, 0, np.arange(96)[:, None] + 1))
    draw(tree.mask("pool", "pool-q"), np.zeros(SIZE))
    reading = DepthReading("uint8", 20.0, "mm", invalid=(0.0,))
    found = audit(tree.dataset(task=Task("depth", ()), decode_target=reading.decode))
    assert {(f.kind, f.severity, f.ids) for f in told(found)} == {("depth not measured", "warning", ("pool/pool-q",))}
    assert of(found, "depth range")["pool"].detail == "0.1 to 9.6 cm, mean 4.85 cm, 50 % not measured"
