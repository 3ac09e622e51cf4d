"""The option --device."""

from __future__ import annotations

from typing import Any


def device_of(name: str) -> Any:
    """The torch device of this name; auto is a GPU where there is one.

    Raises:
        ValueError: it cannot be used.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"--device {name}: cannot be used ({reason}); expected auto, cpu, cuda or cuda:1") from None
    return device
