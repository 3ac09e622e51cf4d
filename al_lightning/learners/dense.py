"""DenseLearner: the LightningModule for any network that maps an image to a map of the same size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeVar, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from al_lightning.core.prediction import Batch, Prediction, SampleStatistics
from al_lightning.core.task import Task
from al_lightning.learners.evaluation import Evaluation
from al_lightning.learners.losses import Discrepancy, batch_dice_loss, depth_loss, segmentation_loss
from al_lightning.learners.noise import check_known, dropout_layers, keyed_dropout
from al_lightning.learners.outputs import probabilities
from al_lightning.networks import Network

N = TypeVar("N", bound=Network)


class DenseLearner(pl.LightningModule):
    """Trains, tests and scores a network on a segmentation or depth task.

    Args:
        network: a `Network` of `task.channels` output channels.
        task: of the dataset.
        lr, betas, weight_decay: of Adam.
        mean, std: of the three input channels after scaling to [0, 1]; the network's input is (x − mean)/std.
        discrepancy: the feature-discrepancy loss on unlabelled batches; None for labelled batches only.
        objective: loss of segmentation: `segmentation_loss` ("bce-dice"), or `batch_dice_loss` ("dice").
        grey: replace the three channels by their luminance.

    Attributes:
        mc_passes: M; with M > 1 `predict_step` averages M passes with dropout on, whose noise depends on
            `torch.initial_seed()`, the image's row and the pass (`learners.noise`). It is 1 until `set_mc_passes` or an
            assignment changes it, which raises a ValueError where the network has no dropout layer with p > 0.

    Raises:
        ValueError: discrepancy for a task that is not segmentation.
    """

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        lr: float = 2e-4,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        mean: tuple[float, ...] = (0.5, 0.5, 0.5),
        std: tuple[float, ...] = (0.5, 0.5, 0.5),
        discrepancy: Discrepancy | None = None,
        objective: Literal["bce-dice", "dice"] = "bce-dice",
        grey: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.task = task
        self.lr, self.betas, self.weight_decay = lr, betas, weight_decay
        self._mc_passes = 1
        self.discrepancy = discrepancy
        if discrepancy is not None and task.kind != "segmentation":
            raise ValueError(f"discrepancy: compares the features of classes, but a {task.kind} task has no classes")
        self.objective = objective
        to_grey = [v2.Grayscale(3)] if grey else []
        self.normalise = v2.Compose(
            [*to_grey, v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(mean), list(std))]
        )
        self.evaluation = Evaluation(task)

    @property
    def mc_passes(self) -> int:
        return self._mc_passes

    @mc_passes.setter
    def mc_passes(self, passes: int) -> None:
        if passes < 1:
            raise ValueError(f"mc_passes={passes}: expected at least 1")
        if passes > 1 and not dropout_layers(self.network):
            raise ValueError(
                f"mc_passes={passes}: {type(self.network).__name__} has no dropout layer, so all passes would be "
                "equal; set learner.options.dropout above 0, or learner.mc_passes=1"
            )
        if passes > 1:
            for layer in dropout_layers(self.network):
                check_known(layer)
        self._mc_passes = passes

    @property
    def provides(self) -> frozenset[str]:
        """Fields of `Prediction` that `predict_step` fills."""
        names = {"latent", "features", "levels", "depth" if self.task.kind == "depth" else "probabilities"}
        if cast(Network, self.network).classifier is not None:
            names.add("before_classifier")
        if self.mc_passes > 1:
            names.add("deviation" if self.task.kind == "depth" else "passes")
        return frozenset(names)

    @property
    def wants_unlabelled(self) -> bool:
        """Whether `training_step` takes {"labelled": batch, "unlabelled": batch}."""
        return self.discrepancy is not None

    @property
    def monitor(self) -> tuple[str, str]:
        """Metric that selects the best checkpoint, and "min" or "max"."""
        return self.evaluation.monitor

    def forward(self, image: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) -> logits, or depth as a fraction of `task.maximum`, (B, K, H, W)."""
        network = cast(Network, self.network)
        return network.decode(network.encode(self.normalise(image)))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Outputs of `forward` and targets as in `Batch` -> scalar."""
        if self.task.kind == "depth":
            return depth_loss(output, target, self.task.maximum)
        return segmentation_loss(output, target) if self.objective == "bce-dice" else batch_dice_loss(output, target)

    def training_step(self, batch: Batch | dict[str, Batch], batch_idx: int) -> Tensor:
        """Loss of a batch of labelled images or, with a discrepancy, of {"labelled": batch, "unlabelled": batch}; a
        batch alone has no discrepancy."""
        both = cast(dict[str, Batch], batch)
        labelled = cast(Batch, both.get("labelled", batch))
        loss = self.loss(self(labelled["image"]), labelled["target"])
        size = len(labelled["rows"])
        if self.discrepancy is not None and "unlabelled" in both:
            network = cast(Network, self.network)
            maps = network.encode(self.normalise(both["unlabelled"]["image"]))
            term = self.discrepancy(probabilities(network.decode(maps).float()), maps[-1])
            self.log("train/discrepancy", term, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)
            loss = loss + self.discrepancy.weight * term
        self.log("train/loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        output = self(batch["image"])
        each = [slice(image, image + 1) for image in range(len(output))]
        losses = torch.stack([self.loss(output[one], batch["target"][one]) for one in each])
        self.evaluation.update("val", output, batch, losses)

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.evaluation.results("val"), prog_bar=True)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.evaluation.update("test", self(batch["image"]), batch)

    def on_test_epoch_end(self) -> None:
        self.log_dict(self.evaluation.results("test"))

    def predict_step(self, batch: Batch, batch_idx: int) -> Prediction:
        """The fields named by `provides`, for a batch that needs only rows and images."""
        network = cast(Network, self.network)
        image = self.normalise(batch["image"])
        prediction = Prediction(rows=batch["rows"])
        maps = network.encode(image)
        prediction.features = maps[-1]
        prediction.latent = maps[-1].float().mean((2, 3))
        prediction.levels = {f"encoder.{i}": m for i, m in enumerate(maps) if m.is_floating_point() and m.numel()}
        if network.classifier is not None:
            prediction.before_classifier = lambda: input_of(network, maps)
        statistics = SampleStatistics()
        depth = self.task.kind == "depth"
        for output in self._passes(network, image, maps, batch["rows"]):
            statistics.add(output.float() * self.task.maximum if depth else probabilities(output.float()))
        if depth:
            prediction.depth, prediction.deviation = statistics.mean, statistics.deviation()
            return prediction
        prediction.probabilities = statistics.mean
        if self.mc_passes > 1:
            prediction.passes = statistics
            prediction.deterministic = lambda: probabilities(network.decode(maps).float())
        return prediction

    def _passes(self, network: Network, image: Tensor, maps: list[Tensor], rows: Tensor) -> Iterator[Tensor]:
        """One deterministic output of `decode`, or mc_passes stochastic ones; an encoder without dropout runs once."""
        if self.mc_passes == 1:
            yield network.decode(maps)
            return
        with keyed_dropout(dropout_layers(self.network), rows):
            if network.dropout_in_encoder:
                yield from (network.decode(network.encode(image)) for _ in range(self.mc_passes))
            else:
                yield from network.decode_many(maps, self.mc_passes)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.network.parameters(), lr=self.lr, betas=self.betas, weight_decay=self.weight_decay)


def checked(network: N, size: tuple[int, int]) -> N:
    """The network itself, after a check that it takes images of this (height, width).

    Raises:
        ValueError: height or width is not a multiple of `network.multiple`.
    """
    multiple = network.multiple
    if any(side % multiple for side in size):
        near = [max(multiple, round(side / multiple) * multiple) for side in size]
        raise ValueError(
            f"dataset size {size[0]} x {size[1]}: this network needs multiples of {multiple}; "
            f"set dataset.options.size={near[0] if near[0] == near[1] else near}"
        )
    return network


def input_of(network: Network, maps: list[Tensor]) -> Tensor:
    """The input (B, D, h, w) of the classifier when the maps are decoded; dropout is on or off as in the modules."""
    classifier = network.classifier
    assert classifier is not None
    found: list[Tensor] = []
    handle = classifier.register_forward_pre_hook(lambda module, inputs: found.append(inputs[0]))
    try:
        with torch.no_grad():
            network.decode(maps)
    finally:
        handle.remove()
    return found[-1]
