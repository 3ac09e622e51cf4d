"""An array of numbers as a .npy file, read as data."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def array_bytes(values: NDArray[Any]) -> memoryview:
    """The bytes of an array as a .npy file, to be written by `write_atomic`."""
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getbuffer()


def read_array(path: Path, shape: tuple[int, ...], types: str) -> NDArray[Any]:
    """An array of numbers from a .npy file; nothing in it is run.

    Args:
        shape: that it must have.
        types: letters of numpy's kinds of numbers that it may have.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or holds something else.
    """
    back = "put it back from a copy of the run"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; {back}")
    try:
        values: NDArray[Any] = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, SyntaxError, MemoryError):
        # numpy's message would advise to unpickle the file.
        raise ValueError(f"{path}: is torn, or no array of numbers; {back}") from None
    if not isinstance(values, np.ndarray) or values.shape != shape or values.dtype.kind not in types:
        found = f"{values.dtype} of shape {values.shape}" if isinstance(values, np.ndarray) else "several arrays"
        raise ValueError(f"{path}: holds {found}; expected the shape {shape}; {back}")
    return values
