"""Masks go to COCO and CVAT files and come back equal in every pixel; shapes are filled as their tools fill them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Outline

from al_lightning.data.errors import DataError
from al_lightning.oracles.coco import read_coco, segmentation, write_coco
from al_lightning.oracles.cvat import read_cvat, write_cvat
from al_lightning.oracles.shapes import ellipse, of_runs, polygon, runs_of

CLASSES = ("background", "Polyp", "tool")


def masks(count: int = 40) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        height, width = rng.integers(1, 30, 2)
        found.append(rng.choice(3, (height, width), p=rng.dirichlet([1, 1, 1])).astype(np.uint8))
    return found


@pytest.mark.parametrize(("write", "read"), [(write_coco, read_coco), (write_cvat, read_cvat)])
def test_a_file_of_a_tool_gives_the_masks_back(tmp_path: Path, write, read) -> None:
    labels = masks()
    path = tmp_path / "file"
    path.write_text(write([(f"p/{k}.png", label, label.shape) for k, label in enumerate(labels)], CLASSES))
    answers, empty = read(path, CLASSES)
    assert len(answers) + len(empty) == len(labels)
    for answer in answers:
        assert np.array_equal(answer.read(), labels[int(answer.key.removeprefix("p/"))])
    assert {int(name.removeprefix("p/")) for name in empty.values()} == {k for k, m in enumerate(labels) if not m.any()}
    again, _ = read(path, CLASSES)
    assert [one.digest for one in again] == [one.digest for one in answers]


def test_runs_are_those_of_the_reference_implementation() -> None:
    coder = pytest.importorskip("pycocotools.mask")
    for label in masks():
        mask, size = label == 1, list(label.shape)
        packed = coder.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert coder.frPyObjects({"size": size, "counts": runs_of(mask, True)}, *size)["counts"] == packed["counts"]
        text = {"size": size, "counts": packed["counts"].decode()}
        assert np.array_equal(segmentation(text, label.shape), mask)
        assert np.array_equal(of_runs(runs_of(mask), label.shape), mask)


def test_polygons_are_filled_by_the_centres_of_pixels() -> None:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:40, :50] + 0.5
    centres = np.stack([x.reshape(-1), y.reshape(-1)], 1)
    for _ in range(30):
        angles, radii = np.sort(rng.uniform(0, 2 * np.pi, 9)), rng.uniform(3, 30, 9)
        corners = np.stack([25 + radii * np.cos(angles), 20 + radii * np.sin(angles)], 1)
        wanted = Outline(corners).contains_points(centres).reshape(40, 50)
        assert np.array_equal(polygon(corners.tolist(), (40, 50)), wanted)


def outline_points(mask: np.ndarray) -> list[list[float]]:
    """Outlines of a mask as polygons [x1, y1, x2, y2, ...] along the borders of its pixels.

    Filling them with `polygon` and the even-odd rule, one exclusive-or the other, gives the mask again.
    """
    padded = np.pad(mask, 1)
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def add(a: tuple[int, int], b: tuple[int, int]) -> None:
        edges.setdefault(a, []).append(b)

    # Each border of a pixel is walked with the mask on its right.
    for y, x in np.argwhere(padded[1:, :] != padded[:-1, :]).tolist():
        below = padded[y + 1, x]
        add((x, y + 1), (x + 1, y + 1)) if below else add((x + 1, y + 1), (x, y + 1))
    for y, x in np.argwhere(padded[:, 1:] != padded[:, :-1]).tolist():
        right = padded[y, x + 1]
        add((x + 1, y + 1), (x + 1, y)) if right else add((x + 1, y), (x + 1, y + 1))
    found = []
    while edges:
        start = next(iter(edges))
        path = [start]
        while True:
            ahead = edges[path[-1]]
            path.append(ahead.pop())
            if not ahead:
                del edges[path[-2]]
            if path[-1] == start:
                break
        corners = [
            p
            for before, p, after in zip([path[-2], *path[:-2]], path[:-1], path[1:], strict=True)
            if (p[0] - before[0], p[1] - before[1]) != (after[0] - p[0], after[1] - p[1])
        ]
        found.append([float(value - 1) for corner in corners for value in corner])
    return found


def test_outlines_are_filled_to_the_same_mask() -> None:
    for label in masks():
        found = np.zeros(label.shape, bool)
        for points in outline_points(label == 1):
            found ^= polygon(list(zip(points[::2], points[1::2], strict=True)), label.shape)
        assert np.array_equal(found, label == 1)


def test_an_ellipse_turns_clockwise() -> None:
    """The y axis points down: 45 degrees lead from the right to the lower right."""
    turned = ellipse((10, 10), (8, 2), (20, 20), 45)
    assert turned[14, 14]
    assert not turned[5, 14]
    assert turned.sum() == pytest.approx(np.pi * 8 * 2, rel=0.1)


def test_coco_polygons_are_filled_as_pycocotools_does(tmp_path: Path) -> None:
    coder = pytest.importorskip("pycocotools.mask")
    corners = [2.0, 2.0, 17.5, 3.0, 12.0, 15.5]
    held = {
        "images": [{"id": 7, "file_name": "a.jpg", "height": 20, "width": 20}],
        "annotations": [{"image_id": 7, "category_id": 4, "segmentation": [corners]}],
        "categories": [{"id": 4, "name": "POLYP"}],
    }
    (tmp_path / "x.json").write_text(json.dumps(held))
    (answer,), _ = read_coco(tmp_path / "x.json", CLASSES)
    wanted = coder.decode(coder.merge(coder.frPyObjects([corners], 20, 20)))
    assert np.array_equal(answer.read(), wanted)
    assert answer.key == "a"


CVAT = '<annotations><image id="0" name="a.png" width="8" height="6">{}</image></annotations>'


@pytest.mark.parametrize(
    ("shape", "lines", "columns"),
    [
        ('<box label="polyp" xtl="1" ytl="2" xbr="4" ybr="5" z_order="1"/>', (2, 5), (1, 4)),
        ('<polygon label="polyp" points="1,2;4,2;4,5;1,5" z_order="1"/>', (2, 5), (1, 4)),
        ('<mask label="polyp" rle="0, 9" left="1" top="2" width="3" height="3" z_order="1"/>', (2, 5), (1, 4)),
    ],
)
def test_shapes_of_cvat_lie_over_each_other_by_z_order(tmp_path: Path, shape: str, lines, columns) -> None:
    below = '<box label="tool" xtl="0" ytl="0" xbr="8" ybr="6" z_order="0"/>'
    (tmp_path / "x.xml").write_text(CVAT.format(shape + below))
    (answer,), _ = read_cvat(tmp_path / "x.xml", CLASSES)
    wanted = np.full((6, 8), 2, np.uint8)
    wanted[slice(*lines), slice(*columns)] = 1
    assert np.array_equal(answer.read(), wanted)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.json", "[1, 2]", "no COCO file"),
        ("x.json", "{", "no COCO file"),
        ("x.json", '{"images": [], "annotations": [{"image_id": 1, "category_id": 1}]}', "is no class"),
        ("x.xml", "<a>", "no XML file"),
        ("x.xml", "<a/>", "<a>"),
        ("x.xml", "<annotations><track/></annotations>", "tracks of a video"),
        ("x.xml", CVAT.format('<box label="dog"/>'), "'dog' is no class"),
        ("x.xml", '<!DOCTYPE a [<!ENTITY x "y">]><annotations>&x;</annotations>', "entities"),
    ],
)
def test_a_file_that_is_something_else_is_one_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        (read_coco if name.endswith("json") else read_cvat)(tmp_path / name, CLASSES)


@pytest.mark.parametrize(
    "shape",
    [
        '<mask label="polyp" rle="0, 9" left="6" top="2" width="3" height="3"/>',
        '<mask label="polyp" rle="0, 8" left="1" top="2" width="3" height="3"/>',
        '<polygon label="polyp" points="1,2;4,2"/>',
        '<polygon label="polyp" points="1,2;4,x;1,1"/>',
        '<box label="polyp" xtl="1"/>',
    ],
)
def test_a_shape_that_cannot_be_read_rejects_its_image_alone(tmp_path: Path, shape: str) -> None:
    (tmp_path / "x.xml").write_text(CVAT.format(shape))
    (answer,), _ = read_cvat(tmp_path / "x.xml", CLASSES)
    with pytest.raises(ValueError, match=r"\w"):
        answer.read()
