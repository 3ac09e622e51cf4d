"""The network that predicts the clicks of a region, trained on revealed regions (CEREALS, Mackowiak et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn.functional import pad

from al_lightning.core.arrays import Floats, Rows
from al_lightning.core.prediction import Batch, Prediction
from al_lightning.core.region import area, cover
from al_lightning.core.strategy import StageContext
from al_lightning.cost.clicks import click_map
from al_lightning.networks.fcn8s import CostNet
from al_lightning.strategies.trainer import own_trainer

SIGMA = 4.0
"""Standard deviation in pixels of the Gaussian that smooths clicks."""


class CostModel(pl.LightningModule):
    """The cost network and its training: mean |d − d̂| + (d − d̂)² over revealed pixels, one image per step.

    d is the click density divided by `scale`, its mean over all revealed pixels: with a few clicks in ten thousand
    pixels, gradients would otherwise be close to 0.

    Args:
        context: images, revealed regions and clicks, and the learner, whose weights do not change.
        rows: rows with revealed pixels.
        multiplier: factor on the widths of the network.
        lr: learning rate of Adam, whose decay rates are 0.99 and 0.999 as for the segmentation network.
    """

    def __init__(self, context: StageContext, rows: Rows, multiplier: float, lr: float) -> None:
        super().__init__()
        self.context, self.lr = context, lr
        self.network = CostNet(context.classes, multiplier)
        # Only revealed pixels and the clicks in them may enter.
        clicks = sum(len(context.clicks(row)) for row in rows.tolist())
        self.scale = max(clicks, 1) / sum(area(context.regions(row), context.size) for row in rows.tolist())

    def forward(self, rows: Rows, prediction: Prediction) -> Tensor:
        """Clicks per pixel (B, H, W), ≥ 0, on the device of the prediction, in units of `scale`.

        The probabilities are those of a pass without dropout where there is one, so that passes over the pool agree.
        """
        with torch.no_grad():
            p = prediction.probabilities if prediction.deterministic is None else prediction.deterministic()
        assert p is not None
        if not torch.isfinite(p).all():
            raise ValueError(
                "cereals: the learner's probabilities are not finite: it has diverged; lower learner.options.lr, or "
                "train it in a wider precision"
            )
        image = torch.from_numpy(np.array(self.context.images(rows))).to(p.device).float() / 127.5 - 1
        height, width = p.shape[-2:]
        margin = (0, -width % self.network.multiple, 0, -height % self.network.multiple)
        image, p = (pad(x, margin, mode="replicate") for x in (image, p.float()))
        density: Tensor = self.network(image, p)[:, 0, :height, :width]
        return density

    def training_step(self, batch: Rows, batch_idx: int) -> Tensor:
        masks = np.stack([cover(self.context.regions(int(row)), self.context.size) for row in batch])
        targets = np.stack(
            [known_density(self.context.clicks(int(row)), mask) for row, mask in zip(batch, masks, strict=True)]
        )
        image = torch.from_numpy(np.array(self.context.images(batch))).to(self.device)
        inputs: Batch = {"rows": torch.from_numpy(batch), "image": image}
        density = self.forward(batch, self.context.predict(inputs))
        target = torch.from_numpy(targets / self.scale).to(self.device, density.dtype)
        error = (density - target)[torch.from_numpy(masks).to(self.device)]
        loss = error.abs().mean() + error.square().mean()
        self.log("cost", loss, prog_bar=True, batch_size=len(batch))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.network.parameters(), self.lr, (0.99, 0.999))


def known_density(points: Floats, revealed: NDArray[np.bool_], sigma: float = SIGMA) -> NDArray[np.float64]:
    """Clicks per pixel (H, W) estimated from the revealed pixels: G∗clicks / G∗revealed, 0 on the other pixels.

    Without the division the density would decrease towards the border of a region, beyond which no clicks are known.

    Args:
        points: (n, 2) clicks x, y in the revealed pixels.
        revealed: (H, W) mask.
        sigma: standard deviation of the Gaussian G in pixels.

    Example:
        >>> revealed = np.ones((4, 4), dtype=bool)
        >>> everywhere = [(x + 0.5, y + 0.5) for x in range(4) for y in range(4)]
        >>> known_density(np.array(everywhere), revealed, sigma=1.0).round(6).min().item()  # one click per pixel
        1.0
    """
    clicks = gaussian_filter(click_map(points, (revealed.shape[0], revealed.shape[1])).astype(np.float64), sigma)
    known = gaussian_filter(revealed.astype(np.float64), sigma)
    density: NDArray[np.float64] = np.where(revealed, clicks / np.maximum(known, 1e-6), 0.0)
    return density


def train_cost_model(context: StageContext, multiplier: float, iterations: int, lr: float) -> CostModel:
    """The cost network trained on the revealed regions, in evaluation mode and without gradients.

    Training uses a single-device Trainer of its own; every rank trains the same network from the same seed.

    Raises:
        ValueError: nothing is revealed, or the training diverged.
    """
    rows = np.array([row for row in context.rows.tolist() if context.regions(row)], dtype=np.int64)
    if not len(rows):
        raise ValueError("cereals: nothing is labelled yet, so that the cost of regions cannot be learned")
    shuffle, weights = (int(seed) for seed in context.rng.integers(2**62, size=2))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(weights)
        model = CostModel(context, rows, multiplier, lr)
        runner = pl.Trainer(**own_trainer(context.trainer), max_epochs=1, limit_train_batches=iterations)
        runner.fit(model, _endless(rows, shuffle))
    bad = [name for name, value in model.named_parameters() if not torch.isfinite(value).all()]
    if bad:
        raise ValueError(f"cereals: the cost network has diverged (first: {bad[0]}); lower cost_lr={lr:g}")
    trained: CostModel = model.eval().requires_grad_(False)
    return trained


def _endless(rows: Rows, seed: int) -> Iterator[Rows]:
    rng = np.random.default_rng(seed)
    while True:
        for row in rng.permutation(rows):
            yield np.array([row], dtype=np.int64)
