"""The audit finds images that occur twice, and says which of them leak."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from audit_tree import SIZE, draw, framed, only, recoded, scene, told
from PIL import Image, ImageDraw

from al_lightning.audit.audit import audit
from al_lightning.core.task import Task
from al_lightning.data.dataset import DenseDataset
from al_lightning.data.datasets.kvasir import kvasir
from al_lightning.data.reading import binary_mask


@pytest.mark.parametrize(
    ("split", "severity", "leaks"),
    [("pool", "warning", False), ("validation", "warning", False), ("test", "error", True)],
)
def test_exact_duplicates(tree, split, severity, leaks):
    source = tree.image("pool", "pool-q")
    copy = tree.put(split, "copy", np.zeros((*SIZE, 3), np.uint8))
    copy.write_bytes(source.read_bytes())
    found = audit(tree.dataset())
    one = only(found, "exact duplicate", severity)
    assert set(one.ids) == {"pool/pool-q", f"{split}/copy"}
    assert one.detail == "equal files"
    assert one.distance == 0
    assert found.leaks is leaks
    assert found.overlap["pool"]["file"] == int(leaks)


def test_equal_pixels_in_other_files(tree):
    with Image.open(tree.image("pool", "pool-q")) as image:
        tree.put("test", "copy", image, ".png")
    found = audit(tree.dataset())
    assert only(found, "exact duplicate", "error").detail == "equal pixels, not equal files"
    assert found.overlap["pool"] == {"name": 0, "file": 0, "pixels": 1, "picture": 1, "same": 1}


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "recoded": recoded,
    "smaller": lambda image: image.resize((60, 48), Image.Resampling.BILINEAR),
    "brighter": lambda image: image.point(lambda value: min(255, 1.2 * value + 6)),
    "shifted": lambda image: image.crop((6, 5, 120, 96)),
    "cropped": lambda image: image.crop((5, 4, 115, 92)),
    "framed": framed,
}


@pytest.mark.parametrize("how", COPIES)
def test_near_duplicates_of_test_images_leak(tree, how):
    with Image.open(tree.image("test", "test-k")) as image:
        tree.put("pool", "copy", COPIES[how](image))
    found = audit(tree.dataset())
    one = only(found, "near duplicate", "error")
    assert one.ids == ("test/test-k", "pool/copy")
    assert one.splits == ("test", "pool")
    assert 0 < one.distance < 0.2
    assert found.leaks
    assert found.overlap["pool"] == {"name": 0, "file": 0, "pixels": 0, "picture": 1, "same": 1}


@pytest.mark.parametrize(("split", "severity"), [("pool", "info"), ("validation", "warning")])
def test_near_duplicates_elsewhere_are_no_leak(tree, split, severity):
    with Image.open(tree.image("pool", "pool-k")) as image:
        tree.put(split, "copy", recoded(image))
    found = audit(tree.dataset())
    only(found, "near duplicate", severity)
    assert not found.leaks


@pytest.mark.parametrize(("fraction", "kinds"), [(0.3, []), (0.5, ["same scene"])])
def test_pictures_alike_but_not_one_are_a_warning(tree, fraction, kinds):
    """A second view, made as a mixture with another scene."""
    other = Image.fromarray(scene(np.random.default_rng(5)))
    with Image.open(tree.image("test", "test-k")) as image:
        tree.put("pool", "view", Image.blend(other, image, fraction))
    found = audit(tree.dataset())
    assert [(f.kind, f.severity) for f in told(found)] == [(kind, "warning") for kind in kinds]
    assert not found.leaks
    assert found.overlap["pool"]["same"] == 0


def test_one_endoscope_does_not_make_two_scenes_alike(tree):
    """Same surround, octagon, writing and display around every picture, which has little contrast itself."""
    for split, name in tree.ids:
        with Image.open(tree.image(split, name)) as opened:
            image = Image.blend(Image.new("RGB", opened.size, (120, 70, 50)), opened, 0.1)
            view = Image.new("L", image.size)
            ImageDraw.Draw(view).polygon(
                [(20, 0), (100, 0), (119, 20), (119, 76), (100, 95), (20, 95), (0, 76), (0, 20)], 255
            )
            framed(Image.composite(image, Image.new("RGB", image.size), view)).save(tree.image(split, name))
        Image.new("L", (200, 150)).save(tree.mask(split, name))
    found = audit(tree.dataset())
    assert {f.kind for f in told(found)} == {"mask empty", "class missing"}


def test_names(tree):
    """Equal names with other pictures are a warning, unless equal names mean one image elsewhere in the set."""
    rng = np.random.default_rng(5)
    tree.put("pool", "test-k", scene(rng))
    found = audit(tree.dataset())
    only(found, "same name", "warning")
    assert not found.leaks
    assert found.overlap["pool"] == {"name": 1, "file": 0, "pixels": 0, "picture": 0, "same": 0}
    with Image.open(tree.image("test", "test-q")) as image:
        tree.put("pool", "test-q", recoded(image))
    found = audit(tree.dataset())
    assert {(f.kind, f.severity, f.same_name) for f in told(found)} == {
        ("same name", "error", True),
        ("near duplicate", "error", True),
    }
    assert found.leaks
    assert found.overlap["pool"] == {"name": 2, "file": 0, "pixels": 0, "picture": 1, "same": 2}


def test_a_name_whose_picture_cannot_be_read_counts_as_a_leak(tree):
    """Even where another name stands for two pictures."""
    rng = np.random.default_rng(5)
    tree.put("pool", "test-q", scene(rng))
    tree.put("pool", "test-k", scene(rng)).write_bytes(b"")
    found = audit(tree.dataset())
    assert {(f.kind, f.severity, f.ids[0]) for f in told(found)} == {
        ("unreadable", "error", "pool/test-k"),
        ("same name", "error", "test/test-k"),
        ("same name", "warning", "test/test-q"),
    }
    assert [f.distance for f in told(found) if f.ids[0] == "test/test-k"] == [None]
    assert found.leaks
    assert found.overlap["pool"] == {"name": 2, "file": 0, "pixels": 0, "picture": 0, "same": 1}


def test_a_name_that_one_split_holds_twice_says_nothing(tree):
    rng = np.random.default_rng(5)
    dataset = tree.dataset()
    more = [tree.root / "a" / "frame1.png", tree.root / "b" / "frame1.png", tree.root / "c" / "frame1.png"]
    for path in more:
        path.parent.mkdir()
        draw(path, scene(rng))
    n = len(dataset.ids)
    twice = tree.dataset(
        ids=(*dataset.ids, "a/frame1", "b/frame1", "c/frame1"),
        images=(*dataset.images, *more),
        targets=(*dataset.targets, None, None, None),
        pool=np.array([*dataset.pool, n, n + 1]),
        test=np.array([*dataset.test, n + 2]),
    )
    assert not any(f.pair for f in audit(twice).findings)


def test_rows_in_no_split_are_matched_and_are_no_leak(tree):
    with Image.open(tree.image("test", "test-k")) as image:
        tree.put("pool", "test-k", recoded(image))
    held_out = [len(tree.ids) - 1, 0]
    pool = np.setdiff1d(tree.dataset().pool, held_out)
    found = audit(tree.dataset(pool=pool))
    assert {(f.kind, f.severity, f.splits) for f in told(found)} == {
        ("near duplicate", "info", ("test", "held out")),
        ("held out", "info", ("held out",)),
    }
    assert not found.leaks
    assert found.splits == {"test": 3, "validation": 3, "pool": 7, "held out": 2}
    assert found.overlap["held out"] == {"name": 1, "file": 0, "pixels": 0, "picture": 1, "same": 1}
    assert found.overlap["pool"]["same"] == 0
    assert "held out because test shows it" in next(f.detail for f in told(found) if f.kind == "near duplicate")


def test_protocols_of_kvasir(kvasir_root):
    clean, paper = (audit(kvasir(str(kvasir_root), 16, protocol, validation=4)) for protocol in ("clean", "paper"))
    assert clean.overlap["held out"]["name"] == clean.overlap["held out"]["same"] == 4
    assert clean.overlap["held out"]["file"] == clean.overlap["held out"]["pixels"] == 0
    assert sum(paper.overlap[split]["name"] for split in ("pool", "validation")) == 4
    assert paper.leaks


LISTED = {
    ("cju76lsehyia10987u54vn8rb", "cju772304yw5t0818vbw8kkjf"),
    ("cju886ryxnsl50801r93jai7q", "cju8amfdtqi4x09871tygrgqe"),
    ("cju30bmab08bi0835mvlr6e0r", "cju77k828z46w0871r0avuoo9"),
    ("cju5fydrud94708507vo6oy21", "cju7avvi51iox0817ym55y6tt"),
}
"""Pairs of Kvasir-SEG that were found by hand."""


def test_published_images(real_data):
    """The known pairs among 150 others, and the sessile copies although no hash is equal; no false alarm."""
    folders = real_data / "Kvasir-SEG" / "images", real_data / "sessile-main-Kvasir-SEG" / "images"
    if not folders[1].is_dir():
        pytest.skip(f"{folders[1]}: not there")
    known = {name for pair in LISTED for name in pair}
    test = sorted(folders[1].glob("*.jpg"))[::20]
    names = sorted(known | {p.stem for p in sorted(folders[0].glob("*.jpg"))[:150]} | {p.stem for p in test})
    ids = (*names, *(f"test/{p.stem}" for p in test))
    n = len(names)
    dataset = DenseDataset(
        name="kvasir",
        task=Task(),
        ids=ids,
        images=(*(folders[0] / f"{name}.jpg" for name in names), *test),
        targets=tuple(None for _ in ids),
        pool=np.arange(n - 5),
        validation=np.arange(n - 5, n),
        test=np.arange(n, len(ids)),
        size=(64, 64),
        decode_target=binary_mask,
    )
    found = audit(dataset)
    pairs = {tuple(sorted(f.ids)): f.kind for f in found.findings if f.pair}
    copies = {(p.stem, f"test/{p.stem}") for p in test}
    assert {*LISTED, *copies} <= {pair for pair, kind in pairs.items() if kind == "near duplicate"}
    assert sum(by["picture"] for by in found.overlap.values()) == len(test) == 10
    assert sum(by["file"] + by["pixels"] for by in found.overlap.values()) == 0
    assert {pair for pair in pairs if pair not in LISTED | copies} == set()
