"""Types of arrays, and the symbols of their shapes.

    N   images of a dataset             row: position of an image in its dataset, 0 ≤ row < N
    P   images of the pool              id:  stable name of an image (file stem or relative path)
    B   images of a batch or a query
    C   classes (a sigmoid head counts as two: background, foreground)
    D   dimensions of a descriptor
    H W height and width in pixels;     h w: the same of the deepest encoder map
    M   stochastic passes or committee members

Arrays hold rows; files and logs hold ids. A position inside a subset is used only by the function that computes it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
"""Dataset rows."""
Floats = NDArray[np.floating[Any]]
"""Floating-point numbers of any precision."""
Size = tuple[int, int]
"""(height, width) in pixels."""
