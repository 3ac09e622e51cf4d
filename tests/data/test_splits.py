"""Groups are drawn whole, near the wanted number, and the same each time; a growing set keeps its splits."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from al_lightning.data.dataset import DataError
from al_lightning.data.splits import NONE, assign, draw_groups, split_groups, unit

NAMES = st.lists(st.text(min_size=1, max_size=6), min_size=3, max_size=30, unique=True)
FRACTIONS = st.tuples(st.floats(0.05, 0.45), st.floats(0.05, 0.45))


def test_groups_are_drawn_whole_near_the_wanted_number_and_some_are_left():
    rng = np.random.default_rng(3)
    groups = [f"g{i}" for i, n in enumerate(rng.integers(1, 9, 40)) for _ in range(n)]
    sizes = {g: groups.count(g) for g in groups}
    for count in (1, 7, 60, 10_000):
        drawn = draw_groups(groups, count, rng, "here", spare=2)
        taken = {g for g, d in zip(groups, drawn, strict=True) if d}
        assert drawn.sum() == sum(sizes[g] for g in taken)
        assert len(taken) <= len(sizes) - 2
        assert abs(drawn.sum() - count) <= 4 or count == 10_000
    pool, validation, test = split_groups(range(100), 10, 20, "here")
    assert sorted([*pool, *validation, *test]) == [*range(100)]
    assert (len(validation), len(test)) == (10, 20)
    assert not np.array_equal(test, split_groups(range(100), 10, 20, "here", stream=1)[2])
    with pytest.raises(DataError, match=r"here: 4 images in 2 groups .*at least 3"):
        split_groups(["a", "a", "b", "b"], 1, 1, "here")


def where(name: str, validation: float, test: float, seed: int) -> str:
    """The documented rule, from the hexadecimal digest."""
    u = int(hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()[:16], 16) / 2**64
    return "test" if u < test else "validation" if u < test + validation else "pool"


@given(NAMES, FRACTIONS, st.integers(0, 5), st.data())
@settings(max_examples=200, deadline=None)
def test_a_split_depends_on_the_name_alone_unless_a_part_comes_out_empty(names, fractions, seed, data):
    has_target = data.draw(st.lists(st.booleans(), min_size=len(names), max_size=len(names)))
    plain = [where(name, *fractions, seed) for name in names]
    expected = [part if part == "pool" or has else NONE for part, has in zip(plain, has_target, strict=True)]
    if sum(has_target) < 3:
        with pytest.raises(DataError, match=r"are too few to draw 2 parts .* at least 3 groups"):
            assign(names, has_target, *fractions, seed)
        return
    parts = assign(names, has_target, *fractions, seed)
    assert {"pool", "validation", "test"} <= set(parts)
    if {"pool", "validation", "test"} <= set(expected):
        assert parts == expected
    unlabelled = [i for i, has in enumerate(has_target) if not has]
    assert [parts[i] for i in unlabelled] == [expected[i] for i in unlabelled], "only what has a target ever moves"
    # Along u, parts never interleave, also where one took a group of another.
    order = {"test": 0, "validation": 1, "pool": 2}
    ranks = [order[parts[i]] for i in sorted(range(len(names)), key=lambda i: unit(names[i], seed)) if has_target[i]]
    assert ranks == sorted(ranks)


@given(NAMES, NAMES, st.data())
@settings(max_examples=100, deadline=None)
def test_added_images_and_targets_move_nothing(names, more, data):
    names = [*dict.fromkeys([*names, *(f"image {i}" for i in range(40))])]
    every = [*names, *(name for name in dict.fromkeys(more) if name not in names)]
    first = data.draw(st.lists(st.booleans(), min_size=len(names), max_size=len(names)))
    first[-40:] = [True] * 40
    later = [has or data.draw(st.booleans()) for has in first] + [True] * (len(every) - len(names))
    before, after = (assign(*both, 0.2, 0.3) for both in ((names, first), (every, later)))
    moved = [(a, b) for a, b in zip(before, after, strict=False) if a != b]
    assert set(moved) <= {(NONE, "test"), (NONE, "validation")}, "a held-out image only joins its part with its target"


def test_groups_stay_whole_and_their_images_without_target_are_left_out():
    groups = [f"patient {i // 5}" for i in range(200)]
    has_target = [i % 5 != 0 for i in range(200)]
    parts = assign(groups, has_target, 0.1, 0.2)
    for patient in range(40):
        of = set(parts[5 * patient + 1 : 5 * patient + 5])
        assert len(of) == 1
        assert parts[5 * patient] == ("pool" if of == {"pool"} else NONE)


@pytest.mark.parametrize("seed", [0, 1, 2021])
def test_fractions_are_met_as_a_fair_draw_meets_them(seed):
    names = [f"frame_{i:05d}" for i in range(10_000)]
    parts = assign(names, [True] * len(names), 0.1, 0.2, seed)
    for part, p in (("validation", 0.1), ("test", 0.2), ("pool", 0.7)):
        assert abs(parts.count(part) - 10_000 * p) < 4.5 * math.sqrt(10_000 * p * (1 - p))


@pytest.mark.parametrize("count", range(3, 17))
def test_small_sets_have_all_three_parts(count):
    for seed in range(200):
        parts = assign([str(i) for i in range(count)], [True] * count, 0.1, 0.2, seed)
        assert {"pool", "validation", "test"} == set(parts)


def test_a_part_that_is_not_wanted_is_not_filled_and_fractions_are_possible():
    names = [str(i) for i in range(30)]
    parts = assign(names, [True] * 30, 0.3, 0.0)
    assert set(parts) == {"pool", "validation"}
    assert parts == ["validation" if unit(name) < 0.3 else "pool" for name in names]
    for fractions in ((-0.1, 0.2), (0.5, 0.5), (1.0, 0.0), (0.2, float("nan"))):
        with pytest.raises(DataError, match="expected a fraction of at least 0 and below 1"):
            assign(names, [True] * 30, *fractions)
