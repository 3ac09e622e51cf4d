"""The run lengths in which Label Studio stores a brush: bits packed into bytes, four equal channels a pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SIZES = (3, 4, 8, 16)
"""Bits of the four kinds of lengths."""
WORD = 8
"""Bits of a value."""


def encode(mask: NDArray[np.bool_]) -> list[int]:
    """The bytes of a mask (H, W): 255 inside, 0 outside.

    Example:
        >>> decode(encode(np.array([[True, False]])), (1, 2)).tolist()
        [[True, False]]
    """
    flat = np.repeat(mask.reshape(-1), 4)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]]) if flat.size else np.zeros(1, int)
    pieces = [f"{flat.size:032b}", f"{WORD - 1:05b}", *(f"{size - 1:04b}" for size in SIZES)]
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        value, length = f"{255 * int(flat[start]):08b}", end - start
        while length > 0:
            kind = next((k for k, size in enumerate(SIZES) if length <= 1 << size), len(SIZES) - 1)
            part = min(length, 1 << SIZES[kind])
            pieces.append(f"1{kind:02b}{part - 1:0{SIZES[kind]}b}{value}")
            length -= part
    bits = np.frombuffer("".join(pieces).encode(), np.uint8) - ord("0")
    packed: list[int] = np.packbits(bits).tolist()
    return packed


def decode(packed: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask (H, W) of the bytes: True where the last channel, opacity, is above half.

    Raises:
        ValueError: the bytes end too early, or are of another size.
    """
    try:
        bits = np.unpackbits(np.array(packed, dtype=np.uint8))
    except (ValueError, OverflowError, TypeError) as error:
        raise ValueError(f"a brush whose bytes cannot be read ({error})") from None
    at = 0

    def read(count: int) -> int:
        nonlocal at
        if at + count > len(bits):
            raise ValueError("a brush whose bytes end too early")
        value = 0
        for bit in bits[at : at + count].tolist():
            value = value << 1 | bit
        at += count
        return value

    count, word = read(32), read(5) + 1
    if count != 4 * size[0] * size[1]:
        raise ValueError(f"a brush of {count / 4:g} pixels; the image has {size[1]} x {size[0]}")
    sizes = [read(4) + 1 for _ in range(4)]
    out = np.empty(count, np.uint16)
    place = 0
    while place < count:
        repeated, kind = read(1), read(2)
        length = read(sizes[kind]) + 1
        if place + length > count:
            raise ValueError("a brush with more pixels than its image")
        if repeated:
            out[place : place + length] = read(word)
        else:
            for k in range(place, place + length):
                out[k] = read(word)
        place += length
    return np.asarray(out.reshape(*size, 4)[..., 3] > (1 << word) // 2 - 1)
