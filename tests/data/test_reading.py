"""Files become arrays, and a file that cannot is named."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from dataset_trees import grey, half, save
from PIL import Image

from al_lightning.data.dataset import DataError
from al_lightning.data.reading import (
    binary_mask,
    class_map,
    decoded,
    depth_map,
    index_map,
    native_size,
    object_foreground,
    object_map,
    read_rgb,
    threshold_map,
)


def test_images_are_rgb_and_their_size_is_known_from_the_header(tmp_path):
    path = save(tmp_path / "a.png", half(200))
    assert np.array_equal(read_rgb(path), np.repeat(half(200)[..., None], 3, axis=2))
    assert native_size(path) == (6, 8)
    path.write_bytes(path.read_bytes()[:-20])
    assert native_size(path) == (6, 8)
    with pytest.raises(DataError, match=r"a\.png: cannot be read \(.*\); replace the file or remove it"):
        read_rgb(path)
    path.unlink()
    for read in (read_rgb, native_size):
        with pytest.raises(DataError, match=r"a\.png: no such file; put it back or remove its partner"):
            read(path)


def test_more_than_8_bits_are_refused_where_pillow_would_clip_them(tmp_path):
    path = save(tmp_path / "deep.png", np.full((6, 8), 40_000, dtype=np.uint16))
    for read in (read_rgb, binary_mask):
        with pytest.raises(DataError, match=r"deep\.png: has more than 8 bits a channel \(16\); save it as 8-bit"):
            read(path)
    assert threshold_map(path).all()
    assert depth_map(path, 20.0)[0, 0] == pytest.approx(40_000 / 65_535 * 20)
    assert index_map(path).max() == 40_000


def test_masks_are_cut_at_half_of_the_range(tmp_path):
    for level, foreground in ((0, 0), (127, 0), (128, 1), (255, 1)):
        path = save(tmp_path / "mask.png", half(level))
        assert binary_mask(path).max() == threshold_map(path).max() == foreground
    path = save(tmp_path / "mask.png", half(1))
    assert binary_mask(path).max() == 0
    with pytest.raises(DataError, match=r"mask\.png: holds only 0 and 1, .* set dataset\.options\.masks=index"):
        threshold_map(path)
    bits = save(tmp_path / "bits.png", half().astype(bool))
    assert np.array_equal(binary_mask(bits), half(1))
    assert np.array_equal(threshold_map(bits), half(1))


def test_objects_keep_their_numbers_and_any_is_foreground(tmp_path):
    path = save(tmp_path / "objects.png", half(7))
    assert (object_map(path).dtype, np.unique(object_map(path)).tolist()) == (np.int32, [0, 7])
    assert np.array_equal(object_foreground(path), half(1))


def test_class_numbers_are_checked(tmp_path):
    path = save(tmp_path / "classes.png", half(255))
    assert np.array_equal(class_map(path, 2), half(255)), "255 is void"
    with pytest.raises(DataError, match=r"classes\.png: holds 3; expected class numbers 0 to 2, or 255 for void"):
        class_map(save(path, half(3)), 3)
    with pytest.raises(DataError, match=r"classes\.png: holds colours"):
        class_map(save(path, np.stack([half(1), half(2), half(3)], axis=2)), 9)
    # A grey map that was saved in three channels is read, and so is one with transparency or a palette.
    assert np.array_equal(class_map(save(path, grey(5)), 9), np.full((6, 8), 5))
    assert np.array_equal(class_map(save(path, np.stack([half(4), half()], axis=2)), 9), half(4))
    indexed = Image.fromarray(half(4))
    indexed.putpalette([0, 0, 0, 9, 9, 9, 5, 5, 5, 7, 7, 7, 200, 100, 50])
    indexed.save(path)
    assert np.array_equal(class_map(path, 9), half(4))


def test_depth_is_in_cm_and_can_be_inverted(tmp_path):
    path = save(tmp_path / "depth.png", half(51))
    assert depth_map(path, 10.0)[0, [0, -1]].tolist() == pytest.approx([0, 2])
    assert depth_map(path, 10.0, invert=True)[0, [0, -1]].tolist() == pytest.approx([10, 8])
    assert depth_map(path, 10.0).dtype == depth_map(path, 10.0, invert=True).dtype == np.float32


def test_whatever_a_decoder_raises_names_the_file(tmp_path):
    def fail(path, error):
        raise error

    path = tmp_path / "x.png"
    with pytest.raises(DataError, match=r"x\.png: cannot be read \(KeyError\); replace"):
        decoded(path, partial(fail, error=KeyError()))
    with pytest.raises(DataError, match="as it was"):
        decoded(path, partial(fail, error=DataError("as it was")))
