"""What the audit writes: JSON, a table, a sheet of pairs."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from audit_tree import SIZE, cut, recoded, scene
from PIL import Image
from rich.console import Console

from al_lightning.audit.audit import Audit, audit
from al_lightning.audit.files import Finding
from al_lightning.audit.sheet import MOST, choose, contact_sheet, sheet_size


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
