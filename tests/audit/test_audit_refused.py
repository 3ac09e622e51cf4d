"""The files of a set that its loader refuses are audited as far as they can be listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audit_tree import cut, draw, scene
from PIL import Image

from al_lightning.audit.audit import Audit, audit
from al_lightning.audit.refused import refused
from al_lightning.config.options import options_of
from al_lightning.data import DATASETS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten images with masks under the usual names."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for name in "abcdefghij":
        draw(tmp_path / "images" / f"{name}.png", scene(rng))
        mask = np.zeros((96, 120))
        mask[20:50, 30:60] = 255
        draw(tmp_path / "masks" / f"{name}.png", mask)
    return tmp_path


def found_in(root: Path, name: str = "folder", **options: Any) -> Audit:
    given = options_of("dataset", DATASETS, name, {"root": str(root), **options})
    return audit(refused(name, given, "no: a reason"))


def test_the_reason_is_an_error_and_the_files_are_audited(root):
    cut(root / "images" / "a.png")
    (root / "masks" / "b.png").write_bytes(b"")
    draw(root / "masks" / "c.png", np.eye(40) * 255)
    (root / "images" / "d.png").write_bytes((root / "images" / "e.png").read_bytes())
    found = found_in(root)
    assert found.splits == {"no split": 10}
    assert found.overlap == {}
    assert {(f.kind, f.severity, f.ids) for f in found.findings if f.severity != "info"} == {
        ("dataset", "error", ()),
        ("truncated", "error", ("a",)),
        ("mask unreadable", "error", ("b",)),
        ("mask size", "error", ("c",)),
        ("exact duplicate", "warning", ("d", "e")),
    }
    assert found.verdict() == "error: dataset (no: a reason); 4 errors, 1 warning"


def test_masks_of_unknown_meaning_are_told_as_they_are_stored(root):
    for path in (root / "masks").iterdir():
        values = np.zeros((96, 120))
        values[:20], values[50:] = 85, 170
        draw(path, values)
    found = found_in(root)
    assert found.counts == {"dataset": 1, "mask values": 1}
    assert found.findings[1].detail == "8-bit grey; holds 0, 85, 170"


def test_masks_whose_meaning_is_clear_are_counted(root):
    for path in (root / "masks").iterdir():
        Image.new("L", (120, 96)).save(path)
    assert found_in(root).counts == {"dataset": 1, "mask values": 1, "mask empty": 10, "label fraction": 1}


def test_a_csv_is_read(root):
    lines = [f"images/{name}.png,masks/{name}.png" for name in "abc"]
    (root / "list.csv").write_text("\n".join(["image,mask", *lines]))
    assert found_in(root, csv="list.csv").splits == {"no split": 3}


def test_depth(root):
    (root / "masks").rename(root / "depth")
    found = found_in(root, task="depth")
    assert {f.kind: f.detail for f in found.findings if f.kind != "dataset"} == {
        "depth range": "0 to 20 cm, mean 1.56 cm"
    }
    draw(root / "depth" / "a.png", np.zeros((96, 120, 3)) + np.arange(3))
    assert [(f.kind, f.ids) for f in found_in(root, task="depth").findings if f.ids] == [("depth does not fit", ("a",))]


def test_files_that_nobody_can_pair_are_opened_alone(root):
    (root / "masks").rename(root / "results")
    cut(root / "results" / "a.png")
    found = found_in(root)
    assert found.splits == {"no split": 20}
    assert [(f.kind, f.ids) for f in found.findings] == [("dataset", ()), ("truncated", ("results/a.png",))]


def test_a_published_set_without_a_mask(root):
    (root / "masks" / "a.png").unlink()
    found = found_in(root, "kvasir")
    assert found.splits == {"no split": 10}
    assert "images without mask: 1 of 10 (a)" in found.notes


def test_an_empty_folder(tmp_path):
    found = found_in(tmp_path)
    assert [(f.kind, f.severity, f.detail) for f in found.findings] == [("dataset", "error", "no: a reason")]
    assert found.sizes == {"images": 0}
