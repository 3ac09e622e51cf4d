"""U-Net, the learner of Poudel et al. 2024."""

from __future__ import annotations

from typing import Literal

from al_lightning.core.arrays import Size
from al_lightning.core.task import Task
from al_lightning.learners.dense import DenseLearner, checked
from al_lightning.learners.losses import Discrepancy, check_map
from al_lightning.networks.smp import HALF, SmpNetwork
from al_lightning.networks.unet import PlainUNet


def unet(
    task: Task,
    size: Size,
    encoder: str | None = None,
    encoder_weights: str | None = None,
    widths: list[int] = [32, 64, 128, 256, 512],  # noqa: B006  not modified; OmegaConf copies it
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
    """The plain U-Net, or the U-Net of segmentation_models_pytorch where `encoder` is given.

    Args:
        task, size: of the dataset.
        encoder (str | None): an encoder of segmentation_models_pytorch, such as "resnet34". Default None: the plain
            U-Net.
        encoder_weights (str | None): name of pre-trained weights, such as "imagenet", or a file; only with an encoder.
            Default None: random weights.
        widths (list[int]): channels of the plain U-Net's levels; the last is the dimension of the latent. Default
            [32, 64, 128, 256, 512].
        dropout (float): probability of one dropout on the deepest map, in [0, 1]; 0.5 in Gorriz et al. 2017. Default 0.
        norm (bool): batch normalisation in the plain U-Net. Default True.
        grey (bool): replace the colour channels by their luminance. Default False.
        loss (str): of segmentation: "bce-dice", cross-entropy + Dice per image (Poudel et al. 2024), or "dice", Dice
            over the whole batch (Gorriz et al. 2017). Default "bce-dice".
        upsampling (str): in the plain U-Net: "transposed" convolutions, or "nearest", repetition of pixels. Default
            "transposed".
        attention (bool): an additive attention gate at each skip of the plain U-Net. Default False.
        lr (float): learning rate of Adam. Default 2e-4.
        betas (tuple[float, float]): decay rates of Adam's moments. Default [0.9, 0.999].
        weight_decay (float): L2 penalty of Adam. Default 0.
        discrepancy (float): weight λ_c of the feature-discrepancy loss on unlabelled images, for segmentation; 0.1 in
            Huang et al. 2024, 0 for no such loss. Default 0.
        delta (float): δ of that loss, the largest cosine without a penalty, in [−1, 1). Default 0.2.
        detach_mask (bool): no gradient of that loss through the probabilities, only through the features. Default
            False.

    Raises:
        ValueError: weights without an encoder or that do not fit it, an unknown encoder, a size that the network
            cannot halve, a discrepancy on a deepest map below 2 x 2, or an option out of range.
        FileNotFoundError: weights that are no file and cannot be downloaded.
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
    checked(network, size)
    if extra is not None:
        deepest = [side // network.multiple for side in size]
        wider = "set more learner.options.widths, the last above 1"
        larger = f"set dataset.options.size={2 * network.multiple}, or fewer learner.options.widths"
        check_map((network.width, *deepest), wider if network.width < 2 else larger)
    return DenseLearner(network, task, lr, betas, weight_decay, mean, std, extra, loss, grey)
