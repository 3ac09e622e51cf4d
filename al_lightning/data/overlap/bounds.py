"""How alike two pictures of one set are when they show the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from al_lightning.core.arrays import Rows
from al_lightning.data.overlap.correlation import correlations
from al_lightning.data.overlap.prints import Prints

SAME_FRAME = 0.8
"""Correlation from which two pictures are the same frame. On Kvasir-SEG with its sessile sibling the 196
re-encoded copies reach 0.98 or more, and 18 pairs inside Kvasir-SEG 0.90 or more: the four that its README names,
and 14 frames that were framed anew, some with a position display drawn over a corner. The next pair is at 0.74.
Copies made for the test, cropped by 5 % at each side or by 10 % at one, with 1.2 times the brightness, gamma
0.7, JPEG quality 30 or half the size, reach 0.88 or more; cropped by 8 % at each side, 0.65 or more."""
SAME_SCENE = 0.53
"""Correlation from which two pictures show one scene, seconds apart. The six pairs of Kvasir-SEG between 0.55
and 0.74 do, as their time stamps say; of the pairs between 0.46 and 0.52 about a third do."""
DEVIATIONS = 7.0
"""Robust standard deviations of a set's random pairs by which a pair has to stand out from their median. 0.53 lies 7.4
above in Kvasir-SEG and CamVid; the most alike of 7,140 pairs of made-up ultrasound images 3.7 to 6.6 above."""
CERTAINLY = 0.95
"""Correlation that is the same frame however alike a set's random pairs are."""
DRAWN = 500
"""Random pairs that are looked at."""
LEAST = 30
"""Random pairs below which they say nothing."""


@dataclass(frozen=True)
class Bounds:
    """Correlations from which two pictures of one set are the same."""

    frame: float = SAME_FRAME
    scene: float = SAME_SCENE

    @classmethod
    def of(cls, prints: Prints, drawn: int = DRAWN) -> Bounds:
        """`SAME_FRAME` and `SAME_SCENE`, raised where images of this set are alike without being the same.

        Ultrasound images and radiographs show the same layers and organs in every patient: there 0.53 is reached by
        chance. Correlations of random pairs are made normal by artanh; a pair has to lie `DEVIATIONS` above their
        median.

        Args:
            prints (Prints): of the set, or of some of it.
            drawn (int): random pairs that are looked at. Default 500.
        """
        rows = np.flatnonzero(prints.plain.any(axis=1))
        first, second = np.triu_indices(len(rows), 1) if len(rows) < 64 else _random_pairs(len(rows))
        if len(first) < LEAST:
            return cls()
        chosen = np.random.default_rng(0).permutation(len(first))[:drawn]
        pairs = rows[np.stack([first[chosen], second[chosen]], axis=1)]
        cosines = (prints.plain[pairs[:, 0]] * prints.plain[pairs[:, 1]]).sum(axis=1, dtype=np.float64)
        values = np.arctanh(correlations(prints.thumbnails, pairs, cosines).clip(-0.999, 0.999))
        middle = float(np.median(values))
        deviation = 1.4826 * float(np.median(np.abs(values - middle)))
        out = float(np.tanh(middle + DEVIATIONS * deviation))
        return cls(max(SAME_FRAME, min(out, CERTAINLY)), max(SAME_SCENE, min(out, CERTAINLY)))


def _random_pairs(count: int) -> tuple[Rows, Rows]:
    drawn = np.random.default_rng(0).integers(0, count, (2, 2 * DRAWN))
    apart = drawn[:, drawn[0] != drawn[1]]
    return apart[0], apart[1]
