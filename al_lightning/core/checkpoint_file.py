"""A checkpoint as a file that proves itself whole, and is read as data: tensors and plain values, never code.

The file is what `torch.save` writes, and `torch.load` reads it. The digest of its bytes is the comment of the zip
archive, where readers that do not know it skip it.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import pickle
import re
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Mapping
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

_MARK = b"al_lightning sha256 "
_STAMP = re.compile(re.escape(_MARK) + rb"([0-9a-f]{64})\Z")
_LENGTH = len(_MARK) + 64
_ARRAY = "numpy.ndarray"
"""Key of the dict that stands for an array in a file."""
_PLAIN = (bool, int, float, complex, str, bytes, Tensor, nn.Parameter, torch.Size, torch.dtype, torch.device)
_CHUNK = 1 << 22


class CheckpointError(ValueError):
    """A checkpoint is torn, altered, not a checkpoint at all, or of another network; the message names the file."""


def pack(checkpoint: Mapping[str, Any]) -> tuple[memoryview, str]:
    """The bytes of the file of a checkpoint, and their digest.

    Raises:
        CheckpointError: it holds an object that is neither a tensor nor a plain value.
    """
    buffer = io.BytesIO()
    torch.save({key: plain(value, key) for key, value in checkpoint.items()}, buffer)
    # A zip file ends with the length of its comment, which is zero here.
    buffer.seek(-2, io.SEEK_END)
    buffer.write(_LENGTH.to_bytes(2, "little"))
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
    buffer.write(_MARK + digest.encode())
    return buffer.getbuffer(), digest


def unpack(file: Path, digest: str | None = None) -> dict[str, Any]:
    """Read a checkpoint on the CPU after a check of its bytes; no code that it names is run.

    Args:
        file: written by `pack`, or by `torch.save` as Lightning does; the digest of the latter cannot be checked, only
            the checksums in the archive.
        digest: that the file must have.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is torn, altered, no checkpoint, or holds more than tensors and plain values.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file}: {'is a folder' if file.is_dir() else 'no such file'}; expected a checkpoint")
    found = digest_of(file)
    if digest is not None and found != digest:
        raise CheckpointError(f"{file}: is not the file that the run wrote")
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            # torch stores without compression: what would grow when it is read is no checkpoint.
            if sum(member.file_size for member in members) > file.stat().st_size:
                raise CheckpointError(f"{file}: its contents are larger than the file; it is no checkpoint")
            damaged = archive.testzip() if found is None else None
    except (OSError, CheckpointError):
        raise
    except Exception:  # of a damaged archive: zipfile raises many types
        raise CheckpointError(f"{file}: is torn, or no checkpoint") from None
    if damaged is not None:
        raise CheckpointError(f"{file}: is damaged (the checksum of {damaged} does not fit)")
    try:
        held = torch.load(file, weights_only=True, map_location="cpu")
    except OSError:
        raise
    except pickle.UnpicklingError:
        # torch's message would advise to load it with weights_only=False.
        raise CheckpointError(
            f"{file}: it holds more than tensors and plain values, which could run code, so that it is not loaded"
        ) from None
    except Exception as error:
        raise CheckpointError(f"{file}: cannot be read as a checkpoint ({_reason(error)})") from None
    if not isinstance(held, dict):
        raise CheckpointError(f"{file}: holds a {type(held).__name__}; expected a checkpoint of Lightning")
    return cast(dict[str, Any], _arrays(held))


def digest_of(file: Path) -> str | None:
    """The digest that a file carries, after a check that its bytes have it; None where it carries none.

    Raises:
        CheckpointError: the bytes have another digest, or a part of it is missing.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        stream.seek(max(size - _LENGTH, 0))
        tail = stream.read()
        stamp = _STAMP.search(tail)
        if stamp is None:
            if not tail.endswith(b"\0\0"):  # the length of a comment, which is not there as a whole
                raise CheckpointError(f"{file}: is torn, or no checkpoint")
            return None
        stream.seek(0)
        digest, left = hashlib.sha256(), size - _LENGTH
        while left > 0 and (chunk := stream.read(min(left, _CHUNK))):
            digest.update(chunk)
            left -= len(chunk)
    if not hmac.compare_digest(digest.hexdigest(), stamp.group(1).decode()):
        raise CheckpointError(f"{file}: is damaged or altered (its digest does not fit)")
    return digest.hexdigest()


def load_weights(module: nn.Module, checkpoint: str | Path, digest: str | None = None) -> None:
    """Load the weights of a Lightning checkpoint that was written on any device; no code that it names is run.

    Args:
        digest: that the file must have, where it was recorded.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is damaged, no checkpoint, not the recorded file, or of another network.
    """
    file = Path(checkpoint)
    state = unpack(file, digest).get("state_dict")
    if not isinstance(state, dict):
        raise CheckpointError(f"{file}: holds no weights (no state_dict); expected a checkpoint of Lightning")
    try:
        module.load_state_dict(state)
    except Exception as error:
        raise CheckpointError(f"{file}: {another_network(module, state, error)}") from None


def another_network(module: nn.Module, state: Mapping[str, Any], error: Exception) -> str:
    """The end of a message: the first of the differences because of which a module refused a state dict."""
    wanted = {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    for name, value in wanted.items():
        if name not in state:
            return _other(f"it has no {name}", wanted, state)
        if not isinstance(state[name], Tensor):
            return f"{name} is no tensor; it is no checkpoint of this network"
        if state[name].shape != value.shape:
            shapes = f"{tuple(state[name].shape)}, and {tuple(value.shape)} in this one"
            return _other(f"{name} has the shape {shapes}", wanted, state)
    for name in state:
        if name not in wanted:
            return _other(f"this one has no {name}", wanted, state)
    return _other(_reason(error), wanted, state)


def _other(difference: str, wanted: Mapping[str, Any], state: Mapping[str, Any]) -> str:
    return f"holds the weights of another network ({difference}; {len(state)} tensors, {len(wanted)} in this one)"


def plain(value: Any, where: str = "") -> Any:
    """The same of tensors and plain values alone: paths become strings, numpy's scalars numbers, subclasses of plain
    types these types. Tensors are not copied.

    Args:
        value: any nesting of dict, list, tuple and set.
        where: its place in the checkpoint, for the message. Of the hyper-parameters, which loading weights and going on
            with a training do not need, what is no plain value is left out.

    Raises:
        CheckpointError: an object of another type.

    Example:
        >>> plain({"file": PurePath("a/b"), "score": np.float32(0.5), "seen": {1, 2}})
        {'file': 'a/b', 'score': 0.5, 'seen': {1, 2}}
    """
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, Tensor):
        return value.detach().as_subclass(Tensor)
    if isinstance(value, np.ndarray):
        return {_ARRAY: _tensor(value, where)}
    if isinstance(value, Mapping):
        return _plain_dict(value, where)
    if isinstance(value, list | tuple | set | frozenset):
        several = [plain(item, f"{where}[{place}]") for place, item in enumerate(value)]
        return several if isinstance(value, list) else tuple(several) if isinstance(value, tuple) else set(several)
    if isinstance(value, np.generic):
        return plain(value.item(), where)
    if isinstance(value, Enum):
        return plain(value.value, where)
    if isinstance(value, PurePath):
        return value.as_posix()
    for kind in (int, float, complex, str, bytes):
        if isinstance(value, kind):
            return cast(Any, kind)(value)
    raise CheckpointError(
        f"the checkpoint would hold a {type(value).__name__} ({where}), which is no tensor and no plain value, so that "
        "reading it back could run code; let on_save_checkpoint or state_dict give tensors, numbers, text, lists and "
        "dicts"
    )


def _plain_dict(value: Mapping[Any, Any], where: str) -> dict[Any, Any]:
    optional = where == "hyper_parameters" or where.startswith("hyper_parameters.")
    # A scheduler counts its milestones in a Counter.
    items: dict[Any, Any] = next((kind() for kind in (OrderedDict, Counter) if isinstance(value, kind)), {})
    for key, item in value.items():
        try:
            items[plain(key, where)] = plain(item, f"{where}.{key}")
        except CheckpointError:
            if not optional:
                raise
    if isinstance(value, OrderedDict) and hasattr(value, "_metadata"):
        items._metadata = value._metadata  # type: ignore[attr-defined] # the versions of modules, which torch keeps there
    return items


def _tensor(value: np.ndarray[Any, Any], where: str) -> Tensor:
    try:
        return torch.from_numpy(np.ascontiguousarray(value)).reshape(value.shape)
    except TypeError:
        raise CheckpointError(f"the checkpoint would hold an array of {value.dtype} ({where}); give numbers") from None


def _arrays(value: Any) -> Any:
    """What `plain` was given, for arrays."""
    if isinstance(value, dict):
        if len(value) == 1 and isinstance(value.get(_ARRAY), Tensor):
            return value[_ARRAY].numpy()
        for key in value:
            value[key] = _arrays(value[key])
    elif isinstance(value, list):
        value[:] = map(_arrays, value)
    elif type(value) is tuple:
        return tuple(map(_arrays, value))
    return value


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__
