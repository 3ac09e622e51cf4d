"""A file that does not fit the reading of its set is an error when it is read."""

from __future__ import annotations

import numpy as np
import pytest
from mask_sets import colours, discs, numbers, palette, read, same, written

from al_lightning.data.dataset import DataError

RED = [[0, 0, 0], [128, 0, 0]]
GREY = numbers([0, 255])
STRAY = {
    "class numbers in grey": (GREY, numbers([0, 1]), "holds only 0 and 1, of which a threshold would leave nothing"),
    "a trimap in grey": (GREY, numbers([1, 2]), "holds only 1 and 2"),
    "half way grey": (
        GREY,
        numbers([0, 128]),
        r"% of its pixels half way between black and white; .*\{threshold: 127\}",
    ),
    "red in grey": (GREY, colours([[0] * 3, [255, 0, 0]]), "holds colours, and the masks of this set black and white"),
    "a palette in grey": (GREY, palette(RED), "holds a palette of colours"),
    "alpha in grey": (GREY, colours([[255, 255, 255, 0], [255] * 4]), "is transparent in places"),
    "16 bits in 8": (GREY, numbers([0, 65535], np.uint16), "has 16 bits a pixel and the other masks of the set 8"),
    "grey in class numbers": (numbers([0, 1]), GREY, "holds 255; expected class numbers 0 to 1$"),
    "2 in class numbers": (numbers([0, 1]), numbers([0, 2]), "holds 2; expected class numbers 0 to 1$"),
    "red in class numbers": (numbers([0, 1]), colours([[0] * 3, [255, 0, 0]]), "holds colours"),
    "grey in palettes": (palette(RED), GREY, "has no palette"),
    "other colours in palettes": (
        palette(RED),
        palette([[0, 0, 0], [0, 128, 0]]),
        r"has \[0, 128, 0\] at 1 .*\[128, 0, 0\]",
    ),
    "other indices in palettes": (palette(RED), palette(RED, [0, 2]), "holds 2; expected class numbers 0 to 1"),
    "grey in alpha": (colours([[255, 255, 255, 0], [255] * 4]), GREY, "has no alpha channel"),
}


@pytest.mark.parametrize("name", STRAY)
def test_a_stray_file(tmp_path, name):
    usual, stray, message = STRAY[name]
    targets = discs()
    files = written(tmp_path / "set", targets, usual)
    reading, _ = read(files)
    (other,) = written(tmp_path / "stray", targets[:1], stray)
    with pytest.raises(DataError, match=message) as error:
        reading.decode(other)
    assert str(error.value).startswith(f"{other}: ")
    assert "\n" not in str(error.value)


def test_a_stray_file_with_void_in_a_set_of_black_and_white(tmp_path):
    targets = discs()
    reading, _ = read(written(tmp_path / "set", targets, GREY))
    both = targets[0].copy()
    both[0] = 2
    (other,) = written(tmp_path / "stray", [both], numbers([0, 1, 255]))
    with pytest.raises(DataError, match="holds 0, 1 and 255; save it as the others"):
        reading.decode(other)


def test_empty_and_full_masks_fit_every_reading(tmp_path):
    targets = discs(empty=(2, 5))
    targets[6][:] = 1
    for write in (
        GREY,
        numbers([0, 1]),
        palette(RED),
        colours([[255, 255, 255, 0], [255] * 4]),
        numbers([0, 4095], np.uint16),
    ):
        files = written(tmp_path, targets, write)
        reading, notes = read(files)
        same(reading, files, targets)
        assert "; 2 of 12 masks are empty" in notes[0]


def test_more_files_than_are_looked_at(tmp_path):
    targets = discs(430, empty=tuple(i for i in range(430) if i != 301))
    files = written(tmp_path, targets, GREY)
    reading, notes = read(files)
    assert reading.found is not None
    assert notes[0].endswith("(200 of 430 looked at)") or "of 430 looked at" in notes[0]
    same(reading, files, targets)
    targets[301][:] = 0
    files = written(tmp_path, targets, GREY)
    with pytest.raises(DataError, match=r"all 430 masks are empty: no pixel is polyp"):
        read(files)


def test_files_that_cannot_be_opened_are_left_to_whoever_reads_them(tmp_path):
    targets = discs()
    files = written(tmp_path, targets, GREY)
    files[3].write_bytes(files[3].read_bytes()[:40])
    files[4].unlink()
    reading, _ = read(files)
    same(reading, files[:3], targets[:3])
    for file in files:
        file.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"m00\.png: cannot be read"):
        read(files)
