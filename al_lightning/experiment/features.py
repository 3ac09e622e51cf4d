"""Features of a pool that were computed elsewhere, read from files of several formats, and what is known of each row.

`features.npy` is memory-mapped, not read; the ids of its rows are in `features.ids.txt` beside it, one a line.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_lightning.experiment.columns import ID_COLUMNS, words_of

KINDS = (".npy", ".npz", ".pt", ".pth", ".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Features:
    """Descriptors of a pool."""

    values: NDArray[Any]
    """(N, D)."""
    ids: tuple[str, ...] | None = None
    """N names, where the file has them."""

    def rows_of(self, words: Sequence[str], what: str) -> list[int]:
        """Row numbers of words, which are ids where the file has ids and all words are among them, else row numbers.

        Raises:
            ValueError: a word is neither; the message begins with `what`, which names its place.
        """
        if self.ids is not None:
            known = {name: row for row, name in enumerate(self.ids)}
            if all(word in known for word in words):
                return [known[word] for word in words]
        rows = []
        for number, word in enumerate(words, 1):
            try:
                rows.append(int(word))
            except ValueError:
                kind = "a row number" if self.ids is None else "an id of the features or a row number"
                raise ValueError(f"{what}, entry {number}: {word!r} is not {kind}") from None
        return rows


def read_features(path: Path) -> Features:
    """(N, D) from .npy, with the ids beside it if they are there; .npz and .pt with one array, or "features" and if
    wanted "ids"; .csv, .tsv or .parquet of numeric columns with an id column if wanted.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is none of these, or does not hold a table of numbers; the message has what was found.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "no such file"
        raise FileNotFoundError(f"{path}: {found}; expected an (N, D) array as {', '.join(KINDS)}")
    suffix = path.suffix.lower()
    readers = {".npy": _npy, ".npz": _npz, ".pt": _torch, ".pth": _torch, ".csv": _text, ".tsv": _text}
    read = readers.get(suffix, _parquet if suffix == ".parquet" else None)
    if read is None:
        raise ValueError(f"{path}: a file of kind {suffix or '(no suffix)'}; expected {', '.join(KINDS)}")
    try:
        values, ids = read(path)
    except (ValueError, ImportError):
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise ValueError(f"{path}: cannot be read as {suffix} ({type(error).__name__}: {reason})") from None
    values = np.asarray(values)
    if values.ndim != 2 or values.dtype.kind not in "fiub" or not values.size:
        raise ValueError(f"{path}: holds {values.dtype} of shape {values.shape}; expected numbers of shape (N, D)")
    if ids is not None and (len(ids) != len(values) or len(set(ids)) != len(ids)):
        raise ValueError(f"{path}: {len(values)} rows with {len(set(ids))} different ids; expected one id per row")
    return Features(values, ids)


def ids_file(path: Path) -> Path:
    """Where the ids of the rows of a .npy file are.

    Example:
        >>> ids_file(Path("pool/features.npy")).name
        'features.ids.txt'
    """
    return path.with_suffix(".ids.txt")


def _npy(path: Path) -> tuple[Any, tuple[str, ...] | None]:
    beside = ids_file(path)
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError):
        # numpy's message would advise to unpickle the file.
        raise ValueError(f"{path}: is no array of numbers saved by numpy; save it with numpy.save") from None
    return values, tuple(words_of(beside, "ids")) if beside.is_file() else None


def _npz(path: Path) -> tuple[Any, tuple[str, ...] | None]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path}: is no archive of arrays of numbers saved by numpy.savez ({error})") from None
    return _named(path, arrays)


def _torch(path: Path) -> tuple[Any, tuple[str, ...] | None]:
    import torch

    try:
        held = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0][:120]
        raise ValueError(f"{path}: holds more than tensors, or is damaged ({reason}); save the tensor alone") from None
    if isinstance(held, torch.Tensor):
        return held.float().numpy(), None
    if not isinstance(held, dict):
        raise ValueError(f"{path}: holds a {type(held).__name__}; expected a tensor, or features and ids")
    return _named(path, {k: v.float().numpy() if isinstance(v, torch.Tensor) else v for k, v in held.items()})


def _named(path: Path, arrays: dict[str, Any]) -> tuple[Any, tuple[str, ...] | None]:
    """The array called features, or the only one except ids."""
    others = [name for name in arrays if name != "ids"]
    name = "features" if "features" in arrays else others[0] if len(others) == 1 else None
    if name is None:
        raise ValueError(f"{path}: holds {', '.join(sorted(arrays)) or 'nothing'}; call one of the arrays features")
    ids = arrays.get("ids")
    return arrays[name], None if ids is None else tuple(map(str, np.asarray(ids).tolist()))


def _text(path: Path) -> tuple[Any, tuple[str, ...] | None]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not in UTF-8 ({error.reason}); save it as CSV UTF-8") from None
    head = text.partition("\n")[0]
    separator = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=head.count)
    lines = [line for line in csv.reader(text.splitlines(), delimiter=separator) if line]
    if not lines:
        raise ValueError(f"{path}: is empty; expected a line of numbers for each image")
    named = not _all_numbers(lines[0])
    column = next((k for k, name in enumerate(lines[0]) if named and name.strip().lower() in ID_COLUMNS), None)
    values, ids = [], []
    for number, line in enumerate(lines[named:], 1 + named):
        numbers = [cell for k, cell in enumerate(line) if k != column]
        if len(line) != len(lines[0]) or not _all_numbers(numbers):
            raise ValueError(f"{path}, line {number}: expected {len(lines[0])} columns of numbers (and one of ids)")
        values.append([float(cell) for cell in numbers])
        ids.append(line[column] if column is not None else "")
    return np.array(values), tuple(ids) if column is not None else None


def _all_numbers(cells: Sequence[str]) -> bool:
    try:
        for cell in cells:
            float(cell)
    except ValueError:
        return False
    return True


def _parquet(path: Path) -> tuple[Any, tuple[str, ...] | None]:
    try:
        import pandas as pd

        frame = pd.read_parquet(path)
    except ImportError:
        raise ValueError(
            f"{path}: Parquet needs pandas and pyarrow; pip install 'al-lightning[frame]' pyarrow"
        ) from None
    column = next((name for name in frame.columns if str(name).lower() in ID_COLUMNS), None)
    ids = None if column is None else tuple(map(str, frame.pop(column)))
    return frame.to_numpy(), ids
