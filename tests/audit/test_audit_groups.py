"""Groups in several splits, and the rule that would keep frames of one video together."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from audit_tree import draw, recoded, scene
from dataset_trees import save
from PIL import Image

from al_lightning.audit.audit import Audit, audit
from al_lightning.core.task import Task
from al_lightning.data.dataset import DenseDataset
from al_lightning.data.datasets.folder import folder
from al_lightning.data.reading import binary_mask

VIDEOS, FRAMES = 6, 5


def frames(root: Path, pattern: str, **changes) -> DenseDataset:
    """Videos whose frames drift, each split among pool, validation and test; `pattern` says where a frame lies."""
    rng = np.random.default_rng(0)
    ids, paths = [], []
    for video in range(VIDEOS):
        ground = scene(rng, (120, 150))
        for frame in range(FRAMES):
            ids.append(pattern.format(video=video, frame=frame, patient="abcdef"[video], ward="xyz"[video // 2]))
            path = root / f"{ids[-1]}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            draw(path, ground[frame : frame + 96, 2 * frame : 2 * frame + 120])
            paths.append(path)
    rows = np.arange(len(ids))
    splits = {"pool": rows[rows % FRAMES < 3], "validation": rows[rows % FRAMES == 3], "test": rows[rows % FRAMES == 4]}
    known = {"name": "folder", "task": Task(), "size": (64, 64), "decode_target": binary_mask}
    files = {"ids": tuple(ids), "images": tuple(paths), "targets": (None,) * len(ids)}
    return DenseDataset(**known | files | splits | changes)


def rule_of(found: Audit) -> list[str]:
    return [one.detail for one in found.findings if one.kind == "group rule"]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("v{video}_frame{frame:03d}", "video"),
        ("{ward}/v{video}_frame{frame:03d}", "video"),
        ("{patient}/scan {frame} of {video}", "folder"),
        ("{video}/t{frame}-{patient}{frame}", "folder"),
        ("{patient}_{frame}x{frame}_left", "^("),
    ],
)
def test_the_rule_that_keeps_frames_together_is_proposed(tmp_path, name, rule):
    found = audit(frames(tmp_path, name))
    assert found.leaks
    (detail,) = rule_of(found)
    assert f"dataset.options: {{groups: '{rule}" in detail
    assert f"({VIDEOS} groups; {VIDEOS} in several splits" in detail
    assert "draw splits by it" in rule_of(audit(frames(tmp_path, name, name="published")))[0]


def test_no_rule_for_copies_under_any_name(tree):
    with Image.open(tree.image("test", "test-k")) as image:
        tree.put("pool", "copy", recoded(image))
    found = audit(tree.dataset())
    assert found.leaks
    assert rule_of(found) == []


def test_no_rule_where_nothing_leaks(tmp_path):
    dataset = frames(tmp_path, "v{video}_frame{frame:03d}")
    rows = np.arange(len(dataset.ids))
    video = rows // FRAMES
    whole = {"pool": rows[video < 4], "validation": rows[video == 4], "test": rows[video == 5]}
    found = audit(frames(tmp_path, "v{video}_frame{frame:03d}", **whole))
    assert not found.leaks
    assert rule_of(found) == []


def test_a_group_in_several_splits(tree):
    dataset = tree.dataset()
    groups = list(dataset.ids)
    for name in ("test/test-k", "pool/pool-q", "pool/pool-x"):
        groups[dataset.ids.index(name)] = "patient 1"
    for name in ("validation/validation-k", "pool/pool-k"):
        groups[dataset.ids.index(name)] = "patient 2"
    for name in ("pool/pool-v", "pool/pool-w"):
        groups[dataset.ids.index(name)] = "patient 3"
    found = audit(tree.dataset(groups=tuple(groups)))
    split = [one for one in found.findings if one.kind == "group across splits"]
    assert {(one.severity, one.detail) for one in split} == {
        ("error", "group patient 1: 2 in pool, 1 in test"),
        ("warning", "group patient 2: 1 in pool, 1 in validation"),
    }
    assert found.errors > 0


@pytest.mark.parametrize("name", ["v{video}_frame{frame:03d}", "{number:03d}"])
def test_what_is_proposed_makes_the_leaks_go_away(tmp_path, name):
    """Also for frames of all videos that are numbered in one go, which no rule of names keeps together."""
    rng = np.random.default_rng(0)
    for video in range(8):
        ground = scene(rng, (120, 150))
        for frame in range(FRAMES):
            called = name.format(video=video, frame=frame, number=video * FRAMES + frame)
            shown = ground[frame : frame + 96, 2 * frame : 2 * frame + 120]
            save(tmp_path / "images" / f"{called}.png", shown.astype(np.uint8))
            mask = np.zeros((96, 120), np.uint8)
            mask[20:60, 30:80] = 255
            save(tmp_path / "masks" / f"{called}.png", mask)
    alone = audit(folder(str(tmp_path), groups="none"))
    assert alone.leaks
    (detail,) = rule_of(alone)
    rule = re.search(r"dataset\.options: \{groups: '(.*)'\}", detail)
    assert rule is not None
    assert not audit(folder(str(tmp_path), groups=rule[1])).leaks
    assert not audit(folder(str(tmp_path))).leaks
