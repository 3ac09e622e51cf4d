"""Splits that are the same for everybody: drawn with a seed of their own, in whole groups.

`split_groups` draws those of published sets, whose images are known and stay. `assign` draws those of a set that
grows: the split of an image depends on the name of its group alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Rows
from al_lightning.data.errors import DataError
from al_lightning.data.files import natural

SPLIT_SEED = 2021
"""Draws every split, whatever the seed of the experiment."""
NONE = "none"
"""What `assign` and `with_splits` call a row in no split."""


def split_count(name: str, fraction: float, count: int) -> int:
    """round(fraction * count), at least 1.

    Args:
        name (str): of the option that holds the fraction, for the error.
        fraction (float): in (0, 1).
        count (int): images to take the fraction of.

    Raises:
        DataError: the fraction is not in (0, 1).

    Example:
        >>> split_count("validation", 0.1, 85), split_count("validation", 0.1, 3)
        (8, 1)
    """
    if not 0 < fraction < 1:
        raise DataError(f"{name}={fraction}: expected a fraction above 0 and below 1")
    return max(1, round(fraction * count))


def draw_groups(
    groups: Sequence[Hashable], count: int, rng: np.random.Generator, what: str, spare: int = 1
) -> NDArray[np.bool_]:
    """A mask (n,) of about `count` rows in whole groups: at least one group, and `spare` groups are left.

    Groups come in random order; each is taken unless the number of rows is then farther from `count`. Groups
    of one row each give exactly `count`.

    Args:
        groups (Sequence[Hashable]): (n,) the group of each row, such as a sequence or a patient.
        count (int): wanted number of rows.
        rng (Generator): draws the order of the groups.
        what (str): names the data in an error.
        spare (int): groups that must be left. Default 1.

    Raises:
        DataError: there are not enough groups.

    Example:
        >>> draw_groups(["a", "a", "b", "b"], 2, np.random.default_rng(0), "example").sum()
        np.int64(2)
    """
    distinct = len(set(groups))
    if distinct <= spare:
        raise DataError(
            f"{what}: {len(groups)} images in {distinct} group{'s' * (distinct != 1)} (such as a sequence, a patient, "
            f"a city, or each image by itself) cannot be split; at least {spare + 1} groups are needed"
        )
    codes: dict[Hashable, int] = {}
    group_of = np.array([codes.setdefault(group, len(codes)) for group in groups])
    sizes = np.bincount(group_of)
    order = rng.permutation(len(sizes))
    taken: list[int] = []
    total = 0
    for group in order:
        if len(taken) < len(sizes) - spare and abs(total + sizes[group] - count) <= abs(total - count):
            taken.append(int(group))
            total += int(sizes[group])
    if not taken:
        taken = [int(order[sizes[order].argmin()])]
    return np.isin(group_of, taken)


def split_groups(
    groups: Sequence[Hashable], validation: int, test: int, what: str, stream: int = 0
) -> tuple[Rows, Rows, Rows]:
    """(pool, validation, test) positions in `groups`, ascending; no group is in two of them.

    Args:
        groups (Sequence[Hashable]): (n,) the group of each row (a sequence, a patient); range(n) splits by row.
        validation (int): wanted number of rows, met as nearly as whole groups allow.
        test (int): the same for the test split.
        what (str): names the data in an error.
        stream (int): tells several splits of one dataset apart, so that they do not repeat each other's draws.
            Default 0.

    Raises:
        DataError: fewer than three groups, or no rows would be left for the pool.

    Example:
        >>> [len(rows) for rows in split_groups(range(10), 2, 3, "example")]
        [5, 2, 3]
    """
    n = len(groups)
    if validation < 1 or test < 1 or validation + test >= n:
        raise DataError(
            f"{what}: validation={validation} and test={test} of {n} images; expected at least 1 each and "
            "at least one image left for the pool"
        )
    rng = np.random.default_rng([SPLIT_SEED, stream])
    in_test = draw_groups(groups, test, rng, what, spare=2)
    rest = np.flatnonzero(~in_test).tolist()
    in_validation = np.zeros(n, dtype=bool)
    in_validation[rest] = draw_groups([groups[i] for i in rest], validation, rng, what)
    return np.flatnonzero(~in_test & ~in_validation), np.flatnonzero(in_validation), np.flatnonzero(in_test)


def unit(group: str, split_seed: int = SPLIT_SEED) -> float:
    """A number from 0 to 1 that depends on a name alone: the first 64 bits of SHA-256 of "<split_seed>:<group>" / 2^64.

    Example:
        >>> round(unit("patient 1"), 3), round(unit("patient 1", split_seed=1), 3)
        (0.992, 0.511)
    """
    digest = hashlib.sha256(f"{split_seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def assign(
    groups: Sequence[str], has_target: Sequence[bool], validation: float, test: float, split_seed: int = SPLIT_SEED
) -> list[str]:
    """The split of each row: pool, validation, test, or none.

    With u = `unit(group)`, a row is in test where u < test, in validation where test <= u < test + validation, and
    else in the pool, whatever other rows there are. A held-out row without target is in none.

    Only where a part would have no row with target (the pool: no row), it takes the group of the nearest u: test the
    smallest, validation the next above test, the pool the largest. This happens in small sets alone: at the default
    fractions of 0.2 and 0.1, validation comes out empty of 20 groups one time in eight, of 60 one time in 500.

    Args:
        groups (Sequence[str]): (n,) the group of each row, such as a patient; the row's id where it has none.
        has_target (Sequence[bool]): (n,) whether a row has a target.
        validation (float): fraction of the groups in [0, 1); 0 where this part is not wanted.
        test (float): the same for test; both together are below 1.
        split_seed (int): draws other splits. Default 2021.

    Raises:
        DataError: impossible fractions, or too few groups with target to give each part one.

    Example:
        >>> [round(unit(group), 2) for group in "abcd"]
        [0.18, 0.41, 0.53, 0.82]
        >>> assign(["a", "b", "c", "d"], [True] * 4, validation=0.25, test=0.25)
        ['test', 'validation', 'pool', 'pool']
    """
    for name, fraction in (("validation", validation), ("test", test), ("validation + test", validation + test)):
        if not 0 <= fraction < 1:
            raise DataError(f"{name}={fraction}: expected a fraction of at least 0 and below 1")
    labelled = {group for group, has in zip(groups, has_target, strict=True) if has}
    at = {group: unit(group, split_seed) for group in groups}
    order = sorted(labelled, key=lambda group: (at[group], group))
    parts = (test > 0) + (validation > 0)
    if len(order) <= parts:
        raise DataError(
            f"{sum(has_target)} images with target in {len(order)} groups are too few to draw {parts} parts and leave "
            f"some for the pool; at least {parts + 1} groups are needed"
        )
    elsewhere = any(u >= test + validation for group, u in at.items() if group not in labelled)
    most = len(order) - (not elsewhere)
    tests = sum(at[group] < test for group in order)
    held_out = sum(at[group] < test + validation for group in order)
    if test > 0:
        tests = min(max(tests, 1), most - (validation > 0))
    if validation > 0:
        held_out = max(held_out, tests + 1)
    held_out = min(held_out, most)
    drawn = dict.fromkeys(order[:tests], "test") | dict.fromkeys(order[tests:held_out], "validation")
    outside = {group: NONE for group, u in at.items() if u < test + validation and group not in labelled}
    split_of = outside | drawn
    splits = [split_of.get(group, "pool") for group in groups]
    return [split if split == "pool" or has else NONE for split, has in zip(splits, has_target, strict=True)]


def hold_out(ids: Sequence[str], groups: Sequence[str], validation: int, test: int) -> list[str]:
    """Splits of a set without any target: so many images for people to label, in groups that are held out as wholes.

    Groups are taken in the order of `unit`, for test first, until they have enough images and are at least a fifth of
    all groups (a tenth for validation), or as many as images are wanted: a test set of one video measures little. Of
    each group as many images are asked for, evenly spaced in the order of their names; the others are in no split.

    Args:
        ids (Sequence[str]): (n,) the id of each row.
        groups (Sequence[str]): (n,) the group of each row; its id where it has none.
        validation (int): images wanted, at least 1.
        test (int): the same for test.

    Returns:
        (n,) pool, validation, test or none.

    Raises:
        DataError: there are too few images or groups.

    Example:
        >>> names = [f"{video}/{frame}" for video in "abcde" for frame in range(4)]
        >>> splits = hold_out(names, [name[0] for name in names], 2, 2)
        >>> {split: splits.count(split) for split in ("pool", "validation", "test", "none")}
        {'pool': 12, 'validation': 2, 'test': 2, 'none': 4}
    """
    members: dict[str, list[int]] = {}
    for row in sorted(range(len(ids)), key=lambda row: natural(ids[row])):
        members.setdefault(groups[row], []).append(row)
    order = sorted(members, key=lambda group: (unit(group), group))
    splits = ["pool"] * len(ids)
    start = 0
    for name, count, fraction in (("test", test, 0.2), ("validation", validation, 0.1)):
        least = min(count, math.ceil(fraction * len(order)))
        end, images = start, 0
        while end < len(order) and (images < count or end - start < least):
            images += len(members[order[end]])
            end += 1
        if images < count or end >= len(order):
            raise DataError(
                f"budget.{name}={count}: {len(ids)} images in {len(order)} groups are too few to hold out so many and "
                "leave some for the pool; take fewer"
            )
        taken = [members[group] for group in order[start:end]]
        for rows, number in zip(taken, shares([len(rows) for rows in taken], count), strict=True):
            chosen = {rows[round((k + 0.5) * len(rows) / number - 0.5)] for k in range(number)} if number else set()
            for row in rows:
                splits[row] = name if row in chosen else NONE
        start = end
    return splits


def shares(sizes: Sequence[int], count: int) -> list[int]:
    """How many of each group, as equal as the sizes allow, `count` together."""
    shares = [0] * len(sizes)
    while sum(shares) < count:
        for place, size in enumerate(sizes):
            if sum(shares) < count and shares[place] < size:
                shares[place] += 1
    return shares


def keep(
    ids: Sequence[str], groups: Sequence[str], drawn: Sequence[str], recorded: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Splits of a set that was read again, as they were recorded when it was read before.

    A row that was recorded stays where it was, also in no split. A new row that was drawn for any split joins the
    pool, but where its group is held out: then it is in none, because it may show what the test set shows.

    Args:
        ids (Sequence[str]): (n,) the id of each row.
        groups (Sequence[str]): (n,) the group of each row.
        drawn (Sequence[str]): (n,) pool, validation, test or none, as drawn anew.
        recorded (Mapping[str, str]): id -> pool, validation, test or none.

    Returns:
        ((n,) split of each row, ids that joined the pool).

    Raises:
        DataError: a recorded id is gone, or recorded under a split that does not exist.

    Example:
        >>> keep(["a", "b", "c"], ["a", "b", "c"], ["pool", "test", "test"], {"a": "test", "b": "pool"})
        (['test', 'pool', 'pool'], ['c'])
    """
    for name, split in recorded.items():
        if split not in ("pool", "validation", "test", NONE):
            raise DataError(f"{name}: recorded in the split {split!r}; expected pool, validation, test or {NONE}")
    here = set(ids)
    gone = [name for name, split in recorded.items() if split != NONE and name not in here]
    if gone:
        raise DataError(
            f"{gone[0]}: was in the {recorded[gone[0]]} split when the run began and is gone ({len(gone)} images are); "
            "put the files back, or start a new run"
        )
    held_out = {g for name, g in zip(ids, groups, strict=True) if recorded.get(name) in ("validation", "test")}
    splits, joined = [], []
    for name, group, split in zip(ids, groups, drawn, strict=True):
        if name in recorded:
            splits.append(recorded[name])
        elif split == NONE or group in held_out:
            splits.append(NONE)
        else:
            splits.append("pool")
            joined.append(name)
    return splits, joined
