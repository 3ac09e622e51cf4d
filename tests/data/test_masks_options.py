"""Options say what masks mean; they are obeyed, and what comes out is looked at."""

from __future__ import annotations

import json

import numpy as np
import pytest
from dataset_trees import folder_tree, half, save
from mask_sets import colours, discs, numbers, palette, read, same, written

from al_lightning.config.options import options_of
from al_lightning.data import DATASETS
from al_lightning.data.dataset import DataError
from al_lightning.data.datasets.folder import folder

RED = [[0, 0, 0], [128, 0, 0]]
ROAD = {"sky": [128, 128, 128], "road": [128, 64, 128], "car": [64, 0, 128]}


def test_foreground_and_void(tmp_path):
    targets = discs()
    files = written(tmp_path, targets, numbers([1, 3]))
    same(read(files, foreground=[3])[0], files, targets)
    same(read(files, foreground=[3], invert=True)[0], files, [1 - t for t in targets])
    assert read(files, foreground=[3])[1][0].startswith("masks: 8-bit numbers, values 1 and 3, foreground is 3, ")
    files = written(tmp_path, targets, palette(RED, [0, 15]))
    same(read(files, foreground=[15])[0], files, targets)
    targets = discs(12, 3)
    files = written(tmp_path, targets, numbers([2, 1, 3]))
    same(read(files, foreground=[1], void=[3])[0], files, [np.array([0, 1, 255], np.uint8)[t] for t in targets])
    same(read(files, foreground=[1, 3])[0], files, [(t > 0) * np.uint8(1) for t in targets])
    with pytest.raises(DataError, match=r"all 12 masks are empty: no pixel is polyp \(they hold 1, 2 and 3"):
        read(files, foreground=[7])
    noise = save(tmp_path / "noise.png", np.random.default_rng(0).integers(0, 256, (40, 56), dtype=np.uint8))
    with pytest.raises(DataError, match="too many for class numbers"):
        read([noise], foreground=[1])


def test_threshold(tmp_path):
    targets = discs()
    files = written(tmp_path, targets, numbers([10, 60]))
    same(read(files, threshold=40)[0], files, targets)
    assert "above 40 is foreground" in read(files, threshold=40)[1][0]
    with pytest.raises(DataError, match=r"all 12 masks are empty"):
        read(files, threshold=60)
    with pytest.raises(DataError, match=r"all 12 masks are full"):
        read(files, threshold=5)
    soft = written(tmp_path, targets, numbers([0.1, 0.8], np.float32, "tif"))
    same(read(soft, threshold=0.5)[0], soft, targets)
    deep = written(tmp_path, targets, numbers([100, 3000], np.uint16))
    same(read(deep, masks="threshold")[0], deep, targets)
    green = written(tmp_path, targets, colours([[0] * 3, [0, 255, 0]]))
    same(read(green, masks="threshold")[0], green, targets)
    dark = written(tmp_path, targets, colours([[0] * 3, [255, 0, 0]]))
    with pytest.raises(DataError, match="all 12 masks are empty"):
        read(dark, masks="threshold")


def test_index_with_255_and_no_1(tmp_path):
    files = written(tmp_path, discs(), numbers([0, 255]))
    with pytest.raises(DataError, match=r"none of 12 holds 1 \(they hold 0 and 255\).*\{masks: threshold\}"):
        read(files, masks="index")
    reading, notes = read(files, masks="index", allow_missing_classes=True)
    assert reading.decode(files[0]).max() == 255
    assert "void" in notes[0]
    same(read(files, masks="threshold")[0], files, discs())
    mixed = written(tmp_path / "mixed", discs(), numbers([0, 1]), numbers([0, 255]))
    (note,) = read(mixed, masks="index")[1][1:]
    assert note.startswith("masks: 255 is read as void, and is without 1 in 6 masks such as m01.png; if it is polyp")


def test_colours_of_classes_and_of_void(tmp_path):
    targets = discs(12, 4)
    table = [*ROAD.values(), [0, 0, 0]]
    files = written(tmp_path, targets, colours(table))
    reading, notes = read(files, tuple(ROAD), colours=ROAD | {"void": [0, 0, 0]})
    same(reading, files, [np.array([0, 1, 2, 255], np.uint8)[t] for t in targets])
    assert notes[0].startswith("masks: colours of 3 classes, 3 of 3 classes found, void ")
    with pytest.raises(DataError, match=r"holds the colour \[0, 0, 0\] \(\d+ pixels\), which is not listed; add it to"):
        read(files, tuple(ROAD), colours=ROAD)
    with pytest.raises(DataError, match=r"in colours.*\{masks: colours, colours: \{sky: \["):
        read(files, tuple(ROAD))
    two = written(tmp_path / "two", discs(), palette([[9, 9, 9], [0, 0, 255]], [4, 2]))
    same(read(two, colours={"background": [9, 9, 9], "polyp": [0, 0, 255]})[0], two, discs())
    grey = written(tmp_path / "grey", discs(12, 3), numbers([0, 128, 255]))
    table = {"a": [0, 0, 0], "b": [128, 128, 128], "c": [255, 255, 255]}
    same(read(grey, ("a", "b", "c"), colours=table)[0], grey, discs(12, 3))
    for wrong, message in (
        ({"sky": [0, 0, 0]}, "colours: no colour for road, car"),
        (ROAD | {"sea": [0, 0, 1]}, "colours.sea: no such class; expected sky, road, car or void"),
        (ROAD | {"void": [300, 0, 0]}, r"colours.void=\[300, 0, 0\]: expected \[red, green, blue\]"),
        (ROAD | {"void": ROAD["sky"]}, r"colours.void=\[128, 128, 128\]: sky has the same colour"),
    ):
        with pytest.raises(DataError, match=message):
            read(files, tuple(ROAD), colours=wrong)


def test_alpha_palette_and_invert(tmp_path):
    targets = discs()
    files = written(tmp_path, targets, colours([[9, 9, 9, 200], [250, 250, 250, 10]]))
    same(read(files, masks="alpha", invert=True)[0], files, targets)
    files = written(tmp_path, targets, palette(RED))
    same(read(files, masks="palette")[0], files, targets)
    grey = written(tmp_path, targets, numbers([0, 1]))
    with pytest.raises(DataError, match="has no palette"):
        read(grey, masks="palette")
    outside = written(tmp_path, targets, numbers([255, 0]))
    reading, notes = read(outside)
    assert len(notes) == 2
    assert "in the corners of 12 of 12 masks and fills more than half" in notes[1]
    assert notes[1].endswith("dataset.options: {invert: true}")
    reading, notes = read(outside, invert=True)
    same(reading, outside, targets)
    assert len(notes) == 1
    assert ", inverted, foreground " in notes[0]


def test_more_classes_hold_numbers(tmp_path):
    names = ("a", "b", "c", "d")
    targets = discs(12, 4)
    files = written(tmp_path, targets, numbers([0, 1, 2, 3]))
    reading, notes = read(files, names)
    same(reading, files, targets)
    assert notes[0] == "masks: 8-bit class numbers, values 0, 1, 2 and 3, 4 of 4 classes found"
    with pytest.raises(DataError, match="holds 3; expected class numbers 0 to 2, or 255 for void"):
        read(files, names[:3])
    with pytest.raises(
        DataError, match=r"e in none of 12 masks \(they hold 0, 1, 2 and 3\).*allow_missing_classes: true"
    ):
        read(files, (*names, "e"))
    assert read(files, (*names, "e"), allow_missing_classes=True)[1][0].endswith("4 of 5 classes found")
    same(read(files, names[:3], void=[3])[0], files, [np.where(t == 3, 255, t) for t in targets])
    table = palette([[128, 64, 128], [0, 0, 142], [70, 70, 70], [0, 0, 0]])
    same(read(written(tmp_path / "p", targets, table), names)[0], written(tmp_path / "p", targets, table), targets)
    gifs = written(
        tmp_path / "g", targets, palette([[128, 64, 128], [0, 0, 142], [70, 70, 70], [0, 0, 0]], suffix="gif")
    )
    with pytest.raises(DataError, match=r"m00\.gif: a GIF, whose palette may be numbered anew"):
        read(gifs, names)
    rare = discs(430, 3)
    for i, target in enumerate(rare):
        if i != 301:
            target[target == 2] = 0
    files = written(tmp_path / "rare", rare, numbers([0, 1, 2]))
    assert "8-bit class numbers" in read(files, names[:3])[1][0], "found in a file beyond the sample"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 9, "foreground": [1]}, "threshold and foreground: each says by itself"),
        ({"masks": "index", "threshold": 9}, "masks=index: does not go with threshold"),
        ({"masks": "threshold", "foreground": [1]}, "masks=threshold: does not go with foreground"),
        ({"masks": "colours"}, "masks=colours: needs"),
        ({"classes": ["a", "b", "c"], "threshold": 9}, "masks=threshold: needs two classes"),
        ({"classes": ["a", "b", "c"], "invert": True}, "invert=true: needs two classes"),
        ({"task": "depth", "masks": "index"}, "masks=index: is of task=segmentation, and the task is depth"),
        ({"unit": "mm"}, "unit=mm: is of task=depth, and the task is segmentation"),
    ],
)
def test_options_that_contradict_each_other(tmp_path, options, message):
    root = folder_tree(tmp_path, [str(i) for i in range(10)])
    with pytest.raises(DataError, match=message):
        folder(str(root), size=8, **options)


def test_options_of_a_yaml_reach_the_folder_and_its_facts_are_json(tmp_path):
    root = folder_tree(tmp_path, [str(i) for i in range(12)])
    for path in (root / "masks").iterdir():
        save(path, half(2) + np.uint8(1))
    given = {"root": str(root), "foreground": [3], "void": [7], "window": "auto"}
    options = options_of("dataset", DATASETS, "folder", given)
    data = folder(**options)
    assert np.array_equal(data.read_target(0), half(1))
    assert json.loads(json.dumps(data.facts))["masks"]["foreground"] == [3]
    assert data.notes[0] == data.facts["masks"]["line"]
    given = {"root": str(root), "colours": {"background": [1, 1, 1], "foreground": [3, 3, 3]}}
    assert np.array_equal(folder(**options_of("dataset", DATASETS, "folder", given)).read_target(0), half(1))


def test_held_out_masks_without_a_valid_pixel(tmp_path):
    names = [str(i) for i in range(12)]
    root = folder_tree(tmp_path, names)
    splits = ["train"] * 8 + ["val"] * 2 + ["test"] * 2
    lines = [f"images/{n}.JPG,masks/{n}.png,{s}" for n, s in zip(names, splits, strict=True)]
    (root / "list.csv").write_text("\n".join(["image,target,split", *lines]))
    for path in (root / "masks").iterdir():
        save(path, half(255 if int(path.stem) > 9 else 1) | np.uint8(255 * (int(path.stem) > 9)))
    with pytest.raises(
        DataError, match=r"1\d\.png: every pixel of this and of all other targets of test \(2\) is void"
    ):
        folder(str(root), size=8, csv="list.csv", masks="index")
