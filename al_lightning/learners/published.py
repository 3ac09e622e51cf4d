"""Learners of the other papers: the task's loss and steps of `DenseLearner` around their networks."""

from __future__ import annotations

from al_lightning.learners.dense import DenseLearner
from al_lightning.learners.unet import fits
from al_lightning.networks.drn import DRND22
from al_lightning.networks.fcn8s import FCN8s
from al_lightning.networks.segnet import SegNet
from al_lightning.networks.smp import SmpNetwork
from al_lightning.networks.suggestive_fcn import SuggestiveFCN
from al_lightning.types import Task

ADAM = (0.9, 0.999)


def suggestive_fcn(
    task: Task,
    size: tuple[int, int],
    mc_passes: int = 1,
    multiplier: float = 1.0,
    dropout: float = 0.0,
    lr: float = 5e-4,
) -> DenseLearner:
    """The FCN of Suggestive Annotation (Yang et al. 2017, METHODS §3); the latent has 1,024 dimensions.

    Args:
        task, size, mc_passes: from the dataset and the learner's section.
        multiplier: of all widths.
        dropout: probability of one dropout on the deepest map.
        lr: of Adam; the paper does not state its own.
    """
    network = SuggestiveFCN(task.channels, multiplier, dropout)
    fits(size, network.multiple)
    return DenseLearner(network, task, lr, ADAM, mc_passes=mc_passes)


def fcn8s(
    task: Task,
    size: tuple[int, int],
    mc_passes: int = 1,
    multiplier: float = 0.25,
    dropout: float = 0.5,
    norm: bool = False,
    lr: float = 1e-4,
    betas: tuple[float, float] = (0.99, 0.999),
) -> DenseLearner:
    """FCN8s on VGG16 with a width multiplier (CEREALS, METHODS §4), trained from scratch.

    Args:
        task, size, mc_passes: from the dataset and the learner's section.
        multiplier: of all widths.
        dropout: probability of the two dropouts behind the encoder.
        norm: batch normalisation in the encoder; the paper has none.
        lr, betas: of Adam, as in the supplement of CEREALS.
    """
    network = FCN8s(task.channels, multiplier, dropout, norm)
    fits(size, network.multiple)
    return DenseLearner(network, task, lr, betas, mc_passes=mc_passes)


def segnet(
    task: Task,
    size: tuple[int, int],
    mc_passes: int = 1,
    multiplier: float = 1.0,
    dropout: float = 0.0,
    lr: float = 5e-4,
) -> DenseLearner:
    """SegNet (Badrinarayanan et al. 2017), whose decoder unpools with the indices of max-pooling.

    Args:
        task, size, mc_passes: from the dataset and the learner's section.
        multiplier: of all widths.
        dropout: probability of one dropout on the deepest map.
        lr: of Adam.
    """
    network = SegNet(task.channels, multiplier, dropout)
    fits(size, network.multiple)
    return DenseLearner(network, task, lr, ADAM, mc_passes=mc_passes)


def drn_d_22(
    task: Task,
    size: tuple[int, int],
    mc_passes: int = 1,
    multiplier: float = 1.0,
    dropout: float = 0.0,
    lr: float = 5e-4,
) -> DenseLearner:
    """DRN-D-22 (Yu et al. 2017), the task network of VAAL on road scenes (METHODS §1).

    Args:
        task, size, mc_passes: from the dataset and the learner's section.
        multiplier: of all widths.
        dropout: probability of one dropout on the deepest map.
        lr: of Adam.
    """
    network = DRND22(task.channels, multiplier, dropout)
    fits(size, network.multiple)
    return DenseLearner(network, task, lr, ADAM, mc_passes=mc_passes)


def smp_learner(
    task: Task,
    size: tuple[int, int],
    mc_passes: int = 1,
    architecture: str = "DeepLabV3Plus",
    encoder: str = "resnet34",
    encoder_weights: str | None = None,
    dropout: float = 0.0,
    lr: float = 2e-4,
) -> DenseLearner:
    """Any decoder of segmentation_models_pytorch on any of its encoders.

    Args:
        task, size, mc_passes: from the dataset and the learner's section.
        architecture: Unet, UnetPlusPlus, FPN, PSPNet, DeepLabV3, DeepLabV3Plus, Linknet, MAnet, PAN, ...
        encoder: a name of the library, such as resnet34.
        encoder_weights: None, "imagenet", or a file.
        dropout: probability of one dropout on the deepest map, beside what the decoder has.
        lr: of Adam.
    """
    network = SmpNetwork(architecture, encoder, encoder_weights, task.channels, dropout)
    fits(size, network.multiple)
    return DenseLearner(network, task, lr, ADAM, mean=network.mean, std=network.std, mc_passes=mc_passes)


def deeplabv3plus(
    task: Task,
    size: tuple[int, int],
    mc_passes: int = 1,
    encoder: str = "resnet34",
    encoder_weights: str | None = None,
    dropout: float = 0.0,
    lr: float = 2e-4,
) -> DenseLearner:
    """DeepLabV3+ of segmentation_models_pytorch; options as of `smp`."""
    return smp_learner(task, size, mc_passes, "DeepLabV3Plus", encoder, encoder_weights, dropout, lr)
