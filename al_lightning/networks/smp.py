"""Encoders and decoders of segmentation_models_pytorch as a `Network`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import segmentation_models_pytorch as smp
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from al_lightning.networks import check_size, repeat

ARCHITECTURES = tuple(
    name
    for name in (
        "Unet", "UnetPlusPlus", "FPN", "PSPNet", "DeepLabV3", "DeepLabV3Plus", "Linknet", "MAnet", "PAN",
        "UPerNet", "Segformer",
    )
    if hasattr(smp, name)
)  # fmt: skip
Numbers = tuple[tuple[float, ...], tuple[float, ...]]
IMAGENET: Numbers = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF: Numbers = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
DPN: Numbers = (124 / 255, 117 / 255, 104 / 255), (1 / (0.0167 * 255),) * 3
LEAST_PAN = 128
"""Smallest side for PAN, which halves its map at 1/16 three more times."""


class SmpNetwork(nn.Module):
    """A network of segmentation_models_pytorch: `encode` is its encoder, `decode` its decoder and head.

    The deepest map is the last one of the library's encoder. It follows a ReLU in the ResNet, SE-Net, VGG and
    MobileNet families; EfficientNet, DenseNet and transformers end with a normalisation, so that their maps have
    negative values too.

    The published dropout of an architecture's decoder (FPN and PSPNet 0.2, DeepLab 0.5) is kept in addition to
    `dropout`. Parameters that no output depends on (the last two stages with PSPNet, for example) do not require
    gradients, because training on several devices would wait for them.

    Args:
        architecture: one of `ARCHITECTURES`, in any case.
        encoder: a name of `smp.encoders.get_encoder_names()`, or "tu-" and a name of timm.
        encoder_weights: None, a name of the library's weights ("imagenet", and others for some encoders), which are
            downloaded or read from its cache, or a path to a state dict of the encoder, written by `torch.save` or
            as .safetensors; keys of torchvision's classification networks fit too.
        channels_out: K, output channels.
        dropout: probability of one dropout on the deepest map at the start of `decode`.

    Attributes:
        mean, std: normalisation (x − mean)/std of an image in [0, 1] that the pre-trained encoder expects; 0.5 each
            without weights. For a file they are those of the encoder's ImageNet weights.

    Raises:
        ValueError: an unknown name, an encoder that the architecture does not support, or a file that does not fit
            the encoder.
        FileNotFoundError: weights that are neither a known name nor a file, or that cannot be downloaded.
    """

    def __init__(
        self,
        architecture: str,
        encoder: str,
        encoder_weights: str | Path | None,
        channels_out: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        architectures = {name.lower(): name for name in ARCHITECTURES}
        if architecture.lower() not in architectures:
            raise ValueError(unknown("architecture", architecture, ARCHITECTURES))
        if encoder not in smp.encoders.encoders and not encoder.startswith("tu-"):
            raise ValueError(unknown("encoder", encoder, smp.encoders.encoders))
        name = architectures[architecture.lower()]
        try:
            self.model = _build(name, encoder, None, channels_out)
        except (ValueError, RuntimeError, NotImplementedError) as error:
            pair = f"encoder={encoder!r} does not go with architecture={name!r}"
            raise ValueError(f"{pair}: {error}") from error
        self.mean, self.std = HALF
        if encoder_weights is not None and str(encoder_weights) in downloads(encoder):
            self.model, (self.mean, self.std) = _downloaded(name, encoder, str(encoder_weights), channels_out)
        elif encoder_weights is not None:
            load_encoder(self.model.encoder, encoder, encoder_weights)
            self.mean, self.std = numbers_of(encoder)
        self.dropout = nn.Dropout(dropout)
        self.multiple = int(self.model.encoder.output_stride)
        self.minimum = LEAST_PAN if name == "PAN" else 1
        self.width = int(self.model.encoder.out_channels[-1])
        self.dropout_in_encoder = any(
            isinstance(module, _DropoutNd) and module.p > 0 for module in self.model.encoder.modules()
        )
        self._freeze_unreached()

    @property
    def classifier(self) -> nn.Module:
        """The last layer with weights, whose input is the map before the classifier."""
        return cast(nn.Sequential, self.model.segmentation_head)[0]

    def encode(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> the encoder's maps, the image itself first.

        Raises:
            ValueError: H or W is not divisible by `multiple` (or, for PAN, below 128).
        """
        check_size(image, self.multiple, self.minimum)
        return list(self.model.encoder(image))

    def decode(self, maps: list[Tensor]) -> Tensor:
        """Maps -> (B, K, H, W) logits."""
        deepest = self.dropout(maps[-1])
        logits: Tensor = self.model.segmentation_head(self.model.decoder([*maps[:-1], deepest]))
        return logits

    def decode_many(self, maps: list[Tensor], number: int) -> Iterator[Tensor]:
        """`number` outputs of `decode(maps)`, each with new draws of dropout."""
        return repeat(self.decode, maps, number)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, H, W) logits."""
        return self.decode(self.encode(image))

    def _freeze_unreached(self) -> None:
        size = max(64, self.minimum)
        parameters = list(self.parameters())
        self.eval()
        with torch.enable_grad():
            output = self(torch.zeros(1, 3, size, size)).sum()
            gradients = torch.autograd.grad(output, parameters, allow_unused=True)
        self.train()
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.requires_grad_(gradient is not None)


def _build(architecture: str, encoder: str, weights: str | None, channels_out: int) -> Any:
    return smp.create_model(
        architecture, encoder_name=encoder, encoder_weights=weights, in_channels=3, classes=channels_out
    )


def downloads(encoder: str) -> tuple[str, ...]:
    """Names of weights that the library offers for an encoder."""
    if encoder.startswith("tu-"):
        return ("imagenet",)
    return tuple(smp.encoders.encoders[encoder]["pretrained_settings"])


def _downloaded(architecture: str, encoder: str, weights: str, channels_out: int) -> tuple[Any, Numbers]:
    """The network with its encoder pre-trained, and the mean and std of that encoder's images."""
    try:
        model = _build(architecture, encoder, weights, channels_out)
        numbers = smp.encoders.get_preprocessing_params(encoder, weights)
    except Exception as error:  # types of errors differ between versions of the hub's client
        raise FileNotFoundError(
            f"encoder_weights={weights!r} of {encoder!r} could not be downloaded: {first_line(error)}; "
            "give null, or the path of a file with the encoder's state dict"
        ) from error
    top = numbers["input_range"][1]
    mean, std = (tuple(float(x) / top for x in numbers[key]) for key in ("mean", "std"))
    return model, (mean, std)


def load_encoder(encoder: nn.Module, name: str, weights: str | Path) -> None:
    path = Path(weights).expanduser()
    given = f"encoder_weights={str(weights)!r}"
    if not path.is_file():
        raise FileNotFoundError(
            f"{given} is no file (tried {path.absolute()}), and {name!r} has no weights of that name (it has: "
            f"{', '.join(downloads(name))}); give the path of a state dict of the encoder, or null"
        )
    read = load_file if path.suffix == ".safetensors" else partial(torch.load, weights_only=True)
    try:
        state = read(path, "cpu")
    except Exception as error:  # the readers raise many types of errors for files of other formats
        raise ValueError(f"{given} cannot be read as a state dict: {first_line(error)}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{given} is no state dict: expected a mapping of names to tensors")
    try:
        encoder.load_state_dict(dict(state))
    except (RuntimeError, KeyError) as error:
        detail = "; ".join(line.strip() for line in str(error).splitlines()[1:3]) or first_line(error)
        raise ValueError(f"{given} does not fit encoder={name!r}: {detail[:300]}") from error


def numbers_of(encoder: str) -> Numbers:
    """Mean and std for an encoder's ImageNet weights, without a download."""
    if encoder.startswith("tu-"):
        numbers = smp.encoders.get_preprocessing_params(encoder)
        mean, std = (tuple(float(x) for x in numbers[key]) for key in ("mean", "std"))
        return mean, std
    if encoder.startswith(("inception", "xception")):
        return HALF
    return DPN if encoder.startswith("dpn") else IMAGENET


def unknown(argument: str, value: str, known: Iterable[str]) -> str:
    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(value.lower(), lower, n=3, cutoff=0.4)
    choice = f"nearest: {', '.join(lower[name] for name in near)}" if near else f"known: {', '.join(known)}"
    return f"{argument}={value!r} is unknown; {choice}"


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
