"""Masks of two classes are understood from their files, or refused with the values and the option that settles it."""

from __future__ import annotations

import numpy as np
import pytest
from dataset_trees import save
from mask_sets import SIZE, colours, discs, line_of, numbers, palette, read, same, written
from PIL import Image

from al_lightning.data.dataset import DataError

RED = [[0, 0, 0], [128, 0, 0]]
CLEAR = {
    "0 and 255": (numbers([0, 255]), "8-bit grey, values 0 and 255"),
    "0 and 1": (numbers([0, 1]), "8-bit class numbers, values 0 and 1"),
    "1 bit": (numbers([0, 1], bool), "1-bit grey, values 0 and 255"),
    "0 and 200": (numbers([0, 200]), "8-bit grey, values 0 and 200"),
    "16 and 235": (numbers([16, 235]), "8-bit grey, values 16 and 235"),
    "GIF": (numbers([0, 255], suffix="gif"), "8-bit grey, values 0 and 255"),
    "WebP": (numbers([0, 255], suffix="webp", lossless=True), "8-bit grey, values 0 and 255"),
    "TIFF": (numbers([0, 255], suffix="tif", compression="tiff_lzw"), "8-bit grey, values 0 and 255"),
    **{
        f"16 bits {top}": (numbers([0, top], np.uint16), f"16-bit grey, values 0 and {top}")
        for top in (255, 1023, 4095, 65535, 40000)
    },
    "16 bits 1": (numbers([0, 1], np.uint16), "16-bit class numbers, values 0 and 1"),
    "32 bits": (numbers([0, 255], np.int32, "tif"), "32-bit grey, values 0 and 255"),
    "float": (numbers([0, 1], np.float32, "tif"), "32-bit class numbers, values 0 and 1"),
    "three equal channels": (colours([[0] * 3, [255] * 3]), "8-bit grey, values 0 and 255"),
    "three channels of 1": (colours([[0] * 3, [1] * 3]), "8-bit class numbers, values 0 and 1"),
    "nearly equal channels": (colours([[0, 2, 1], [255, 250, 254]]), "8-bit grey, values 1 and 252"),
    "opaque": (colours([[0, 0, 0, 255], [255] * 4]), "8-bit grey, values 0 and 255"),
    "alpha alone": (colours([[255, 255, 255, 0], [255] * 4]), "the alpha channel"),
    "alpha of grey": (lambda path, t: save(path.with_suffix(".png"), np.dstack([t * 0, t * 255])), "the alpha channel"),
    "alpha of a colour": (colours([[255, 0, 0, 0], [255, 0, 0, 255]]), "the alpha channel"),
    "alpha that agrees": (colours([[0] * 4, [255] * 4]), "8-bit grey, values 0 and 255"),
    "palette of colours": (palette(RED), "palette indices, values 0 and 1"),
    "palette of colours in a GIF": (palette(RED, suffix="gif"), "palette indices, values 0 and 1"),
    "palette of grey levels": (palette([[255] * 3, [0] * 3], [1, 0]), None),
    "palette of black and white": (palette([[0] * 3, [255] * 3]), "8-bit grey, values 0 and 255"),
}


@pytest.mark.parametrize("name", CLEAR)
def test_encodings_that_are_clear(tmp_path, name):
    targets = discs()
    write, line = CLEAR[name]
    files = written(tmp_path, targets, write)
    reading, notes = read(files)
    if name == "palette of grey levels":  # index 0 is white here: the grey level counts, and not the index
        targets = [1 - target for target in targets]
    same(reading, files, targets)
    share = np.mean([target == 1 for target in targets])
    if line is not None:
        assert notes[0] == f"masks: {line}, foreground {100 * share:.1f} % of pixels"
        assert reading.facts()["line"] == notes[0] == reading.describe()
        assert len(notes) == 1


@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("channels", [1, 3])
def test_noise_of_jpeg_around_both_ends(tmp_path, quality, channels):
    targets = discs(12, empty=(3, 7))
    write = numbers([0, 255], suffix="jpg", quality=quality)
    if channels == 3:
        write = colours([[0] * 3, [255] * 3], "jpg", quality=quality)
    files = written(tmp_path, targets, write)
    reading, notes = read(files)
    same(reading, files, targets, 0.004)
    assert "above 127 is foreground" in notes[0]
    assert notes[0].endswith("; 2 of 12 masks are empty")
    as_png = [save(f.with_suffix(".png"), np.asarray(Image.open(f))) for f in files]  # the noise stays
    same(read(as_png)[0], as_png, targets, 0.004)


def test_smoothed_rims_are_no_third_class(tmp_path):
    targets = [np.kron(target, np.ones((4, 4), np.uint8)) for target in discs()]
    for number, factor in enumerate((2, 3, 0.5)):
        size = (int(SIZE[1] * 4 / factor), int(SIZE[0] * 4 / factor))
        files = []
        for i, target in enumerate(targets):
            image = Image.fromarray(target * np.uint8(255)).resize(size, Image.Resampling.BILINEAR)
            files.append(save(tmp_path / f"{number}-{i}.png", np.asarray(image)))
        reading, _ = read(files)
        assert reading.how == "threshold"
        for file in files:
            assert np.array_equal(reading.decode(file), np.asarray(Image.open(file)) > 127)


def test_void_beside_class_numbers(tmp_path):
    targets = discs()
    for target in targets:
        target[:2] = 255
    stored = [np.where(t == 255, 2, t) for t in targets]
    for write, line in (
        (numbers([0, 1, 255]), "8-bit class numbers, values 0, 1 and 255"),
        (palette([[0] * 3, [128, 0, 0], [224, 224, 192]], [0, 1, 255]), "palette indices, values 0, 1 and 255"),
    ):
        files = written(tmp_path, stored, write)
        reading, notes = read(files)
        same(reading, files, targets)
        assert notes[0].startswith(f"masks: {line}, foreground ")
        assert notes[0].endswith(", void 5.0 %")


def test_little_noise_at_both_ends_is_noise_and_at_one_end_numbers(tmp_path):
    targets = discs()
    levels = [np.where(t == 1, 255, 0).astype(np.uint8) for t in targets]
    for level in levels:
        level[0, :3], level[-1, 0] = 1, 2
    files = [save(tmp_path / f"{i}.png", level) for i, level in enumerate(levels)]
    with pytest.raises(DataError, match=r"hold 0, 1, 2 and 255 .*nor black and white"):
        read(files)
    for level in levels:
        row, column = np.argwhere(level == 255)[5]
        level[row, column] = 254
    files = [save(tmp_path / f"{i}.png", level) for i, level in enumerate(levels)]
    same(read(files)[0], files, targets)


UNCLEAR = {
    "0 and 2": ([numbers([0, 2])], r"m00\.png: the masks hold 0 and 2 .*options: \{foreground: \[2\]\}"),
    "1 and 2": ([numbers([1, 2])], r"hold 1 and 2 .*\{foreground: \[2\]\}, \[1\]"),
    "1 and 3": ([numbers([1, 3])], r"hold 1 and 3 .*\{foreground: \[3\]\}, \[1\]"),
    "0 and 100": ([numbers([0, 100])], r"hold 0 and 100 .*\{foreground: \[100\]\}"),
    "16 bits, 0 and 7": ([numbers([0, 7], np.uint16)], r"hold 0 and 7 .*\{foreground: \[7\]\}"),
    "red": (
        [colours([[0] * 3, [255, 0, 0]])],
        r"in colours, \[0, 0, 0\], \[255, 0, 0\] .*\{masks: colours, colours: \{",
    ),
    "red of 1": ([colours([[0] * 3, [1, 0, 0]])], r"in colours, \[0, 0, 0\], \[1, 0, 0\]"),
    "red in a JPEG": ([colours([[0] * 3, [255, 0, 0]], "jpg")], "in colours"),
    "half 0 and 1, half 0 and 255": (
        [numbers([0, 1]), numbers([0, 255])],
        r"1 in 6 masks, but 255 without 1 in 6 others such as m01\.png; save all alike",
    ),
    "half 0 and 1, half noise": (
        [numbers([0, 1]), numbers([0, 255], suffix="jpg")],
        "0 and 1 in 6 masks, but .* in 6 others",
    ),
    "half palettes, half grey": ([palette(RED), numbers([0, 255])], "but a palette of colours in 6 masks such as m00"),
    "palettes that differ": (
        [palette(RED), palette([[0, 128, 0], [0, 0, 9]])],
        r"has \[0, 128, 0\] at 0, and that of m00\.png \[0, 0, 0\].*\{colours: ",
    ),
    "palette without 1": (
        [palette(RED, [0, 15])],
        r"indices are 0 \[0, 0, 0\], 15 \[128, 0, 0\].*\{foreground: \[15\]\}",
    ),
    "palette without black": ([palette([[0, 99, 0], [128, 0, 0]])], r"has \[0, 99, 0\] at 0 .*\{masks: palette\}"),
    "palette with void alone": ([palette(RED, [0, 255])], r"\{foreground: \[255\]\}"),
    "alpha and colours differ": ([colours([[9, 9, 9, 200], [250, 250, 250, 10]])], r"\{masks: alpha\}"),
    "fractions": ([numbers([0.0, 0.7], np.float32, "tif")], r"holds fractions, 0 and 0\.7; .*\{threshold: 0\.5\}"),
    "8 bits of 1, 16 bits of 255": (
        [numbers([0, 1]), numbers([0, 65535], np.uint16)],
        r"some masks hold 0 and 1, others 0 and 65535 \(m01\.png\)",
    ),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_what_is_not_clear_is_refused(tmp_path, name):
    writers, message = UNCLEAR[name]
    files = written(tmp_path, discs(), *writers)
    with pytest.raises(DataError, match=message) as error:
        read(files)
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_third_grey_is_refused(tmp_path, suffix):
    targets = discs(12, 3)
    files = written(tmp_path, targets, numbers([0, 128, 255], suffix=suffix))
    with pytest.raises(DataError, match=r"nor black and white; say which are polyp: .*\{foreground: \[255\]\}"):
        read(files)
    if suffix == "png":
        same(read(files, foreground=[128, 255])[0], files, [(t > 0) * np.uint8(1) for t in targets])
        expected = [np.array([0, 255, 1], np.uint8)[t] for t in targets]
        same(read(files, foreground=[255], void=[128])[0], files, expected)


def test_pictures_in_place_of_masks(tmp_path):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:40, :56]
    for name, channels in (("colours", 3), ("grey", 1)):
        files = []
        for i in range(10):
            picture = np.stack([90 + 40 * np.sin(x / 9 + i) + y, 60 + x, 50 + 2 * y], 2) + rng.normal(0, 9, (40, 56, 3))
            values = picture.clip(0, 255).astype(np.uint8)
            files.append(save(tmp_path / name / f"{i}.png", values if channels == 3 else values[..., 0]))
        with pytest.raises(DataError, match=r"photograph.*are the folders of images and masks exchanged"):
            read(files)
        with pytest.raises(DataError, match=r"photograph|class numbers 0 to 2"):
            read(files, ("a", "b", "c"))


def test_outlines_are_refused_and_filled_by_option(tmp_path):
    targets = discs(10, empty=(4,))
    lines = [line_of(target) for target in targets]
    for write in (numbers([0, 255]), numbers([0, 1])):
        files = written(tmp_path, lines, write)
        with pytest.raises(DataError, match=r"a thin closed line \(9 of 9 .*\{masks: outline\}.*\{masks: threshold\}"):
            read(files)
    files = written(tmp_path, lines, numbers([0, 255]))
    reading, notes = read(files, masks="outline")
    same(reading, files, targets)
    assert notes[0].startswith("masks: 8-bit outlines, filled, values 0 and 255, foreground ")
    same(read(files, masks="threshold")[0], files, lines)
    broken = lines[0].copy()
    broken[tuple(np.argwhere(broken)[0])] = 0
    save(files[0], broken * np.uint8(255))
    with pytest.raises(DataError, match=r"m00\.png: the outline at row \d+, column \d+ is not closed"):
        reading.decode(files[0])
    dots = np.zeros(SIZE, np.uint8)
    dots[2:4, 2:4], dots[10:20, 10:20] = 1, 1
    save(files[0], dots * np.uint8(255))
    assert np.array_equal(reading.decode(files[0]), dots), "what is filled already stays"


def test_class_numbers_in_a_format_that_changes_them(tmp_path):
    target = np.kron(np.eye(5, 7, dtype=np.uint8), np.ones((8, 8), np.uint8))  # blocks of JPEG, which keep it
    files = [save(tmp_path / f"{i}.jpg", target, quality=100) for i in range(3)]
    with pytest.raises(DataError, match=r"in a format that changes numbers .*save them as PNG, or .*\{masks: index\}"):
        read(files)
    same(read(files, masks="index")[0], files, [target] * 3)


def test_files_of_8_and_of_16_bits_that_say_the_same(tmp_path):
    targets = discs()
    files = written(tmp_path, targets, numbers([0, 255]), numbers([0, 4095], np.uint16), numbers([0, 1], bool))
    reading, notes = read(files)
    same(reading, files, targets)
    assert notes[0].startswith("masks: 1-, 8- and 16-bit grey, values 0, 255 and 4095, foreground ")
