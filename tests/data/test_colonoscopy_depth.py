"""The loader of the colonoscopy depth set: paths, blocks and centimetres."""

from __future__ import annotations

import numpy as np
import pytest
from dataset_trees import depth_tree, half, save, split_ids
from PIL import Image

from al_lightning.data.cache import Cache
from al_lightning.data.dataset import DataError
from al_lightning.data.datasets.depth import colonoscopy_depth


def test_depth_keeps_paths_together_when_clean_and_shuffles_frames_for_paper(tmp_path):
    paths = {f"T1/T1_L{light}_{n}": 12 for light in (1, 2) for n in range(1, 6)} | {"T2": 30, "T3/a": 10, "T3/b": 10}
    root = depth_tree(tmp_path, paths)
    clean = colonoscopy_depth(str(root), 8)
    pool, validation, test = split_ids(clean)
    assert clean.facts["split_by"] == {"T1": "path", "T2": "block", "T3": "block"}
    of = [{name.rsplit("/", 1)[0] for name in ids if name.startswith("T1")} for ids in (pool, validation, test)]
    assert [len(s) for s in of] == [8, 1, 1]
    assert len(set.union(*of)) == 10
    assert "T1/T1_L1_1/0003" in clean.ids
    t2 = [[int(name[3:]) for name in ids if name.startswith("T2")] for ids in (pool, validation, test)]
    assert t2 == [[*range(24)], [24, 25, 26], [27, 28, 29]]
    t3 = [[name for name in ids if name.startswith("T3")] for ids in (pool, validation, test)]
    assert [len(ids) for ids in t3] == [16, 2, 2]
    assert t3[2] == ["T3/b/0008", "T3/b/0009"]
    assert clean.facts["test_frames_with_neighbour_in_pool"] == 0
    paper = colonoscopy_depth(str(root), 8, "paper")
    by_texture = [[sum(name.startswith(t) for name in ids) for t in ("T1", "T2", "T3")] for ids in split_ids(paper)]
    assert by_texture == [[96, 24, 16], [12, 3, 2], [12, 3, 2]]
    pooled = set(split_ids(paper)[0])
    near = sum(
        any(f"{name[:-4]}{int(name[-4:]) + step:04d}" in pooled for step in (-1, 1)) for name in split_ids(paper)[2]
    )
    assert paper.facts["test_frames_with_neighbour_in_pool"] == near > 10
    # The two paths that share file names are matched with their own depth.
    row = clean.ids.index("T3/b/0005")
    assert clean.targets[row].parent == clean.images[row].parent


def test_depth_is_in_cm_and_can_be_inverted(tmp_path):
    root = depth_tree(tmp_path, dict.fromkeys(("T1", "T2", "T3"), 10))
    data = colonoscopy_depth(str(root), 8)
    assert (data.task.kind, data.task.maximum, data.task.channels) == ("depth", 20.0, 1)
    target = data.read_target(data.ids.index("T2/0005"))
    assert target.dtype == np.float32
    assert target[0, 0] == pytest.approx(5 / 255 * 20)
    assert target[0, -1] == pytest.approx(20.0)
    near = colonoscopy_depth(str(root), 8, maximum_cm=5.1, invert=True).read_target(data.ids.index("T2/0005"))
    assert near[0, 0] == pytest.approx(5.0)
    assert near[0, -1] == 0
    cache = Cache(data)
    cache.reveal_targets([0])
    assert cache.targets(np.array([0])).dtype == np.float32


def test_depth_files_with_the_path_in_their_names(tmp_path):
    for light in range(1, 5):
        for n in range(5):
            for kind in ("FrameBuffer", "Depth"):
                save(tmp_path / "T1" / f"C_T1_L{light}_5_resized_{kind}_{n:04d}.png", half(n))
    data = colonoscopy_depth(str(tmp_path), 8, textures=["T1"])
    assert data.facts["split_by"] == {"T1": "path"}
    assert "T1/C_T1_L3_5_resized/0004" in data.ids
    lights = [{name.split("_")[2] for name in ids} for ids in split_ids(data)]
    assert sorted(len(s) for s in lights) == [1, 1, 2]
    assert len(set.union(*lights)) == 4


def test_too_few_frames_are_named(tmp_path):
    depth_tree(tmp_path, {"T1": 5})
    with pytest.raises(DataError, match=r"T1: 5 frames cannot be split 8 : 1 : 1; at least 6"):
        colonoscopy_depth(str(tmp_path), textures=["T1"])
    for options, message in (({"maximum_cm": 0.0}, "maximum_cm=0"), ({"textures": []}, r"textures=\[\]")):
        with pytest.raises(DataError, match=message):
            colonoscopy_depth(str(tmp_path), **options)


def test_real_depth(real_data):
    clean = colonoscopy_depth(str(real_data / "ColonoscopyDepth"))
    assert [len(ids) for ids in split_ids(clean)] == [320, 39, 42]
    assert clean.facts["test_frames_with_neighbour_in_pool"] == 0
    paper = colonoscopy_depth(str(real_data / "ColonoscopyDepth"), protocol="paper")
    assert [len(ids) for ids in split_ids(paper)] == [320, 39, 42]
    assert paper.facts["test_frames_with_neighbour_in_pool"] > 30
    with Image.open(clean.targets[7]) as image:
        grey_levels = np.asarray(image)
    assert np.allclose(clean.read_target(7), grey_levels / 255 * 20, atol=1e-5)
