"""Learners of other papers and of segmentation_models_pytorch: a `DenseLearner` with their networks.

All raise a ValueError for an option out of range, or for a size that the network cannot halve, and a FileNotFoundError
for weights that cannot be downloaded.
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
        task, size: of the dataset.
        multiplier (float): factor on all widths, above 0. Default 1.
        dropout (float): probability of one dropout on the deepest map, in [0, 1]. Default 0.
        lr (float): learning rate of Adam, which the paper does not state. Default 5e-4.
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
    """FCN-8s on VGG16 with a width multiplier (Mackowiak et al. 2018, CEREALS), trained from scratch.

    Args:
        task, size: of the dataset.
        multiplier (float): factor on all widths, above 0. Default 0.25.
        dropout (float): probability of the two dropouts after the encoder, in [0, 1]. Default 0.5.
        norm (bool): batch normalisation in the encoder; the paper has none. Default False.
        lr (float): learning rate of Adam, from the supplement of CEREALS. Default 1e-4.
        betas (tuple[float, float]): decay rates of Adam's moments, from the same supplement. Default [0.99, 0.999].
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
    """SegNet (Badrinarayanan et al. 2017), whose decoder unpools with the indices of the encoder's max-pooling.

    Args:
        task, size: of the dataset.
        multiplier (float): factor on all widths, above 0. Default 1.
        dropout (float): probability of one dropout on the deepest map, in [0, 1]. Default 0.
        lr (float): learning rate of Adam. Default 5e-4.
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
        task, size: of the dataset.
        multiplier (float): factor on all widths, above 0. Default 1.
        dropout (float): probability of one dropout on the deepest map, in [0, 1]. Default 0.
        lr (float): learning rate of Adam. Default 5e-4.
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
        task, size: of the dataset.
        architecture (str): Unet, UnetPlusPlus, FPN, PSPNet, DeepLabV3, DeepLabV3Plus, Linknet, MAnet, PAN, UPerNet or
            Segformer. Default "DeepLabV3Plus".
        encoder (str): an encoder of the library, which sets the dimension of the latent. Default "resnet34".
        encoder_weights (str | None): name of pre-trained weights, such as "imagenet", or a file. Default None: random
            weights.
        dropout (float): probability of one dropout on the deepest map, in addition to those of the decoder, in [0, 1].
            Default 0.
        lr (float): learning rate of Adam. Default 2e-4.
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
    """DeepLabV3+ of segmentation_models_pytorch on any of its encoders.

    Args:
        task, size: of the dataset.
        encoder (str): an encoder of the library, which sets the dimension of the latent. Default "resnet34".
        encoder_weights (str | None): name of pre-trained weights, such as "imagenet", or a file. Default None: random
            weights.
        dropout (float): probability of one dropout on the deepest map, in addition to that of 0.5 in the decoder, in
            [0, 1]. Default 0.
        lr (float): learning rate of Adam. Default 2e-4.
    """
    return smp_learner(task, size, "DeepLabV3Plus", encoder, encoder_weights, dropout, lr)
