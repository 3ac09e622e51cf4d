"""How many batches an epoch of training has: a function of counts and settings, the same for every learner."""

from __future__ import annotations

from typing import Literal, TypeAlias

Epoch: TypeAlias = Literal["labelled", "unlabelled", "longest"]
"""What an epoch is a pass over; see `config.schema.LearnerSection.epoch`."""


def is_lonely(share: int, size: int) -> bool:
    """Whether the last batch of `share` shuffled rows is left out: it would be a single image after others, and batch
    normalisation cannot train on a single value a channel, which a 1 x 1 bottleneck makes of it."""
    return share > size and share % size == 1


def pass_batches(rows: int, size: int, ranks: int = 1) -> int:
    """Batches of one rank in a pass over shuffled rows, of which all ranks get equal shares.

    Example:
        >>> pass_batches(30, 16), pass_batches(465, 16), pass_batches(30, 16, ranks=2)
        (2, 29, 1)
    """
    share = -(-rows // ranks)
    return share // size if is_lonely(share, size) else -(-share // size)


def epoch_batches(
    epoch: Epoch, trained: int, labelled: int, pool: int, size: int, ranks: int = 1, both: int | None = None
) -> int:
    """Batches of one rank in an epoch.

    Args:
        epoch: what it is a pass over.
        trained: images with a label or a pseudo-label, or the draws of a bootstrap.
        labelled: images with a label on some or all of their pixels.
        pool: all images of the pool.
        size: of a batch.
        ranks: number of ranks.
        both: size of the batches of images that are not trained on with a label, where the learner takes such batches
            too; only "longest" depends on it.

    Example:
        >>> [epoch_batches(epoch, 30, 30, 495, 16, both=both) for epoch in ("labelled", "unlabelled", "longest")
        ...     for both in (None, 16)]
        [2, 2, 29, 29, 2, 29]
    """
    own = pass_batches(trained, size, ranks)
    if epoch == "unlabelled":
        return max(pass_batches(rows, size, ranks) for rows in (labelled, pool - labelled))
    if epoch == "longest" and both is not None:
        return max(own, pass_batches(pool - trained, both, ranks))
    return own
