"""What the tests of networks count in them."""

from __future__ import annotations

from typing import TypeVar

import torch
import torchvision
from torch import nn

Layer = TypeVar("Layer", bound=nn.Module)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def layers(network: nn.Module, kind: type[Layer]) -> list[Layer]:
    return [module for module in network.modules() if isinstance(module, kind)]


def vgg16_parameters(norm: bool) -> int:
    reference = torchvision.models.vgg16_bn if norm else torchvision.models.vgg16
    with torch.device("meta"):
        return parameters(reference(weights=None).features)
