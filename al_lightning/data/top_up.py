"""More validation and test images where some have targets: of those that are held out and have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from al_lightning.data.errors import DataError
from al_lightning.data.files import natural
from al_lightning.data.splits import NONE, shares, unit


def top_up(ids: Sequence[str], groups: Sequence[str], splits: Sequence[str], wanted: Mapping[str, int]) -> list[str]:
    """Splits with as many validation and test images as are wanted, those that are there included.

    What is missing is taken from the images in no split, which were held out and have no target, unless their group is
    in another split. Groups come in the order of `unit`, those of validation from its end; each gives as many images as
    the others where it can, evenly spaced in the order of their names.

    Args:
        ids (Sequence[str]): (n,) the id of each row.
        groups (Sequence[str]): (n,) the group of each row; its id where it has none.
        splits (Sequence[str]): (n,) pool, validation, test or none.
        wanted (Mapping[str, int]): "test" or "validation" -> number of images.

    Raises:
        DataError: too few images are held out.

    Example:
        >>> top_up("abcde", "abcde", ["pool", "test", "validation", "none", "none"], {"test": 2})
        ['pool', 'test', 'validation', 'none', 'test']
    """
    found = list(splits)
    for name in ("test", "validation"):
        here = found.count(name)
        missing = wanted.get(name, 0) - here
        if missing <= 0:
            continue
        taken = {group for group, split in zip(groups, found, strict=True) if split not in (NONE, name)}
        members: dict[str, list[int]] = {}
        for row in sorted(range(len(ids)), key=lambda row: natural(ids[row])):
            if found[row] == NONE and groups[row] not in taken:
                members.setdefault(groups[row], []).append(row)
        free = sum(map(len, members.values()))
        if free < missing:
            raise DataError(
                f"budget.{name}={wanted[name]}: {here} images for {name} have a target, and {free} more are held out; "
                f"take at most {here + free}"
            )
        order = sorted(members, key=lambda group: (unit(group), group), reverse=name == "validation")
        for group, number in zip(order, shares([len(members[group]) for group in order], missing), strict=True):
            rows = members[group]
            for k in range(number):
                found[rows[round((k + 0.5) * len(rows) / number - 0.5)]] = name
    return found
