"""Networks for dense prediction as plain `nn.Module`s, each in a file of its own, and the contract of all of them.

Import a network from its own file (`from al_lightning.networks.unet import PlainUNet`), so that a run loads only the
libraries that it uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

__all__ = ["Network", "check_size", "repeat"]


@runtime_checkable
class Network(Protocol):
    """A segmentation or regression network whose encoder and decoder can be called separately.

    The latent of an image is the spatial mean of the deepest map. With dropout in `decode` only, the encoder
    runs once for all Monte Carlo passes: `maps = encode(image)`, then M times `decode(maps)`.
    """

    multiple: int
    """Number by which H and W of an image must be divisible."""
    width: int
    """Channels of the deepest map."""
    dropout_in_encoder: bool
    """True where `encode` has dropout, so that every Monte Carlo pass must call it again."""

    @property
    def classifier(self) -> nn.Module | None:
        """The last layer with weights, whose input is the map before the classifier; None where there is no single one
        (FCN-8s adds the scores of three levels)."""

    def encode(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) float -> maps, fine to coarse: the last is the deepest, after its last layer.

        Raises:
            ValueError: H or W is not divisible by `multiple`.
        """

    def decode(self, maps: list[Tensor]) -> Tensor:
        """What `encode` returned, left unchanged -> (B, K, H, W) logits (K = 1: two classes or a depth)."""

    def decode_many(self, maps: list[Tensor], number: int) -> Iterator[Tensor]:
        """`number` outputs of `decode(maps)`, each with new draws of dropout; layers that dropout does not affect
        are computed once."""

    def __call__(self, image: Tensor) -> Tensor:
        """decode(encode(image))."""

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """As `nn.Module.parameters`."""

    def modules(self) -> Iterator[nn.Module]:
        """As `nn.Module.modules`."""


def repeat(decode: Callable[[list[Tensor]], Tensor], maps: list[Tensor], number: int) -> Iterator[Tensor]:
    """`decode_many` of a network whose whole decoder is after its dropout.

    Example:
        >>> import torch
        >>> [output.item() for output in repeat(lambda maps: maps[0] + 1, [torch.tensor(1)], 2)]
        [2, 2]
    """
    return (decode(maps) for _ in range(number))


def check_size(image: Tensor, multiple: int, minimum: int = 1) -> None:
    """Check that H and W of an image (..., H, W) are at least `minimum` and divisible by `multiple`.

    Raises:
        ValueError: they are not; the message gives the size and the nearest valid ones.

    Example:
        >>> import torch
        >>> check_size(torch.zeros(1, 3, 64, 96), multiple=32)
        >>> check_size(torch.zeros(1, 3, 64, 90), multiple=32)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: image size 64x90: this network takes ... nearest: height 64, width 64 or 96
    """
    height, width = image.shape[-2:]
    if height % multiple == 0 and width % multiple == 0 and min(height, width) >= minimum:
        return
    least = -(-minimum // multiple) * multiple  # rounded up; ≥ multiple because minimum ≥ 1
    nearest = []
    for n in (height, width):
        below, above = n // multiple * multiple, -(-n // multiple) * multiple
        nearest.append(" or ".join(str(size) for size in sorted({max(least, below), max(least, above)})))
    bound = f" and at least {least}" if least > multiple else ""
    raise ValueError(
        f"image size {height}x{width}: this network takes heights and widths divisible by {multiple}{bound}; "
        f"nearest: height {nearest[0]}, width {nearest[1]}"
    )
