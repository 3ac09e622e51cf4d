"""Encoders that turn images into one vector each: of segmentation_models_pytorch, or any model of timm."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
from timm.data import resolve_model_data_config
from timm.models import load_state_dict
from torch import Tensor, nn

from al_lightning.core.arrays import Size
from al_lightning.networks.smp import Numbers, downloads, first_line, load_encoder, numbers_of, unknown

DOWNLOAD = "imagenet"
"""The name of the weights that are downloaded where no file is given."""
SMP_SIZE = (256, 256)


class ImageEncoder(nn.Module):
    """uint8 images (B, 3, H, W) -> (B, D) float32, with an encoder that is not trained further.

    Args:
        name: an encoder of segmentation_models_pytorch, whose deepest map is averaged over its positions; or a model
            of timm, whose own pooling is taken. "tu-" before a name of timm takes timm's where both have one.
        weights: a file with the encoder's state dict (of the whole model of timm, with or without its classifier), or
            the name of weights to download: "imagenet", or others that segmentation_models_pytorch has.
        size: (H, W) of the images; None: 256 × 256, or what the model of timm was trained with.

    Attributes:
        size: (H, W) that images are resized to.

    Raises:
        ValueError: an unknown name, a file that does not fit, or a size that the encoder does not take.
        FileNotFoundError: weights that are no file and cannot be downloaded.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, weights: str | Path = DOWNLOAD, size: Size | None = None) -> None:
        super().__init__()
        self.of_smp = name in smp.encoders.encoders
        known = name.removeprefix("tu-")
        if not self.of_smp and not timm.is_model(known):
            raise ValueError(unknown("encoder", known, [*smp.encoders.encoders, *timm.list_models()]))
        if self.of_smp:
            self.model, numbers = _of_smp(name, weights)
            self.size = SMP_SIZE if size is None else size
            stride = int(self.model.output_stride)
            if any(side % stride for side in self.size):
                raise ValueError(f"size={list(self.size)}: {name} needs multiples of {stride}")
        else:
            self.model, numbers, self.size = _of_timm(known, weights, size)
        self.register_buffer("mean", torch.tensor(numbers[0]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(numbers[1]).view(3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 -> (B, D)."""
        found = self.model((image.float() / 255 - self.mean) / self.std)
        pooled: Tensor = found[-1].mean((2, 3)) if self.of_smp else found
        return pooled.float()


def _of_smp(name: str, weights: str | Path) -> tuple[Any, Numbers]:
    if str(weights) not in downloads(name):
        encoder = smp.encoders.get_encoder(name, in_channels=3, depth=5, weights=None)
        load_encoder(encoder, name, weights)
        return encoder, numbers_of(name)
    try:
        encoder = smp.encoders.get_encoder(name, in_channels=3, depth=5, weights=str(weights))
        found = smp.encoders.get_preprocessing_params(name, str(weights))
    except Exception as error:  # types of errors differ between versions of the hub's client
        raise _not_downloaded(name, weights, error) from error
    top = found["input_range"][1]
    mean, std = (tuple(float(x) / top for x in found[key]) for key in ("mean", "std"))
    return encoder, (mean, std)


def _of_timm(name: str, weights: str | Path, size: Size | None) -> tuple[Any, Numbers, Size]:
    overlay: dict[str, Any] = {}
    if str(weights) != DOWNLOAD:
        overlay["state_dict"] = _state(name, Path(weights).expanduser())
    options: dict[str, Any] = {"num_classes": 0, "pretrained_cfg_overlay": overlay}
    model = None
    if size is not None:
        with suppress(TypeError):  # most convolutional networks take any size, and no such argument
            model = _created(name, weights, **options, img_size=size)
            options["img_size"] = size
    model = _created(name, weights, **options) if model is None else model
    if overlay and (left := _not_in_the_file(model, _created(name, weights, **options))):
        raise ValueError(f"weights={str(weights)!r} does not fit {name}: it has no {left[0]} ({len(left)} are missing)")
    config = resolve_model_data_config(model)
    numbers = tuple(map(float, config["mean"])), tuple(map(float, config["std"]))
    return model, numbers, size or (int(config["input_size"][1]), int(config["input_size"][2]))


def _created(name: str, weights: str | Path, **options: Any) -> Any:
    """A model of timm, without its warnings of keys that a file has and the model has not.

    Raises:
        TypeError: the model has no such option.
    """
    log = logging.getLogger("timm")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        return timm.create_model(name, pretrained=True, **options)
    except TypeError:
        raise
    except Exception as error:
        raise _refused(name, weights, error) from error
    finally:
        log.setLevel(level)


def _state(name: str, path: Path) -> dict[str, Tensor]:
    """The state dict of a file, without unpickling anything but tensors."""
    if not path.is_file():
        raise FileNotFoundError(
            f"weights={str(path)!r} is no file; give the path of a state dict of {name}, or {DOWNLOAD} to download it"
        )
    try:
        state = load_state_dict(str(path), weights_only=True)
        tensors = {key: value for key, value in state.items() if isinstance(value, Tensor)}
    except Exception as error:  # the readers raise many types of errors for files of other formats
        raise ValueError(f"weights={str(path)!r} cannot be read as a state dict: {first_line(error)}") from error
    if not tensors:
        raise ValueError(f"weights={str(path)!r} is no state dict: expected a mapping of names to tensors")
    return tensors


def _not_in_the_file(one: nn.Module, other: nn.Module) -> list[str]:
    """Parameters that differ between two models of the same file: timm leaves those that it lacks at random."""
    pairs = zip(one.named_parameters(), other.parameters(), strict=True)
    return [name for (name, value), twin in pairs if not torch.equal(value, twin)]


def _refused(name: str, weights: str | Path, error: Exception) -> Exception:
    if str(weights) == DOWNLOAD:
        return _not_downloaded(name, weights, error)
    return ValueError(f"weights={str(weights)!r} does not fit {name}: {' '.join(str(error).split())[:300]}")


def _not_downloaded(name: str, weights: str | Path, error: Exception) -> Exception:
    return FileNotFoundError(
        f"weights={str(weights)!r} of {name} could not be downloaded: {first_line(error)}; give the path of a file "
        "with the encoder's state dict"
    )
