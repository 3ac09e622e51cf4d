"""The audit finds each spoilt file, and nothing in a clean set."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from audit_tree import SIZE, cut, draw, only, told
from PIL import Image

from al_lightning.audit.audit import audit
from al_lightning.audit.files import inspect_row
from al_lightning.audit.subject import Subject
from al_lightning.core.task import Task
from al_lightning.data.images import ImageReading
from al_lightning.data.masks import MaskReading
from al_lightning.data.reading import class_map, depth_map


def test_a_clean_set_has_no_finding(tree):
    steps = []
    found = audit(tree.dataset(), lambda *step: steps.append(step))
    assert told(found) == []
    assert found.counts == {"label fraction": 3, "mask values": 1}
    assert not found.leaks
    assert found.errors == 0
    assert found.verdict() == "no error, no test image is in pool or validation"
    assert found.splits == {"test": 3, "validation": 3, "pool": 8}
    nothing = {"name": 0, "file": 0, "pixels": 0, "picture": 0, "same": 0}
    assert found.overlap == {"validation": nothing, "pool": nothing}
    assert found.sizes["images"] == 14
    assert found.sizes["most_common"] == ["120 x 96", 14]
    assert found.sizes["aspect"] == [1.25, 1.25]
    assert ("reading", 14, 14) in steps


def pages(path: Path) -> None:
    """Three pages under the old name: the suffix says nothing."""
    frame = Image.new("L", SIZE[::-1], 90)
    frame.save(path, "TIFF", save_all=True, append_images=[frame, frame])


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
    "several pages": ("image", lambda path: pages(path)),
    "mask several pages": ("mask", lambda path: pages(path)),
    "mask empty": ("mask", lambda path: draw(path, np.zeros(SIZE))),
    "mask full": ("mask", lambda path: draw(path, np.full(SIZE, 255))),
    "mask grey": ("mask", lambda path: draw(path, np.linspace(0, 255, 96 * 120).reshape(SIZE))),
}
SEVERITY = {"constant image": "warning", "mask grey": "warning", "mask empty": "info", "mask full": "info"}


@pytest.mark.parametrize("kind", FILES)
def test_a_spoilt_file_is_found_and_stops_nothing(tree, kind):
    what, spoil = FILES[kind]
    dataset = tree.dataset()
    path = (tree.image if what == "image" else tree.mask)("pool", "pool-q")
    spoil(path)
    found = audit(dataset)
    one = only(found, kind, SEVERITY.get(kind, "error"))
    assert (one.ids, one.paths, one.splits) == (("pool/pool-q",), (str(path),), ("pool",))
    assert str(path) not in one.detail
    assert not found.leaks
    assert found.errors == (one.severity == "error")


def test_a_small_grey_object_is_found_and_a_jpeg_mask_is_not(tree):
    small_grey(tree.mask("pool", "pool-q"))
    with Image.open(tree.mask("pool", "pool-k")) as mask:
        encoded = io.BytesIO()
        mask.resize((60, 48), Image.Resampling.BILINEAR).resize((120, 96)).save(encoded, "JPEG", quality=60)
    Image.open(encoded).save(tree.mask("pool", "pool-k"))
    found = audit(tree.dataset())
    assert only(found, "mask grey", "warning").ids == ("pool/pool-q",)


def test_targets_that_are_not_binary_masks(tree):
    classes = tree.dataset(task=Task("segmentation", ("a", "b", "c")), decode_target=partial(class_map, classes=3))
    for split, name in tree.ids:
        draw(tree.mask(split, name), np.arange(96 * 120).reshape(SIZE) % 3)
    assert told(audit(classes)) == []
    draw(tree.mask("pool", "pool-q"), np.full(SIZE, 2))
    draw(tree.mask("pool", "pool-x"), np.full(SIZE, 7))
    draw(tree.mask("pool", "pool-z"), np.full(SIZE, 255))
    assert {f.kind: f.severity for f in told(audit(classes))} == {
        "mask constant": "warning",
        "mask void": "warning",
        "mask does not fit": "error",
    }
    depth = tree.dataset(task=Task("depth", ()), decode_target=partial(depth_map, maximum=20.0))
    assert {f.kind: f.ids for f in told(audit(depth)) if "pool/pool-q" in f.ids} == {"depth constant": ("pool/pool-q",)}


def test_a_mask_that_does_not_fit_the_reading_of_its_set_is_an_error(tree):
    reading = MaskReading("threshold", ("background", "polyp"), given=False)
    draw(tree.mask("pool", "pool-q"), np.linspace(0, 255, 96 * 120).reshape(SIZE))
    one = only(audit(tree.dataset(decode_target=reading.decode)), "mask does not fit", "error")
    assert one.ids == ("pool/pool-q",)
    assert "half way" in one.detail


@pytest.mark.parametrize(("upright", "how"), [(True, "orientation 6, applied"), (False, "orientation 6, not applied")])
def test_an_orientation_is_told(tree, upright, how):
    path = tree.image("pool", "pool-q")
    tag = Image.Exif()
    tag[274] = 6
    with Image.open(path) as opened:
        turned = opened.transpose(Image.Transpose.ROTATE_90) if upright else opened.copy()
    turned.save(path, exif=tag)
    one = only(audit(tree.dataset(image_reading=ImageReading(upright=upright))), "EXIF orientation", "info")
    assert one.ids == ("pool/pool-q",)
    assert one.detail.startswith(how)


def test_a_chosen_page_is_told(tree):
    pages(tree.image("pool", "pool-q"))
    draw(tree.mask("pool", "pool-q"), np.eye(96, 120) * 255)
    dataset = tree.dataset()
    row = dataset.ids.index("pool/pool-q")
    found = inspect_row(Subject.of(tree.dataset(image_reading=ImageReading(page=1))), row)
    assert [one for one in found.defects if "pages" in one[0]] == [
        ("several pages", "info", dataset.images[row], "page 1 of 3 is read")
    ]


def test_a_mask_that_no_run_opens_is_no_error(tree):
    cut(tree.mask("pool", "pool-q"))
    dataset = tree.dataset()
    row = dataset.ids.index("pool/pool-q")
    found = audit(tree.dataset(pool=np.setdiff1d(dataset.pool, row)))
    assert {f.kind: f.severity for f in told(found)} == {"mask truncated": "warning", "held out": "info"}
    assert found.errors == 0
