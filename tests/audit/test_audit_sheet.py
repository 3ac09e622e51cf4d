"""The picture of a set: outlines over images, depth beside them, what was flagged, pairs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from audit_tree import SIZE, cut, recoded
from PIL import Image

from al_lightning.audit.audit import audit
from al_lightning.audit.findings import Finding
from al_lightning.audit.sheet import MOST, choose, contact_sheet
from al_lightning.audit.subject import Subject
from al_lightning.audit.tiles import HEIGHT, WIDTH, coloured, tiles
from al_lightning.core.task import Task
from al_lightning.data.outlines import LINE, VOID, outlined
from al_lightning.data.reading import depth_map


def test_an_outline_lies_on_the_inner_border_of_the_mask():
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 30:60] = 1
    mask[:5] = 255
    drawn = np.asarray(outlined(Image.new("RGB", (80, 60)), mask, 2))
    on = (drawn == LINE).all(axis=2)
    inside = np.zeros_like(on)
    inside[20:40, 30:60] = True
    inside[22:38, 32:58] = False
    np.testing.assert_array_equal(on, inside)
    assert (drawn[3:5] == VOID).all()
    assert not drawn[:3].any()


def test_a_mirrored_mask_is_drawn_elsewhere():
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 10:30] = 1
    right, wrong = (np.asarray(outlined(Image.new("RGB", (80, 60)), m, 2)) for m in (mask, mask[:, ::-1]))
    np.testing.assert_array_equal(right, wrong[:, ::-1])
    assert (right != wrong).any()


def test_each_of_many_classes_has_its_colour():
    mask = np.repeat(np.arange(3, dtype=np.uint8), 20)[None].repeat(30, axis=0)
    drawn = np.asarray(outlined(Image.new("RGB", (60, 30)), mask, 3))
    colours = {tuple(c) for c in drawn.reshape(-1, 3).tolist()} - {(0, 0, 0)}
    assert len(colours) == 3
    assert not drawn[:, 5:15].any()


def test_depth_is_coloured_and_grey_where_it_is_not_measured():
    drawn = coloured(np.array([[0.0, 5.0, np.nan]], np.float32))
    assert drawn[0, 0].max() < 10
    assert drawn[0, 1].min() > 150
    assert drawn[0, 2].tolist() == [150] * 3


def test_tiles_of_both_tasks_and_of_what_cannot_be_read(tree):
    cut(tree.image("pool", "pool-q"))
    masks = Subject.of(tree.dataset())
    depth = Subject.of(tree.dataset(task=Task("depth", ()), decode_target=partial(depth_map, maximum=20.0)))
    row = masks.ids.index("pool/pool-k")
    for subject, number in ((masks, 1), (depth, 2)):
        assert [tile.size for tile in tiles(subject, row)] == [(WIDTH, HEIGHT)] * number
    assert (np.asarray(tiles(masks, row)[0]) == LINE).all(axis=2).any()
    broken = np.asarray(tiles(masks, masks.ids.index("pool/pool-q"))[0])
    assert set(np.unique(broken)) == {0x33, 0x88}
    unknown = replace(masks, decode_target=None)
    assert (np.asarray(tiles(unknown, row)[0]) == LINE).all(axis=2).any()
    bare = replace(masks, targets=(None,) * len(masks.ids))
    assert not (np.asarray(tiles(bare, row)[0]) == LINE).all(axis=2).any()


@pytest.mark.parametrize("spoilt", [False, True])
def test_the_sheet_grows_with_what_is_found(tree, tmp_path, spoilt):
    plain = contact_sheet(tree.dataset(), audit(tree.dataset()), tmp_path / "new" / "plain.png")
    if spoilt:
        with Image.open(tree.image("test", "test-k")) as image:
            tree.put("pool", "copy", recoded(image))
        Image.new("L", SIZE[::-1]).save(tree.mask("pool", "pool-q"))
        cut(tree.image("pool", "pool-x"))
    found = audit(tree.dataset())
    with Image.open(contact_sheet(tree.dataset(), found, tmp_path / "sheet.png")) as sheet, Image.open(plain) as first:
        sheet.load()
        assert sheet.format == "PNG"
        more = sheet.height - first.height
        # one line each of pairs, of the empty mask, and of the unreadable image
        assert (more > 3 * HEIGHT) == (more > 0) == spoilt


def test_copies_are_left_out_first():
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
