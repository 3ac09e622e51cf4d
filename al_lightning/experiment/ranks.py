"""Which of several ranks this process is."""

from __future__ import annotations

from pytorch_lightning.utilities import rank_zero_only


def is_main() -> bool:
    """Whether this process has rank 0, which alone writes files."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0
