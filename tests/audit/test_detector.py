"""One detector: what a run records and what `check` reports; bounds that fit the set."""

from __future__ import annotations

import numpy as np
import pytest
from audit_tree import draw, recoded, scene
from PIL import Image
from scipy.ndimage import gaussian_filter

from al_lightning.audit.audit import audit
from al_lightning.data.cache import Cache
from al_lightning.data.datasets.depth import colonoscopy_depth
from al_lightning.data.datasets.kvasir import kvasir
from al_lightning.data.overlap import Bounds, Prints, overlap, print_of, read_prints
from al_lightning.data.overlap.bounds import CERTAINLY, SAME_FRAME, SAME_SCENE
from al_lightning.data.overlap.comparison import Comparison


def ultrasound(rng: np.random.Generator, size: tuple[int, int] = (110, 150)) -> np.ndarray:
    """(H, W, 3): the same layers of tissue in everybody at slightly different depths, speckle, a dark lesion, a fan."""
    y, x = np.mgrid[: size[0], : size[1]] / np.array(size)[:, None, None]
    bounds = [
        depth + rng.normal(0, 0.03) + 0.03 * np.sin(2 * np.pi * (x * rng.uniform(0.3, 1.2) + rng.uniform()))
        for depth in (0.12, 0.2, 0.45, 0.62)
    ]
    layer = sum((y > bound).astype(int) for bound in bounds)
    image = (np.array([170, 60, 130, 80, 40]) + rng.normal(0, 12, 5))[layer]
    for bound in bounds:
        image += 90 * np.exp(-(((y - bound) / 0.012) ** 2))
    lesion = (y - rng.uniform(0.3, 0.6)) ** 2 + (x - rng.uniform(0.3, 0.7)) ** 2 < rng.uniform(0.06, 0.12) ** 2
    speckle = gaussian_filter(rng.rayleigh(1, size), (1, 2))
    image *= np.where(lesion, 0.25, 1.0) * speckle / speckle.mean()
    image[np.abs(np.arctan2(x - 0.5, y + 0.35)) > 0.62] = 0
    return np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def prints_of(images) -> Prints:
    both = [print_of(image) for image in images]
    return Prints(np.stack([small for small, _ in both]), tuple(digest for _, digest in both))


def test_bounds_rise_where_all_images_are_alike():
    """At the fixed bound, dozens of pairs of different patients would be one scene."""
    rng = np.random.default_rng(1)
    plain = Bounds.of(prints_of(scene(rng) for _ in range(40)))
    assert plain == Bounds(SAME_FRAME, SAME_SCENE)
    raised = Bounds.of(prints_of(ultrasound(rng) for _ in range(60)))
    assert raised.scene > 0.65
    assert SAME_FRAME <= raised.frame <= CERTAINLY
    assert Bounds.of(prints_of(scene(rng) for _ in range(3))) == Bounds()
    assert Bounds.of(prints_of(np.zeros((40, 40, 3), np.uint8) for _ in range(30))) == Bounds()


def test_a_set_of_ultrasound_images_has_no_false_pair_and_its_copies_are_found(tree):
    rng = np.random.default_rng(1)
    for split, name in tree.ids:
        draw(tree.image(split, name), ultrasound(rng))
    for number in range(50):
        tree.put(
            ("pool", "test")[number % 2], f"more-{'abcdefghij'[number // 5]}{'klmno'[number % 5]}", ultrasound(rng)
        )
    for split, name in tree.ids:
        Image.new("L", Image.open(tree.image(split, name)).size, 255).save(tree.mask(split, name))
    assert not [one for one in audit(tree.dataset()).findings if one.pair]
    with Image.open(tree.image("test", "test-k")) as image:
        tree.put("pool", "copy", recoded(image))
    pairs = [one for one in audit(tree.dataset()).findings if one.pair]
    assert [(one.kind, one.ids) for one in pairs] == [("near duplicate", ("test/test-k", "pool/copy"))]


def spoil(tree) -> None:
    """Copies, equal files, equal names, a flat image twice, and one name for two pictures."""
    rng = np.random.default_rng(5)
    with Image.open(tree.image("test", "test-k")) as image:
        tree.put("pool", "recoded", recoded(image))
        tree.put("validation", "again", image.resize((90, 70)), ".png")
    tree.put("pool", "equal", scene(rng)).write_bytes(tree.image("test", "test-q").read_bytes())
    tree.put("pool", "test-x", scene(rng))
    for split in ("pool", "test"):
        tree.put(split, f"flat-{split}", np.full((96, 120, 3), 90, np.uint8), ".png")


def test_a_run_records_what_the_audit_reports(tree):
    spoil(tree)
    found = audit(tree.dataset())
    cache = Cache(tree.dataset())
    for split, expected in (("pool", 3), ("validation", 1)):
        recorded = overlap(cache, split)
        assert set(recorded) == {"by_id", "by_thumbnail"}
        assert recorded["by_thumbnail"] == found.overlap[split]["picture"] == expected
    assert overlap(cache)["by_id"] == 0
    assert found.overlap["pool"]["name"] == 1


def test_both_agree_on_frames_of_a_video(real_data):
    depth = real_data / "ColonoscopyDepth"
    if not depth.is_dir():
        pytest.skip(f"{depth}: not there")
    images = colonoscopy_depth(str(depth), protocol="paper")
    found = audit(images)
    for split in ("pool", "validation"):
        assert overlap(Cache(images, "none"), split)["by_thumbnail"] == found.overlap[split]["picture"] > 30


def test_the_copies_in_the_published_polyp_sets(real_data):
    """All 196 test images are among the 1,000; `clean` takes all of them out."""
    root, sessile = real_data / "Kvasir-SEG", real_data / "sessile-main-Kvasir-SEG"
    if not sessile.is_dir():
        pytest.skip(f"{sessile}: not there")
    clean, paper = (kvasir(str(root), 16, protocol, str(sessile)) for protocol in ("clean", "paper"))
    prints = read_prints(clean)
    bounds, names = Bounds.of(prints), [path.stem for path in clean.images]
    assert bounds == Bounds()
    for dataset, pool, validation in ((clean, 0, 0), (paper, 179, 17)):
        for rows, number in ((dataset.pool, pool), (dataset.validation, validation)):
            found = Comparison(prints, bounds, names, dataset.test, rows)
            assert len(found.by_picture) == len(found.by_name) == number


def test_prints_are_kept_beside_a_cache_on_disk(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("AL_LIGHTNING_CACHE", str(tmp_path / "cache"))
    spoil(tree)
    dataset = tree.dataset()
    first = overlap(Cache(dataset, "disk"))
    (kept,) = (tmp_path / "cache").glob("tree-prints-*.npz")
    monkeypatch.setattr("al_lightning.data.overlap.prints.print_of", lambda image: pytest.fail("read again"))
    assert overlap(Cache(dataset, "disk")) == first == {"by_id": 0, "by_thumbnail": 3}
    monkeypatch.undo()
    kept.write_bytes(b"PK damaged")
    assert read_prints(dataset, kept.parent).hashes == read_prints(dataset).hashes
    before = read_prints(dataset, kept.parent).hashes
    draw(tree.image("pool", "recoded"), scene(np.random.default_rng(8)))
    after = read_prints(dataset, kept.parent).hashes
    assert sum(first != second for first, second in zip(before, after, strict=True)) == 1
    assert len(list(kept.parent.glob("tree-prints-*.npz"))) == 2


def test_a_cache_in_memory_writes_nothing(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("AL_LIGHTNING_CACHE", str(tmp_path / "cache"))
    overlap(Cache(tree.dataset()))
    assert not (tmp_path / "cache").exists()


def test_an_image_that_cannot_be_read_is_like_no_other(tree):
    tree.image("pool", "pool-q").write_bytes(b"")
    tree.image("test", "test-k").write_bytes(b"")
    prints = read_prints(tree.dataset())
    assert [name for name, digest in zip(tree.ids, prints.hashes, strict=True) if not digest] == [
        ("pool", "pool-q"),
        ("test", "test-k"),
    ]
    assert overlap(Cache(tree.dataset(), "none")) == {"by_id": 0, "by_thumbnail": 0}
