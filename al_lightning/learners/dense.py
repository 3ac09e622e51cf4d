"""DenseLearner: the LightningModule around any network that maps an image to a map of its size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms import v2

from al_lightning.metrics import PRIMARY, DepthMetrics, SegmentationMetrics, metrics_for
from al_lightning.networks import Network
from al_lightning.object_metrics import ObjectMetrics
from al_lightning.types import IGNORE, Batch, Passes, Prediction, Task
from al_lightning.uncertainty import class_features


def segmentation_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy + Dice over valid pixels, equal weights: logits (B, K, H, W), target (B, H, W) -> scalar.

    K = 1 is a sigmoid head (BCE), K > 1 a softmax. Dice: 1 − (2 Σ p y + 1) / (Σ p + Σ y + 1) per image and
    foreground class, then the mean (METHODS §10b). A floating target is a soft foreground probability, for
    K = 1. Pixels of `IGNORE` count in neither; a batch without a valid pixel gives 0, with a gradient of 0.
    """
    valid = target != IGNORE
    weight = valid.to(logits.dtype)
    total = weight.sum().clamp_min(1)
    if logits.shape[1] == 1:
        truth = torch.where(valid, target, 0).to(logits.dtype)
        pixel = F.binary_cross_entropy_with_logits(logits[:, 0], truth, reduction="none")
        p, y = logits.sigmoid(), truth[:, None]
    else:
        classes = torch.where(valid, target, 0).long()
        pixel = F.cross_entropy(logits, classes, reduction="none")
        p = logits.softmax(1)[:, 1:]
        y = F.one_hot(classes, logits.shape[1]).movedim(-1, 1)[:, 1:].to(logits.dtype)
    p, y = p * weight[:, None], y * weight[:, None]
    overlap = (2 * (p * y).sum((2, 3)) + 1) / (p.sum((2, 3)) + y.sum((2, 3)) + 1)
    any_valid = weight.flatten(1).amax(1)
    dice = ((1 - overlap).mean(1) * any_valid).sum() / any_valid.sum().clamp_min(1)
    return (pixel * weight).sum() / total + dice


def batch_dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """1 − (2 Σ p y + 1) / (Σ p + Σ y + 1), sums over all valid pixels of the batch (Gorriz et al. 2017).

    Foreground of C > 2 classes is everything but class 0.
    """
    weight = (target != IGNORE).to(logits.dtype)
    p = logits[:, 0].sigmoid() if logits.shape[1] == 1 else 1 - logits.softmax(1)[:, 0]
    truth = target if target.is_floating_point() else target > 0
    p, y = p * weight, truth.to(logits.dtype) * weight
    loss: Tensor = 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)
    return loss


def depth_loss(output: Tensor, target: Tensor, maximum: float) -> Tensor:
    """Mean absolute error in shares of `maximum`: output (B, 1, H, W), target (B, 1, H, W) in cm."""
    return F.l1_loss(output, target / maximum)


@dataclass(frozen=True)
class Discrepancy:
    """Feature-discrepancy loss of Huang et al. 2024 on unlabelled images: mean of max(0, cos(F₁, F₀) − δ).

    weight: λ_c. delta: δ. detach_mask: no gradient through the predicted masks. An image with a norm of F_c below
    1e-6 gives 0.
    """

    weight: float = 0.1
    delta: float = 0.2
    detach_mask: bool = False

    def __post_init__(self) -> None:
        if self.weight <= 0 or not -1 <= self.delta < 1:
            raise ValueError(
                f"discrepancy weight={self.weight}, delta={self.delta}: expected a weight above 0 and a cosine below 1"
            )

    def __call__(self, p: Tensor, features: Tensor) -> Tensor:
        """Probabilities (B, C, H, W) and the deepest map (B, D, h, w) -> scalar."""
        foreground, background = class_features(p.detach() if self.detach_mask else p, features)
        found = (foreground.norm(dim=1) >= 1e-6) & (background.norm(dim=1) >= 1e-6)
        cosine = F.cosine_similarity(foreground, background, dim=1, eps=1e-8)
        loss: Tensor = (F.relu(cosine - self.delta) * found).mean()
        return loss


class DenseLearner(pl.LightningModule):
    """Trains, tests and scores a network on a segmentation or depth task.

    Args:
        network: `encode` and `decode`, as in `networks`.
        task: what the targets hold.
        lr, betas, weight_decay: of Adam.
        mean, std: of the input's channels after scaling to [0, 1].
        mc_passes: M; with M > 1 `predict_step` averages M passes with dropout on.
        discrepancy: weight λ of the feature-discrepancy loss on unlabelled batches; 0 trains on labels alone.

        objective: loss of segmentation: `segmentation_loss`, or `batch_dice_loss`.
        grey: replace the three channels by their luminance.

    Raises:
        ValueError: mc_passes > 1 although the network has no active dropout layer, or discrepancy for a task
            that is not segmentation.
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
        mc_passes: int = 1,
        discrepancy: Discrepancy | None = None,
        objective: Literal["bce-dice", "dice"] = "bce-dice",
        grey: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.task = task
        self.lr, self.betas, self.weight_decay = lr, betas, weight_decay
        self.mc_passes = mc_passes
        self.discrepancy = discrepancy
        if discrepancy is not None and task.kind != "segmentation":
            raise ValueError(f"discrepancy: compares the features of classes, which a {task.kind} task has none of")
        self.objective = objective
        to_grey = [v2.Grayscale(3)] if grey else []
        self.normalise = v2.Compose(
            [*to_grey, v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(mean), list(std))]
        )
        if mc_passes > 1 and not dropout_layers(network):
            raise ValueError(
                f"mc_passes={mc_passes}: {type(network).__name__} has no dropout layer, so all passes would be "
                "equal; set learner.options.dropout above 0, or learner.mc_passes=1"
            )
        self.metrics = nn.ModuleDict({part: metrics_for(task) for part in ("val", "test")})
        self.objects = ObjectMetrics() if task.objects else None

    @property
    def provides(self) -> frozenset[str]:
        """Fields of `Prediction` that `predict_step` fills."""
        names = {"latent", "features", "depth" if self.task.kind == "depth" else "probabilities"}
        if self.mc_passes > 1:
            names.add("deviation" if self.task.kind == "depth" else "passes")
        return frozenset(names)

    @property
    def wants_unlabelled(self) -> bool:
        """Whether `training_step` takes {"labelled": batch, "unlabelled": batch}."""
        return self.discrepancy is not None

    @property
    def monitor(self) -> tuple[str, str]:
        """Metric that chooses the best checkpoint, and "min" or "max"."""
        name, mode = PRIMARY[self.task.kind]
        return f"val/{name}", mode

    def forward(self, image: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) -> logits, or depth as a share of the maximum, (B, K, H, W)."""
        network = cast(Network, self.network)
        return network.decode(network.encode(self.normalise(image)))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of one batch."""
        if self.task.kind == "depth":
            return depth_loss(output, target, self.task.maximum)
        return segmentation_loss(output, target) if self.objective == "bce-dice" else batch_dice_loss(output, target)

    def training_step(self, batch: Batch | dict[str, Batch], batch_idx: int) -> Tensor:
        both = cast(dict[str, Batch], batch)
        labelled = cast(Batch, both.get("labelled", batch))
        loss = self.loss(self(labelled["image"]), labelled["target"])
        size = len(labelled["rows"])
        if self.discrepancy is not None:
            network = cast(Network, self.network)
            maps = network.encode(self.normalise(both["unlabelled"]["image"]))
            term = self.discrepancy(probabilities(network.decode(maps).float()), maps[-1])
            self.log("train/discrepancy", term, on_step=False, on_epoch=True, batch_size=size)
            loss = loss + self.discrepancy.weight * term
        self.log("train/loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=size)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        output = self(batch["image"])
        loss = self.loss(output, batch["target"])
        self.log("val/loss", loss, batch_size=len(batch["rows"]), sync_dist=True)
        self.update("val", output, batch)

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.results("val"), prog_bar=True)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.update("test", self(batch["image"]), batch)

    def on_test_epoch_end(self) -> None:
        self.log_dict(self.results("test"))

    def predict_step(self, batch: Batch, batch_idx: int) -> Prediction:
        network = cast(Network, self.network)
        image = self.normalise(batch["image"])
        prediction = Prediction(rows=batch["rows"])
        maps = network.encode(image)
        prediction.features = maps[-1]
        prediction.latent = maps[-1].float().mean((2, 3))
        if self.task.kind == "depth":
            values = self._passes(network, image, maps)
            stack = Moments()
            for output in values:
                stack.add(output.float() * self.task.maximum)
            prediction.depth, prediction.deviation = stack.mean, stack.deviation()
        else:
            passes = Passes()
            for output in self._passes(network, image, maps):
                passes.add(probabilities(output.float()))
            prediction.probabilities = passes.mean
            if self.mc_passes > 1:
                prediction.passes = passes
                prediction.deterministic = lambda: probabilities(network.decode(maps).float())
        return prediction

    def _passes(self, network: Network, image: Tensor, maps: list[Tensor]) -> Iterator[Tensor]:
        """One deterministic output, or mc_passes stochastic ones; the encoder runs once where it can."""
        if self.mc_passes == 1:
            yield network.decode(maps)
            return
        layers = dropout_layers(self.network)
        for layer in layers:
            layer.train()
        try:
            if network.dropout_in_encoder:
                yield from (network.decode(network.encode(image)) for _ in range(self.mc_passes))
            else:
                yield from network.decode_many(maps, self.mc_passes)
        finally:
            for layer in layers:
                layer.eval()

    def update(self, part: str, output: Tensor, batch: Batch) -> None:
        """Count an output (B, K, H, W) into the metrics of part "val" or "test"."""
        metric = self.metrics[part]
        if "native" not in batch:
            self._compare(metric, output, batch["target"])
            return
        for i, (one, target) in enumerate(zip(output, batch["native"], strict=True)):
            larger = F.interpolate(one[None].float(), target.shape[-2:], mode="bilinear", align_corners=False)
            self._compare(metric, larger, target[None])
            if self.objects is not None and "objects" in batch:
                self.objects.update([classes(larger)[0] > 0], [batch["objects"][i]])

    def _compare(self, metric: nn.Module, output: Tensor, target: Tensor) -> None:
        if isinstance(metric, DepthMetrics):
            shaped = target if target.dim() == 4 else target[:, None]
            metric.update(output.float() * self.task.maximum, shaped)
        else:
            cast(SegmentationMetrics, metric).update(classes(output), target)

    def results(self, part: str) -> dict[str, Tensor]:
        """{"val/miou": ..., ...} of all that was counted since the last call."""
        metric = cast(SegmentationMetrics, self.metrics[part])
        values = {f"{part}/{name}": value for name, value in metric.compute().items()}
        metric.reset()
        if part == "test" and self.objects is not None:
            values |= {f"test/{name}": value for name, value in self.objects.compute().items()}
            self.objects.reset()
        return values

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.network.parameters(), lr=self.lr, betas=self.betas, weight_decay=self.weight_decay)


class Moments:
    """Running mean and mean square of M maps."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: Tensor = torch.zeros(())
        self.square: Tensor = torch.zeros(())

    def add(self, value: Tensor) -> None:
        self.count += 1
        self.mean = self.mean.to(value.device) + (value - self.mean.to(value.device)) / self.count
        self.square = self.square.to(value.device) + (value**2 - self.square.to(value.device)) / self.count

    def deviation(self) -> Tensor | None:
        """Standard deviation over the maps (biased), None for a single one."""
        return (self.square - self.mean**2).clamp_min(0).sqrt() if self.count > 1 else None


def probabilities(logits: Tensor) -> Tensor:
    """Logits (B, K, H, W) -> (B, C, H, W): softmax, or (1 − p, p) of a sigmoid head."""
    if logits.shape[1] == 1:
        p = logits.sigmoid()
        return torch.cat([1 - p, p], 1)
    return logits.softmax(1)


def classes(logits: Tensor) -> Tensor:
    """Logits (B, K, H, W) -> class indices (B, H, W); a sigmoid head says foreground from 0.5 on."""
    return (logits[:, 0] >= 0).long() if logits.shape[1] == 1 else logits.argmax(1)


def dropout_layers(network: nn.Module) -> list[nn.Module]:
    """Every dropout layer of any kind with p > 0."""
    return [m for m in network.modules() if isinstance(m, nn.modules.dropout._DropoutNd) and m.p > 0]
