"""The rule by which images and targets are paired, found from their names alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from al_lightning.data.own.globs import key_of, matcher
from al_lightning.data.own.pairing import Affix, Pairs, derived, pair_up, split_flat

NAMES = [f"p{i % 2}/v_{i:03d}" for i in range(12)]


def only(pairs: Pairs | None) -> dict[str, str]:
    """image -> its one target."""
    assert pairs is not None
    assert all(len(targets) == 1 for targets in pairs.targets.values())
    return {image: targets[0] for image, targets in pairs.targets.items()}


def dressed(name: str, prefix: str, suffix: str) -> str:
    folder, slash, stem = name.rpartition("/")
    return f"{folder}{slash}{prefix}{stem}{suffix}"


@pytest.mark.parametrize(
    ("image", "target"),
    [
        (("", ""), ("", affix))
        for affix in (
            *("_segmentation", "_mask", "_gt", "-mask", "_annotation", "_anno", "_seg", "_label", "_labels", "_MASK"),
            *("_groundtruth", "_manual1", "mask", ".mask", " mask", "_L", "_made_by_anna"),
        )
    ]
    + [
        (("", ""), ("mask_", "")),
        (("img_", ""), ("mask_", "")),
        (("img", ""), ("mask", "")),
        (("", "_rgb"), ("", "_seg")),
        (("", "_leftImg8bit"), ("", "_gtFine_labelIds")),
        (("scan_no_", ""), ("", "")),
        (("", ""), ("the ", " mask of today")),
    ],
)
def test_names_that_differ_in_what_surrounds_them(image, target):
    images, targets = ([dressed(name, *affix) for name in NAMES] for affix in (image, target))
    assert only(pair_up(images, targets, "segmentation")) == dict(zip(images, targets, strict=True))


def test_depth_beside_frame_buffers():
    images, targets = [f"T1/FrameBuffer_{i:04d}" for i in range(9)], [f"T1/Depth_{i:04d}" for i in range(9)]
    assert only(pair_up(images, targets, "depth")) == dict(zip(images, targets, strict=True))
    found, pairs = split_flat([*images, *targets, "T1/camera"], "depth")
    assert found == images
    assert only(pairs) == dict(zip(images, targets, strict=True))


@given(st.permutations(NAMES), st.integers(1, 12))
def test_equal_names_always_pair_and_the_rest_is_orphaned(names, count):
    pairs = pair_up(NAMES, [*names[:count], "p0/other_mask", "p2/v_000"], "segmentation")
    assert only(pairs) == {name: name for name in names[:count]}
    assert pairs.orphans == ["p0/other_mask", "p2/v_000"]


def test_the_rule_that_pairs_most_is_used_and_the_plain_one_where_two_pair_as_many():
    pairs = pair_up(["a", "b", "c"], ["a", "a_mask", "b_mask", "c_mask"], "segmentation")
    assert pairs.rule.target == Affix("", "_mask")
    assert pairs.orphans == ["a"]
    assert only(pair_up(["a", "a_mask"], ["a", "a_mask"], "segmentation")) == {"a": "a", "a_mask": "a_mask"}


def test_numbers_are_no_affix_and_folders_count():
    assert pair_up(["1", "2", "3"], ["10", "20", "30"], "segmentation") is None
    assert pair_up(["a1"], ["b1"], "segmentation") is None
    pairs = pair_up(["p1/1", "p2/2"], ["p1/1", "p3/2"], "segmentation")
    assert pairs.targets == {"p1/1": ["p1/1"]}, "the same number of another patient is another image"
    assert pair_up(["p1/1", "p2/1"], ["1"], "segmentation") is None, "a name that two folders hold is ambiguous"


def test_case_and_folders_are_let_go_only_where_that_is_unambiguous():
    pairs = pair_up(["A", "B"], ["a", "b"], "segmentation")
    assert pairs.rule.fold
    assert only(pairs) == {"A": "a", "B": "b"}
    assert only(pair_up(["A", "a"], ["A", "a"], "segmentation")) == {"A": "A", "a": "a"}
    pairs = pair_up(["p1/x", "p2/y"], ["x", "y"], "segmentation")
    assert pairs.rule.by_name
    assert only(pairs) == {"p1/x": "x", "p2/y": "y"}


def test_several_targets_of_one_image_are_told_by_the_number_at_their_end():
    pairs = pair_up(["x", "y"], ["x_mask", "x_mask_1", "x_mask_02", "x_3_mask", "y_mask"], "segmentation")
    assert pairs.targets == {"x": ["x_mask", "x_mask_1", "x_mask_02", "x_3_mask"], "y": ["y_mask"]}
    assert pair_up(["x"], ["x_1", "x_2", "x (3)"], "segmentation").targets == {"x": ["x_1", "x_2", "x (3)"]}
    frames = [f"v_{i}" for i in range(5)]
    assert pair_up(["v", *frames], frames, "segmentation").targets == {name: [name] for name in frames}


def test_both_kinds_in_one_folder():
    files = [*(f"train_{i}" for i in range(6)), *(f"train_{i}_anno" for i in range(5)), "train_0_anno_2", "x_anno"]
    images, pairs = split_flat(files, "segmentation")
    assert images == [f"train_{i}" for i in range(6)]
    assert pairs.targets["train_0"] == ["train_0_anno", "train_0_anno_2"]
    assert pairs.orphans == ["x_anno"]
    assert split_flat(["a", "a_flipped", "b", "b_flipped"], "segmentation") is None, "an augmented copy is no mask"
    assert derived(["p/x", "p/x_superpixels", "q/x_superpixels"]) == ["p/x_superpixels"]


@pytest.mark.parametrize(
    ("pattern", "path", "key"),
    [
        ("*.png", "a.png", "a"),
        ("*.png", "a.PNG", "a"),
        ("*.png", "p1/a.png", None),
        ("*/Original/*.png", "p1/Original/a.png", "p1/a"),
        ("*/Original/*.png", "p1/original/a.b.png", "p1/a.b"),
        ("*/Original/*", "p1/Original/a.png", "p1/a"),
        ("**/Original/*.png", "c/p1/Original/a.png", "c/p1/a"),
        ("**/Original/*.png", "Original/a.png", "a"),
        ("Original/**", "Original/a.png", "a"),
        ("*_images/*", "train_images/7.png", "train/7"),
        ("*_mask.png", "x_mask.png", "x"),
        ("frame_????.png", "frame_0001.png", "frame_0001"),
        ("[ab]*.png", "c1.png", None),
        ("[!ab]*.png", "c1.png", "c1"),
        ("p.*/x.png", "pq1/x.png", None),
    ],
)
def test_patterns_name_what_their_wildcards_stand_for(pattern, path, key):
    assert key_of(path, matcher(pattern)) == key


def test_two_words_that_tell_files_apart_differently_are_refused():
    files = [f"{name}{end}" for name in "abc" for end in ("", "_mask", "_seg")]
    assert split_flat(files, "segmentation") is None
    images, pairs = split_flat([f"{name}{end}" for name in "abc" for end in ("", "_mask")], "segmentation")
    assert (images, pairs.targets) == (["a", "b", "c"], {name: [f"{name}_mask"] for name in "abc"})


def test_a_word_in_capitals_tells_files_apart():
    files = ["case color", "caselabel color", "LABELIDS_CASE", "LABELIDS_CASELABEL"]
    images, pairs = split_flat(files, "segmentation")
    assert images == files[:2]
    assert pairs.targets == {"case color": ["LABELIDS_CASE"], "caselabel color": ["LABELIDS_CASELABEL"]}
