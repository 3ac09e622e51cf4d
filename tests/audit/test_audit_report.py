"""What the audit writes: JSON, a table, a verdict."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from audit_tree import cut, recoded, scene
from PIL import Image
from rich.console import Console

from al_lightning.audit.audit import Audit, audit
from al_lightning.audit.findings import Finding, of_set
from al_lightning.audit.table import print_audit


def printed(found: Audit) -> str:
    text = io.StringIO()
    print_audit(found, Console(file=text, width=160))
    return text.getvalue()


def test_json_comes_back(tree, tmp_path):
    cut(tree.image("pool", "pool-x"))
    with Image.open(tree.image("test", "test-k")) as image:
        tree.put("pool", "copy", recoded(image))
    found = audit(tree.dataset(notes=("masks: what they are",)))
    found.to_json(tmp_path / "new" / "audit.json")
    assert found.counts == {"truncated": 1, "near duplicate": 1, "label fraction": 3, "mask values": 1, "note": 1}
    assert Audit.from_json(tmp_path / "new" / "audit.json") == found


def test_table(tree):
    cut(tree.image("pool", "pool-x"))
    with Image.open(tree.image("test", "test-k")) as image:
        tree.put("pool", "copy[red]", recoded(image))
    text = printed(audit(tree.dataset()))
    for expected in ("truncated", "near duplicate", "test/test-k = pool/copy[red]", "1 of 3 test images are in pool"):
        assert expected in text


def test_notes_of_the_loader_come_first_and_once(tree):
    notes = ("tree: 3 files left out: 3 .txt", "masks [grey]: 2 of 9 are empty")
    found = audit(tree.dataset(notes=notes))
    assert [f.detail for f in found.findings if f.kind == "note"] == list(notes)
    lines = [line for line in printed(found).splitlines() if line]
    assert lines[:2] == list(notes)
    assert sum("3 .txt" in line for line in lines) == 1


def test_one_finding_of_many_images_counts_as_many(tree):
    for name in ("pool-q", "pool-x", "pool-k"):
        Image.new("L", (120, 96)).save(tree.mask("pool", name))
    found = audit(tree.dataset())
    assert found.counts["mask empty"] == 3
    assert "pool/pool-k, pool/pool-q, pool/pool-x: no pixel is polyp (3 of 8 masks of pool)" in printed(found)


def test_the_verdict_names_the_worst_finding():
    one = Finding("truncated", "error", ("a",), ("a",), ("pool",), "cut off")
    leak = Finding("near duplicate", "error", ("t", "p"), ("t", "p"), ("test", "pool"), "alike", 0.1)
    odd = Finding("constant image", "warning", ("c",), ("c",), ("pool",), "flat")
    base = Audit("set", "clean", {"test": 3}, (), {"pool": {"same": 0}}, {"images": 0}, {}, (), 1.0)

    def verdict(*findings: Finding) -> str:
        return replace(base, findings=findings).verdict()

    assert verdict() == "no error, no test image is in pool or validation"
    assert verdict(odd) == "no error, 1 warning, no test image is in pool or validation"
    assert verdict(one, odd) == "error: truncated (1 in pool, such as a: cut off); 1 error, 1 warning"
    assert verdict(one, leak, leak) == "error: near duplicate (2 in test and pool, such as t = p: alike); 3 errors"
    problem = of_set("dataset", "error", "no mask")
    assert verdict(one, one, problem) == "error: dataset (no mask); 3 errors"
    assert replace(base, overlap={}).verdict() == "no error"


@pytest.mark.parametrize("spoilt", [1, 14])
def test_unreadable_masks_are_the_verdict(tree, spoilt):
    """20 of 20 findings were errors, and the last line said that no test image leaks."""
    for split, name in tree.ids[:spoilt]:
        tree.mask(split, name).write_bytes(b"")
    found = audit(tree.dataset())
    assert found.errors == spoilt
    assert found.verdict().startswith("error: mask unreadable (")


def test_an_audit_without_images_is_printed():
    empty = Audit("set", "refused", {}, (of_set("dataset", "error", "no image"),), {}, {"images": 0}, {}, (), 0.0)
    assert "dataset, all: no image" in printed(empty)
    assert np.isfinite(scene(np.random.default_rng(0)).mean())
