"""The audit finds each planted defect, and nothing in a clean set."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from rich.console import Console
from scipy.ndimage import gaussian_filter

from al_lightning.audit.audit import Audit, audit
from al_lightning.audit.pairs import SHIFT, SIDE, aligned, candidates, correlations, structure, thumbnail
from al_lightning.audit.sheet import MOST, contact_sheet, sheet_size
from al_lightning.core.task import Task
from al_lightning.data.dataset import DenseDataset, binary_mask
from al_lightning.data.datasets.kvasir import kvasir
from al_lightning.data.reading import class_map, depth_map

SIZE = (96, 120)
PARTS = {"pool": 8, "validation": 3, "test": 3}


def scene(rng: np.random.Generator, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W, 3): tissue-like structure of several sizes, lit from a random side."""
    noise = sum(s * gaussian_filter(rng.normal(size=(*size, 3)), (s, s, 0.6)) for s in (2, 4, 8))
    light = np.linspace(0.6, 1.2, size[1])[None, :: rng.choice([-1, 1]), None]
    return ((np.array([150, 90, 70]) + 90 * noise) * light).clip(0, 255).astype(np.uint8)


class Tree:
    """A clean set: scenes and their masks, which a test then spoils."""

    def __init__(self, root: Path, seed: int = 0) -> None:
        self.root, rng = root, np.random.default_rng(seed)
        self.ids, self.split = [], {}
        for part, count in PARTS.items():
            for number in range(count):
                name = f"{part}-{'kqxzvjwp'[number]}"
                self.put(part, name, scene(rng))

    def put(self, part: str, name: str, image: np.ndarray | Image.Image, suffix: str = ".jpg") -> Path:
        """Add an image and a mask of its size; returns the file of the image."""
        for folder in ("images", "masks"):
            (self.root / part / folder).mkdir(parents=True, exist_ok=True)
        image = image if isinstance(image, Image.Image) else Image.fromarray(image)
        mask = Image.new("L", image.size)
        ImageDraw.Draw(mask).ellipse((20, 20, 50, 60), fill=255)
        mask.save(self.root / part / "masks" / f"{name}.png")
        path = self.root / part / "images" / f"{name}{suffix}"
        image.save(path, **({"quality": 95} if suffix == ".jpg" else {}))
        self.ids.append((part, name))
        return path

    def image(self, part: str, name: str) -> Path:
        return next(p for p in (self.root / part / "images").iterdir() if p.stem == name)

    def mask(self, part: str, name: str) -> Path:
        return self.root / part / "masks" / f"{name}.png"

    def dataset(self, **changes) -> DenseDataset:
        parts = [part for part, _ in self.ids]
        rows = {part: np.array([i for i, p in enumerate(parts) if p == part], dtype=np.int64) for part in PARTS}
        return DenseDataset(
            **{
                "name": "tree",
                "task": Task(),
                "ids": tuple(f"{part}/{name}" for part, name in self.ids),
                "images": tuple(self.image(*key) for key in self.ids),
                "targets": tuple(self.mask(*key) for key in self.ids),
                "size": (64, 64),
                "decode_target": binary_mask,
                **rows,
                **changes,
            }
        )


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


def only(found: Audit, kind: str, severity: str) -> None:
    """One finding, of this kind and severity."""
    assert [(f.kind, f.severity) for f in found.findings] == [(kind, severity)], found.findings


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


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def draw(path: Path, values: np.ndarray) -> None:
    Image.fromarray(values.astype(np.uint8)).save(path)


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
    for part, name in tree.ids:
        draw(tree.mask(part, name), np.arange(96 * 120).reshape(SIZE) % 3)
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


@pytest.mark.parametrize(
    ("part", "severity", "leaks"),
    [("pool", "warning", False), ("validation", "warning", False), ("test", "error", True)],
)
def test_exact_duplicates(tree, part, severity, leaks):
    source = tree.image("pool", "pool-q")
    copy = tree.put(part, "copy", np.zeros((*SIZE, 3), np.uint8))
    copy.write_bytes(source.read_bytes())
    found = audit(tree.dataset())
    only(found, "exact duplicate", severity)
    assert set(found.findings[0].ids) == {"pool/pool-q", f"{part}/copy"}
    assert found.findings[0].detail == "equal files"
    assert found.findings[0].distance == 0
    assert found.leaks is leaks
    assert found.overlap["pool"]["file"] == int(leaks)


def test_equal_pixels_in_other_files(tree):
    with Image.open(tree.image("pool", "pool-q")) as image:
        tree.put("test", "copy", image, ".png")
    found = audit(tree.dataset())
    only(found, "exact duplicate", "error")
    assert found.findings[0].detail == "equal pixels, not equal files"
    assert found.overlap["pool"] == {"name": 0, "file": 0, "pixels": 1, "picture": 1, "same": 1}


def recoded(image: Image.Image) -> Image.Image:
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=40)
    return Image.open(encoded).convert("RGB")


def framed(image: Image.Image) -> Image.Image:
    """In a black frame with writing, and a display in a corner."""
    out = Image.new("RGB", (200, 150), (3, 3, 3))
    out.paste(image, (60, 20))
    drawing = ImageDraw.Draw(out)
    drawing.text((4, 60), "30/02/2020", "white")
    drawing.rectangle((60, 86, 90, 116), (10, 170, 140))
    return out


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
    only(found, "near duplicate", "error")
    assert found.findings[0].ids == ("test/test-k", "pool/copy")
    assert found.findings[0].splits == ("test", "pool")
    assert 0 < found.findings[0].distance < 0.2
    assert found.leaks
    assert found.overlap["pool"] == {"name": 0, "file": 0, "pixels": 0, "picture": 1, "same": 1}


@pytest.mark.parametrize(("part", "severity"), [("pool", "info"), ("validation", "warning")])
def test_near_duplicates_elsewhere_are_no_leak(tree, part, severity):
    with Image.open(tree.image("pool", "pool-k")) as image:
        tree.put(part, "copy", recoded(image))
    found = audit(tree.dataset())
    only(found, "near duplicate", severity)
    assert not found.leaks


@pytest.mark.parametrize(("share", "kinds"), [(0.3, []), (0.5, ["same scene"])])
def test_pictures_alike_but_not_one_are_a_warning(tree, share, kinds):
    """A second view, made as a mixture with another scene."""
    other = Image.fromarray(scene(np.random.default_rng(5)))
    with Image.open(tree.image("test", "test-k")) as image:
        tree.put("pool", "view", Image.blend(other, image, share))
    found = audit(tree.dataset())
    assert [(f.kind, f.severity) for f in found.findings] == [(kind, "warning") for kind in kinds]
    assert not found.leaks
    assert found.overlap["pool"]["same"] == 0


def test_one_endoscope_does_not_make_two_scenes_alike(tree):
    """Same surround, octagon, writing and display around every picture, which has little contrast itself."""
    for part, name in tree.ids:
        with Image.open(tree.image(part, name)) as opened:
            image = Image.blend(Image.new("RGB", opened.size, (120, 70, 50)), opened, 0.1)
            view = Image.new("L", image.size)
            ImageDraw.Draw(view).polygon(
                [(20, 0), (100, 0), (119, 20), (119, 76), (100, 95), (20, 95), (0, 76), (0, 20)], 255
            )
            framed(Image.composite(image, Image.new("RGB", image.size), view)).save(tree.image(part, name))
        Image.new("L", (200, 150)).save(tree.mask(part, name))
    found = audit(tree.dataset())
    assert set(found.counts) == {"mask empty"}


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
    assert {(f.kind, f.severity, f.same_name) for f in found.findings} == {
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
    assert {(f.kind, f.severity, f.ids[0]) for f in found.findings} == {
        ("unreadable", "error", "pool/test-k"),
        ("same name", "error", "test/test-k"),
        ("same name", "warning", "test/test-q"),
    }
    assert [f.distance for f in found.findings if f.ids[0] == "test/test-k"] == [None]
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
    assert audit(twice).findings == ()


def test_rows_in_no_split_are_matched_and_are_no_leak(tree):
    with Image.open(tree.image("test", "test-k")) as image:
        tree.put("pool", "test-k", recoded(image))
    held_out = [len(tree.ids) - 1, 0]
    pool = np.setdiff1d(tree.dataset().pool, held_out)
    found = audit(tree.dataset(pool=pool))
    assert {(f.kind, f.severity, f.splits) for f in found.findings} == {
        ("near duplicate", "info", ("test", "held out")),
        ("held out", "info", ("held out",)),
    }
    assert not found.leaks
    assert found.splits == {"test": 3, "validation": 3, "pool": 7, "held out": 2}
    assert found.overlap["held out"] == {"name": 1, "file": 0, "pixels": 0, "picture": 1, "same": 1}
    assert found.overlap["pool"]["same"] == 0
    assert "held out because test shows it" in next(f.detail for f in found.findings if f.kind == "near duplicate")


def test_protocols_of_kvasir(kvasir_root):
    clean, paper = (audit(kvasir(str(kvasir_root), 16, protocol, validation=4)) for protocol in ("clean", "paper"))
    assert clean.overlap["held out"]["name"] == clean.overlap["held out"]["same"] == 4
    assert clean.overlap["held out"]["file"] == clean.overlap["held out"]["pixels"] == 0
    assert sum(paper.overlap[part]["name"] for part in ("pool", "validation")) == 4
    assert paper.leaks


def test_json_comes_back(tree, tmp_path):
    cut(tree.image("pool", "pool-x"))
    with Image.open(tree.image("test", "test-k")) as image:
        tree.put("pool", "copy", recoded(image))
    found = audit(tree.dataset())
    found.to_json(tmp_path / "new" / "audit.json")
    assert len(found.findings) == 2
    assert Audit.from_json(tmp_path / "new" / "audit.json") == found


def test_table(tree):
    cut(tree.image("pool", "pool-x"))
    with Image.open(tree.image("test", "test-k")) as image:
        tree.put("pool", "copy[red]", recoded(image))
    text = io.StringIO()
    audit(tree.dataset()).print_table(Console(file=text, width=160))
    for expected in ("truncated", "near duplicate", "test/test-k = pool/copy[red]", "1 of 3 test images are in pool"):
        assert expected in text.getvalue()
    assert "test images leak" in text.getvalue()


def test_contact_sheet(tree, tmp_path):
    dataset = tree.dataset()
    empty = audit(dataset)
    with Image.open(contact_sheet(dataset, empty, tmp_path / "new" / "empty.png")) as sheet:
        assert sheet.size == sheet_size(0)
    path = tree.put("pool", "copy", np.zeros((*SIZE, 3), np.uint8))
    path.write_bytes(tree.image("test", "test-k").read_bytes())
    broken = tree.put("pool", "test-q", scene(np.random.default_rng(5)))
    broken.write_bytes(b"")
    found = audit(tree.dataset())
    assert sum(len(f.ids) == 2 for f in found.findings) == 2
    with Image.open(contact_sheet(tree.dataset(), found, tmp_path / "sheet.png")) as sheet:
        sheet.load()
        assert sheet.format == "PNG"
        assert sheet.size == sheet_size(2)
        # the first pair, which is no near-black, stands left of the cross of the broken one
        assert np.asarray(sheet)[64:].max() > 100
    assert sheet_size(1) == sheet_size(5) != sheet_size(6)


def test_contact_sheet_leaves_out_copies_first(tree, tmp_path):
    from dataclasses import replace

    from al_lightning.audit.files import Finding
    from al_lightning.audit.sheet import choose

    def pair(i: int, **values) -> Finding:
        return replace(
            Finding("near duplicate", "error", ("a", "b"), ("a", "b"), ("test", "pool"), "", i / 1000, True), **values
        )

    copies = [pair(i) for i in range(196)]
    others = [pair(i, same_name=False, distance=0.19) for i in range(3)]
    scenes = [pair(i, same_name=False, kind="same scene", severity="info", distance=0.4) for i in range(5)]
    shown = choose([*copies, *others, *scenes], MOST)
    assert shown == [*copies[: MOST // 3], *others, *scenes]
    assert choose(copies, MOST) == copies[:MOST]
    assert choose(copies[:7], MOST) == copies[:7]


def test_correlation_is_that_of_the_unmasked_pixels_at_the_best_shift():
    rng = np.random.default_rng(2)
    base = scene(rng, (160, 160))
    first, second = base[:150, :150].copy(), base[8:158, 5:155].copy()
    first[:, :20] = 0
    thumbnails = np.stack([thumbnail(first), thumbnail(second)])
    values, masks = structure(thumbnails, SIDE)
    best = -1.0
    for dy in range(-SHIFT, SHIFT + 1):
        for dx in range(-SHIFT, SHIFT + 1):
            ys, xs = np.mgrid[max(0, dy) : SIDE + min(0, dy), max(0, dx) : SIDE + min(0, dx)]
            inside = (masks[0][ys, xs] > 0) & (masks[1][ys - dy, xs - dx] > 0)
            pixels = values[0][ys, xs][inside], values[1][ys - dy, xs - dx][inside]
            best = max(best, float(np.corrcoef(*pixels)[0, 1]))
    pair = np.array([[0, 1]])
    assert aligned(thumbnails, pair, (1.0, 1.0), (1.0, 1.0))[0] == pytest.approx(best, abs=1e-4)
    assert correlations(thumbnails, pair, np.ones(1))[0] >= best - 1e-4


def test_candidates_are_the_nearest_in_each_part():
    """A copy in another part is a candidate although nearer ones lie in one's own."""
    rng = np.random.default_rng(3)
    pictures = [scene(rng) for _ in range(12)]
    original = scene(rng)
    copies = [np.clip(original.astype(int) + rng.integers(-d, d + 1, original.shape), 0, 255) for d in (1, 1, 1, 40)]
    thumbnails = np.stack([thumbnail(p.astype(np.uint8)) for p in [*pictures, original, *copies]])
    thumbnails = np.concatenate([thumbnails, np.zeros((1, 80, 80), np.uint8)])
    rows, last = np.arange(16), np.array([16, 17])
    pairs, cosines = candidates(thumbnails, [(rows, last, 1), (rows, rows, 2)])
    assert {(a, 16) for a in range(12, 16)} <= set(map(tuple, pairs.tolist()))
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert 17 not in pairs
    assert len(pairs) == len(cosines) == len(np.unique(pairs, axis=0))


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
    pairs = {tuple(sorted(f.ids)): f.kind for f in found.findings if len(f.ids) == 2}
    copies = {(p.stem, f"test/{p.stem}") for p in test}
    assert {*LISTED, *copies} <= {pair for pair, kind in pairs.items() if kind == "near duplicate"}
    assert sum(by["picture"] for by in found.overlap.values()) == len(test) == 10
    assert sum(by["file"] + by["pixels"] for by in found.overlap.values()) == 0
    assert {pair for pair in pairs if pair not in LISTED | copies} == set()
