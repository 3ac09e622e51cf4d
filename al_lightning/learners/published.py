"""Learners of other papers and of segmentation_models_pytorch: `DenseLearner` around their networks.

All raise ValueError for an impossible option, or for a size that the network cannot halve; what would download weights
raises FileNotFoundError where it cannot.
"""

from __future__ import annotations

from al_lightning.core.arrays import Size
from al_lightning.core.task import Task
from al_lightning.learners.dense import DenseLearner, checked
from al_lightning.networks.drn import DRND22
from al_lightning.networks.fcn8s import FCN8s
from al_lightning.networks.segnet import SegNet
from al_lightning.networks.smp import SmpNetwork
from al_lightning.networks.suggestive_fcn import SuggestiveFCN


def suggestive_fcn(
    task: Task,
    size: Size,
    multiplier: float = 1.0,
    dropout: float = 0.0,
    lr: float = 5e-4,
) -> DenseLearner:
    """The FCN of Suggestive Annotation (Yang et al. 2017); the latent has 1,024 x multiplier dimensions.

    Args:
        task, size: from the dataset.
        multiplier: factor on all widths.
        dropout: probability of one dropout on the deepest map.
        lr: of Adam; the paper does not state its own.
    """
    network = checked(SuggestiveFCN(task.channels, multiplier, dropout), size)
    return DenseLearner(network, task, lr)


def fcn8s(
    task: Task,
    size: Size,
    multiplier: float = 0.25,
    dropout: float = 0.5,
    norm: bool = False,
    lr: float = 1e-4,
    betas: tuple[float, float] = (0.99, 0.999),
) -> DenseLearner:
    """FCN8s on VGG16 with a width multiplier (Mackowiak et al. 2018, CEREALS), trained from scratch.

    Args:
        task, size: from the dataset.
        multiplier: factor on all widths.
        dropout: probability of the two dropouts behind the encoder.
        norm: batch normalisation in the encoder; the paper has none.
        lr, betas: of Adam, as in the supplement of CEREALS.
    """
    network = checked(FCN8s(task.channels, multiplier, dropout, norm), size)
    return DenseLearner(network, task, lr, betas)


def segnet(
    task: Task,
    size: Size,
    multiplier: float = 1.0,
    dropout: float = 0.0,
    lr: float = 5e-4,
) -> DenseLearner:
    """SegNet (Badrinarayanan et al. 2017), whose decoder unpools with the indices of max-pooling.

    Args:
        task, size: from the dataset.
        multiplier: factor on all widths.
        dropout: probability of one dropout on the deepest map.
        lr: of Adam.
    """
    network = checked(SegNet(task.channels, multiplier, dropout), size)
    return DenseLearner(network, task, lr)


def drn_d_22(
    task: Task,
    size: Size,
    multiplier: float = 1.0,
    dropout: float = 0.0,
    lr: float = 5e-4,
) -> DenseLearner:
    """DRN-D-22 (Yu et al. 2017), the task network of VAAL on road scenes.

    Args:
        task, size: from the dataset.
        multiplier: factor on all widths.
        dropout: probability of one dropout on the deepest map.
        lr: of Adam.
    """
    network = checked(DRND22(task.channels, multiplier, dropout), size)
    return DenseLearner(network, task, lr)


def smp_learner(
    task: Task,
    size: Size,
    architecture: str = "DeepLabV3Plus",
    encoder: str = "resnet34",
    encoder_weights: str | None = None,
    dropout: float = 0.0,
    lr: float = 2e-4,
) -> DenseLearner:
    """Any decoder of segmentation_models_pytorch on any of its encoders.

    Args:
        task, size: from the dataset.
        architecture: Unet, UnetPlusPlus, FPN, PSPNet, DeepLabV3, DeepLabV3Plus, Linknet, MAnet, PAN, ...
        encoder: a name that the library knows, such as resnet34; it sets the dimension of the latent.
        encoder_weights: None, "imagenet", or a file.
        dropout: probability of one dropout on the deepest map, beside what the decoder has.
        lr: of Adam.
    """
    network = checked(SmpNetwork(architecture, encoder, encoder_weights, task.channels, dropout), size)
    return DenseLearner(network, task, lr, mean=network.mean, std=network.std)


def deeplabv3plus(
    task: Task,
    size: Size,
    encoder: str = "resnet34",
    encoder_weights: str | None = None,
    dropout: float = 0.0,
    lr: float = 2e-4,
) -> DenseLearner:
    """DeepLabV3+ of segmentation_models_pytorch; options as of `smp_learner`."""
    return smp_learner(task, size, "DeepLabV3Plus", encoder, encoder_weights, dropout, lr)
