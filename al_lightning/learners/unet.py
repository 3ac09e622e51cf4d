"""U-Net: the learner of Poudel et al. 2024."""

from __future__ import annotations

from typing import Literal

from al_lightning.core.arrays import Size
from al_lightning.core.task import Task
from al_lightning.learners.dense import DenseLearner, checked
from al_lightning.learners.losses import Discrepancy
from al_lightning.networks.smp import HALF, SmpNetwork
from al_lightning.networks.unet import PlainUNet


def unet(
    task: Task,
    size: Size,
    encoder: str | None = None,
    encoder_weights: str | None = None,
    widths: list[int] = [32, 64, 128, 256, 512],  # noqa: B006  never changed; OmegaConf copies it
    dropout: float = 0.0,
    norm: bool = True,
    grey: bool = False,
    loss: Literal["bce-dice", "dice"] = "bce-dice",
    upsampling: Literal["transposed", "nearest"] = "transposed",
    attention: bool = False,
    lr: float = 2e-4,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
    discrepancy: float = 0.0,
    delta: float = 0.2,
    detach_mask: bool = False,
) -> DenseLearner:
    """The plain U-Net, or the U-Net of segmentation_models_pytorch when `encoder` is given.

    Args:
        task, size: from the dataset.
        encoder: None for the plain U-Net, else a name that segmentation_models_pytorch knows ("resnet34").
        encoder_weights: None, "imagenet", or a file; only with an encoder.
        widths: channels of the plain U-Net's levels; the last is the dimension of the latent.
        dropout: probability of the one dropout, on the deepest map (Gorriz et al. 2017: 0.5).
        norm: batch normalisation in the plain U-Net.
        grey: see the image in grey levels.
        loss: "bce-dice": cross-entropy + Dice per image (Poudel et al. 2024); "dice": Dice over the whole batch alone
            (Gorriz et al. 2017); of segmentation.
        upsampling, attention: of the plain U-Net, as of `PlainUNet`.
        lr, betas, weight_decay: of Adam.
        discrepancy: weight λ_c of the feature-discrepancy loss on unlabelled images (Huang et al. 2024: 0.1);
            0 leaves it out.
        delta, detach_mask: of that loss, as of `Discrepancy`.

    Raises:
        ValueError: weights without an encoder or that do not fit it, an unknown encoder, a size that the network
            cannot halve, or an impossible dropout or discrepancy.
        FileNotFoundError: weights that are neither a file nor to be downloaded.
    """
    network: PlainUNet | SmpNetwork
    if encoder is None:
        if encoder_weights is not None:
            raise ValueError(f"encoder_weights={encoder_weights!r}: the plain U-Net has none; name an encoder too")
        network = PlainUNet(task.channels, widths, dropout, norm, upsampling, attention)
        mean, std = HALF
    else:
        network = SmpNetwork("Unet", encoder, encoder_weights, task.channels, dropout)
        mean, std = network.mean, network.std
    extra = Discrepancy(discrepancy, delta, detach_mask) if discrepancy else None
    return DenseLearner(checked(network, size), task, lr, betas, weight_decay, mean, std, extra, loss, grey)
