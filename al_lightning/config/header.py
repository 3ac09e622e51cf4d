"""What the comment at the top of an experiment file says: which paper it repeats, and what of it is ours.

    # Kvasir-SEG with the network and budget of Poudel et al. 2024.
    # Paper: Poudel et al. 2024, mIoU on Kvasir-SEG.
    # Arms: random, ta-coreset.
    # Follows: U-Net, 100 epochs.
    # Ours: the widths of the U-Net.

`Arms` are the variants that the paper compares, or the name of the file for the file itself. All shipped files have
these parts; a user's own need none. Imports no torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

KEYS = ("Paper", "Arms", "Follows", "Ours")
NONE = "none"
PART = re.compile(rf"^({'|'.join(KEYS)}): +(.*)")


@dataclass(frozen=True)
class Header:
    """The parts of the comment; "" where it lacks one."""

    title: str
    """Its first line."""
    paper: str
    """The paper with its table or figure; begins with "none" where there is none."""
    arms: tuple[str, ...]
    """Names of the experiments that the paper compares."""
    follows: str
    """Settings that are the paper's."""
    ours: str
    """Settings that the paper does not state, or that differ from it."""

    @property
    def of_a_paper(self) -> bool:
        """Whether the experiments repeat a comparison of a paper."""
        return bool(self.arms)


def comment(path: Path) -> tuple[str, ...]:
    """The lines of the comment at the top of a file, without their mark.

    Raises:
        OSError: the file cannot be read.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(line.removeprefix("#").removeprefix(" ") for line in takewhile(lambda line: line[:1] == "#", lines))


def read_header(path: Path) -> Header:
    """The parts of the comment at the top of a file; a part ends with the next one, or with an empty line.

    Raises:
        OSError: the file cannot be read.
    """
    lines = comment(path)
    parts: dict[str, list[str]] = {}
    open_: list[str] | None = None
    for line in lines[1:]:
        if found := PART.match(line):
            open_ = parts.setdefault(found[1], [])
            open_.append(found[2])
        elif not line.strip():
            open_ = None
        elif open_ is not None:
            open_.append(line.strip())
    said = {key: " ".join(parts.get(key, [])) for key in KEYS}
    words = [word.strip() for word in said["Arms"].removesuffix(".").split(",")]
    arms = tuple(
        word if word == path.stem else f"{path.stem}-{word}" for word in words if word and not word.startswith(NONE)
    )
    return Header(lines[0] if lines else "", said["Paper"], arms, said["Follows"], said["Ours"])
