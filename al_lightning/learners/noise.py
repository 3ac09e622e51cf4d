"""Dropout of Monte Carlo passes as a function of image and pass, whatever the batch, the device or the rank."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

ALPHA = -1.7580993408473766
"""−λα of SELU, the value of units that alpha dropout drops."""
ELEMENTS, CHANNELS = (nn.Dropout, nn.AlphaDropout), (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.FeatureAlphaDropout)
"""Layers that drop single values, and those that drop whole channels."""


def dropout_layers(network: nn.Module) -> list[nn.Module]:
    """All dropout layers, of any kind, with p > 0.

    Example:
        >>> dropout_layers(nn.Sequential(nn.Dropout(0.5), nn.Dropout2d(0.0)))
        [Dropout(p=0.5, inplace=False)]
    """
    return [m for m in network.modules() if isinstance(m, nn.modules.dropout._DropoutNd) and m.p > 0]


@contextmanager
def keyed_dropout(layers: Sequence[nn.Module], rows: Tensor) -> Iterator[None]:
    """Within this context, dropout layers in evaluation mode drop values of a batch.

    What the i-th call of a layer drops of an image is a hash of (`torch.initial_seed()`, the position of the layer in
    `layers`, i, the image's row, the position of the value in the image). Masks therefore depend neither on the other
    images of the batch nor on draws before it, and are the same on every device. Where a batch is passed M times
    through the layers, i counts the passes.

    Args:
        layers: of `dropout_layers`, in an order that is always the same.
        rows: (B,) int64, those of the batch. The first dimension of what a layer gets is B, or a multiple of it with
            the parts of one image next to each other.

    Raises:
        ValueError: another first dimension, or a layer of a class that PyTorch does not have.

    Example:
        >>> layer, image = nn.Dropout(0.5).eval(), torch.ones(1, 1000)
        >>> def dropped(*rows: int) -> Tensor:
        ...     with keyed_dropout([layer], torch.tensor(rows)):
        ...         return layer(image.expand(len(rows), -1))
        >>> torch.equal(dropped(3), dropped(8, 3)[1:]), torch.equal(dropped(3), dropped(4))
        (True, False)
    """
    for layer in layers:
        check_known(layer)
    seed = torch.initial_seed()
    first, second = (scramble(rows.to(torch.int32), *words(seed, stream)) for stream in (1, 2))
    with ExitStack() as stack:
        for position, layer in enumerate(layers):
            hook = _Hook(first, second, seed, position)
            stack.callback(layer.register_forward_hook(hook).remove)
        yield


def check_known(layer: nn.Module) -> None:
    """Check that `keyed_dropout` knows what a layer drops.

    Raises:
        ValueError: it does not.
    """
    if not isinstance(layer, ELEMENTS + CHANNELS):
        raise ValueError(
            f"dropout layer {type(layer).__name__}: Monte Carlo passes know PyTorch's own layers; take one of "
            + ", ".join(kind.__name__ for kind in ELEMENTS + CHANNELS)
        )


class _Hook:
    """The forward hook of one layer for one batch."""

    def __init__(self, first: Tensor, second: Tensor, seed: int, position: int) -> None:
        self.keys, self.seed, self.position, self.calls = (first, second), seed, position, 0

    def __call__(self, layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        values: Tensor = inputs[0]
        images = len(self.keys[0])
        if values.shape[0] % images:
            raise ValueError(
                f"dropout layer {self.position} ({layer}): got {tuple(values.shape)} for a batch of {images} images; "
                "Monte Carlo passes need the images in the first dimension"
            )
        words_of_call = words(self.seed, 3 + self.calls, self.position)
        self.calls += 1
        shape = values.shape if isinstance(layer, ELEMENTS) else values.shape[:2] + (1,) * (values.dim() - 2)
        number = shape.numel() // images
        position = torch.arange(number, dtype=torch.int32, device=values.device)
        key, salt = (row ^ word for row, word in zip(self.keys, words_of_call, strict=True))
        hashed = scramble(position ^ key[:, None], 0, salt[:, None])
        p = float(cast(nn.Dropout, layer).p)
        drop = (hashed < round(p * 2**32) - 2**31).view(shape)
        if isinstance(layer, nn.AlphaDropout | nn.FeatureAlphaDropout):
            if p == 1:
                return torch.zeros_like(values)
            scale = 1 / math.sqrt((1 - p) * (1 + p * ALPHA**2))
            return values.masked_fill(drop, ALPHA) * scale - scale * p * ALPHA
        scaled: Tensor = values * (1 / (1 - p) if p < 1 else 0.0)
        return scaled.masked_fill_(drop, 0)


def scramble(x: Tensor, key: int, salt: int | Tensor) -> Tensor:
    """A hash of int32 values, element by element: equally distributed over all int32 and the same on every device.

    The two rounds are those of Wellons' lowbias32, with `salt` between them; its last shift changes only low bits,
    which no comparison with a threshold needs.

    Args:
        x: any shape.
        key, salt: int32, or tensors that x broadcasts with.
    """
    hashed = x ^ key
    shifted = hashed >> 16
    shifted &= 0xFFFF  # >> repeats the sign
    hashed ^= shifted
    hashed *= 0x7FEB352D
    hashed ^= salt
    torch.bitwise_right_shift(hashed, 15, out=shifted)
    shifted &= 0x1FFFF
    hashed ^= shifted
    hashed *= 0x846CA68B - 2**32
    return hashed


def words(*numbers: int) -> tuple[int, int]:
    """Two int32 numbers from whole numbers, by the finaliser of SplitMix64.

    Example:
        >>> words(0, 1) == words(0, 1), words(0, 1) == words(1, 0)
        (True, False)
    """
    state, most = 0, 2**64 - 1
    for number in numbers:
        state = (state ^ number & most) + 0x9E3779B97F4A7C15 & most
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & most
        state = (state ^ state >> 27) * 0x94D049BB133111EB & most
        state ^= state >> 31
    return (state >> 32) - 2**31, (state & 2**32 - 1) - 2**31
