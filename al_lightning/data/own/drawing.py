"""The split of each of a user's images: named by a CSV or by folders, or drawn."""

from __future__ import annotations

from collections.abc import Sequence

from al_lightning.data.errors import DataError
from al_lightning.data.own.listing import Listing, straddling
from al_lightning.data.splits import NONE, assign
from al_lightning.data.walk import many, some


def draw(
    listing: Listing,
    groups: Sequence[str],
    validation: float,
    test: float,
    split_seed: int,
    what: str,
    remedy: str = "add images, or name the splits in a column split of a CSV",
) -> tuple[list[str], list[str]]:
    """(split of each image, notes): as the listing names it, and the splits that it does not name drawn from its pool.

    Args:
        listing (Listing): n images.
        groups (Sequence[str]): (n,) the group of each.
        validation (float): fraction in (0, 1), where the listing names no validation split.
        test (float): the same for the test split.
        split_seed (int): draws other splits.
        what (str): names the data in an error.
        remedy (str): against too few groups. Default: more images, or named splits.

    Raises:
        DataError: a group straddles two splits, a held-out image has no target, or there are too few images.
    """
    for name, fraction in (("validation", validation), ("test", test), ("validation + test", validation + test)):
        if not 0 < fraction < 1:
            raise DataError(f"{name}={fraction}: expected a fraction above 0 and below 1")
    has_target = [target is not None for target in listing.targets]
    splits = listing.splits or ["pool"] * len(listing.ids)
    if found := straddling(groups, splits):
        raise DataError(f"{what}: group {found} is in two splits; give all its images the same")
    bare = [row for row, split in enumerate(splits) if split != "pool" and not has_target[row]]
    if bare and listing.must_have_targets:
        raise DataError(
            f"{listing.images[bare[0]]}: an image of {splits[bare[0]]} needs a target ({len(bare)} have none); add it, "
            "or move the image to the pool"
        )
    splits = [NONE if row in set(bare) else split for row, split in enumerate(splits)]
    rows = [row for row, split in enumerate(splits) if split == "pool"]
    fractions = (0.0 if "validation" in splits else validation, 0.0 if "test" in splits else test)
    if any(fractions):
        try:
            drawn = assign([groups[row] for row in rows], [has_target[row] for row in rows], *fractions, split_seed)
        except DataError as error:
            raise DataError(f"{what}: {error}; {remedy}") from None
        for row, split in zip(rows, drawn, strict=True):
            splits[row] = split
    out = [name for name, split in zip(listing.ids, splits, strict=True) if split == NONE]
    notes = [f"in no split, held out but without target: {many(len(out), 'image')} ({some(out)})"] if out else []
    every = {groups[row] for row in rows}
    for name, fraction in zip(("validation", "test"), fractions, strict=True):
        count, wanted = len({groups[row] for row in rows if splits[row] == name}), fraction * len(every)
        if fraction and abs(count - wanted) > max(1.5, wanted / 2):
            notes.append(
                f"{name} has {count} of {many(len(every), 'group')}, where {wanted:.1f} are wanted, as few groups do "
                "not fall evenly; dataset.options.split_seed draws other splits"
            )
    return splits, notes


def unlabelled(listing: Listing) -> tuple[list[str], list[str]]:
    """(split of each image, notes) of images without any target: all are of the pool, until a run holds some out."""
    return ["pool"] * len(listing.ids), []
