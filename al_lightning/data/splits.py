"""Splits that are the same for everybody: drawn with a seed of their own, in whole groups."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from al_lightning.core.arrays import Rows
from al_lightning.data.errors import DataError

SPLIT_SEED = 2021
"""Draws every split, whatever the seed of the experiment."""


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
