"""pix2pix (Isola et al. 2017), the adversarial learner of Thapa et al. 2022 for polyps and depth."""

from __future__ import annotations

from typing import Literal, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor

from al_lightning.core.arrays import Size
from al_lightning.core.prediction import Batch, Prediction
from al_lightning.core.task import Task
from al_lightning.learners.dense import DenseLearner, checked
from al_lightning.learners.losses import adversarial_loss, masked_l1
from al_lightning.learners.tanh import TanhNetwork, as_output, scale_target
from al_lightning.networks.pix2pix import PatchDiscriminator, Pix2PixGenerator

SMALLEST = 32
"""Smallest side in pixels: below it the discriminator would normalise maps of a single value."""


def pix2pix(
    task: Task,
    size: Size,
    gan: Literal["lsgan", "bce"] = "lsgan",
    l1: float = 200.0,
    n_gen: int | None = None,
    multiplier: float = 1.0,
    dropout: float = 0.5,
    lr: float = 2e-4,
    betas: tuple[float, float] = (0.5, 0.999),
) -> Pix2Pix:
    """pix2pix with as many levels as the size can be halved, at most 8: 8 for 256, 7 for 128, 6 for 64 pixels.

    Args:
        task, size: of the dataset.
        gan (str): "lsgan" for least squares (the paper's code), "bce" for binary cross-entropy (its equation 2).
            Default "lsgan".
        l1 (float): weight λ of the L1 term, at least 0. Default 200.
        n_gen (int | None): steps of the generator per step of the discriminator, at least 1. Default None: 1 for
            segmentation, 2 for depth.
        multiplier (float): factor on all widths, above 0; the latent has 512 x multiplier dimensions. Default 1.
        dropout (float): probability of every dropout in the generator, in [0, 1]; Monte Carlo passes need it above 0.
            Default 0.5.
        lr (float): learning rate of both Adam optimisers. Default 2e-4.
        betas (tuple[float, float]): decay rates of the moments of both Adam optimisers. Default [0.5, 0.999].

    Raises:
        ValueError: a task of more than two classes, a size that is below 32 or not divisible by 2^levels, or an option
            that `Pix2Pix` or its networks reject.
    """
    if min(size) < SMALLEST:
        raise ValueError(
            f"dataset size {size[0]} x {size[1]}: pix2pix needs at least {SMALLEST} pixels; "
            f"set dataset.options.size={SMALLEST}"
        )
    levels = min(8, min(size).bit_length() - 1)
    generator = checked(Pix2PixGenerator(task.channels, levels, dropout, multiplier), size)
    discriminator = PatchDiscriminator(task.channels, multiplier)
    steps = n_gen if n_gen is not None else 2 if task.kind == "depth" else 1
    return Pix2Pix(generator, discriminator, task, gan, l1, steps, lr, betas)


class Pix2Pix(pl.LightningModule):
    """Trains a generator against a discriminator; predicts, validates and tests as `DenseLearner` does.

    A batch gives one step of the discriminator and then `n_gen` of the generator, whose output is computed again for
    each. Lightning counts each of these steps in `global_step` and thus against `trainer.max_steps`.

    The generator's map y in (−1, 1) stands for the probability p = (y + 1)/2 of the foreground, or for a depth of
    (y + 1)/2 · `task.maximum`. Targets of masks are −1 and 1; in the paper's code, edges of resized masks are grey.
    Pixels of `IGNORE` are left out of L1 and are 0, halfway between the classes, in the real and the generated maps
    that the discriminator gets. Dropout is active only in training and in Monte Carlo passes.

    Several devices: plain `ddp`; gradients of the network whose step it is are averaged over the ranks here.

    Args:
        generator, discriminator: of one output channel.
        task: two classes, or depth.
        gan: "lsgan": ½ [mean (D(y) − 1)² + mean D(G(x))²] and mean (D(G(x)) − 1)²; "bce": cross-entropies in place
            of the squares.
        l1: λ in L_G = adversarial + λ · mean |y − G(x)|.
        n_gen: steps of the generator per batch.
        lr, betas: learning rate and decay rates of both Adam optimisers.

    Raises:
        ValueError: more than two classes, or an option out of range.
    """

    def __init__(
        self,
        generator: Pix2PixGenerator,
        discriminator: PatchDiscriminator,
        task: Task,
        gan: Literal["lsgan", "bce"] = "lsgan",
        l1: float = 200.0,
        n_gen: int = 1,
        lr: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
    ) -> None:
        super().__init__()
        if task.channels > 1:
            raise ValueError(
                f"task of {len(task.classes)} classes: pix2pix makes one map, of two classes or of depth; "
                "choose another learner.name, such as unet"
            )
        if n_gen < 1:
            raise ValueError(f"n_gen={n_gen}: expected at least one step of the generator a batch")
        if l1 < 0:
            raise ValueError(f"l1={l1}: expected a weight of at least 0")
        if gan not in ("lsgan", "bce"):
            raise ValueError(f"gan={gan!r}: expected lsgan or bce")
        self.automatic_optimization = False
        self.task, self.gan, self.l1, self.n_gen = task, gan, l1, n_gen
        self.lr, self.betas = lr, betas
        self.dense = DenseLearner(TanhNetwork(generator, task), task)
        self.discriminator = discriminator

    @property
    def generator(self) -> Pix2PixGenerator:
        """The network that is evaluated and whose encoder gives the latent."""
        return cast(TanhNetwork, self.dense.network).generator

    @property
    def mc_passes(self) -> int:
        """Number of passes that `predict_step` averages, as in `DenseLearner`."""
        return self.dense.mc_passes

    @mc_passes.setter
    def mc_passes(self, passes: int) -> None:
        self.dense.mc_passes = passes

    @property
    def provides(self) -> frozenset[str]:
        """Fields of `Prediction` that `predict_step` fills."""
        return self.dense.provides

    @property
    def wants_unlabelled(self) -> bool:
        """False, because it is trained on labelled images only."""
        return False

    @property
    def monitor(self) -> tuple[str, str]:
        """Metric that selects the best checkpoint, and "min" or "max"."""
        return self.dense.monitor

    def forward(self, image: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) -> (B, 1, H, W): log-odds of the foreground, or fraction of the maximum depth."""
        output: Tensor = self.dense(image)
        return output

    def on_fit_start(self) -> None:
        """Check that training on several devices uses ddp.

        Raises:
            ValueError: it uses another strategy of Lightning, which the message names.
        """
        strategy = self.trainer.strategy
        if self.trainer.world_size > 1 and not isinstance(strategy, DDPStrategy):
            raise ValueError(
                f"trainer.strategy={type(strategy).__name__}: pix2pix steps two networks in turn, "
                "which it does on several devices with trainer.strategy=ddp only"
            )

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """All steps of a batch; "train/loss" is the generator's loss in the last of its steps."""
        image = self.dense.normalise(batch["image"])
        truth, valid = scale_target(batch["target"], self.task)
        generator, discriminator = cast(list[LightningOptimizer], self.optimizers())
        with self.toggled_optimizer(discriminator):
            with torch.no_grad():
                fake = self.generator(image)
            on_real = adversarial_loss(self.discriminator(truth, image), True, self.gan)
            on_fake = adversarial_loss(self.discriminator(fake * valid, image), False, self.gan)
            loss = (on_real + on_fake) / 2
            self._step(discriminator, loss)
        losses = {"train/discriminator": loss}
        for _ in range(self.n_gen):
            with self.toggled_optimizer(generator):
                fake = self.generator(image)
                adversarial = adversarial_loss(self.discriminator(fake * valid, image), True, self.gan)
                distance = masked_l1(fake, truth, valid)
                loss = adversarial + self.l1 * distance
                self._step(generator, loss)
        losses |= {"train/adversarial": adversarial, "train/l1": distance}
        size = len(batch["rows"])
        self.log_dict(
            {k: v.detach() for k, v in losses.items()}, on_step=False, on_epoch=True, batch_size=size, sync_dist=True
        )
        self.log(
            "train/loss", loss.detach(), prog_bar=True, on_step=False, on_epoch=True, batch_size=size, sync_dist=True
        )

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Updates the metrics; "val/loss" is the L1 term without λ, of maps in [−1, 1], averaged over images."""
        y = self.generator(self.dense.normalise(batch["image"]))
        maps = zip(*(part.split(1) for part in (y, *scale_target(batch["target"], self.task))), strict=True)
        loss = torch.stack([masked_l1(*each) for each in maps])
        self.dense.evaluation.update("val", as_output(y, self.task), batch, loss)

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.dense.evaluation.results("val"), prog_bar=True)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.dense.evaluation.update("test", self(batch["image"]), batch)

    def on_test_epoch_end(self) -> None:
        self.log_dict(self.dense.evaluation.results("test"))

    def predict_step(self, batch: Batch, batch_idx: int) -> Prediction:
        """The fields named by `provides`, for a batch that needs only rows and images."""
        return self.dense.predict_step(batch, batch_idx)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        networks = (self.generator, self.discriminator)
        return [torch.optim.Adam(network.parameters(), lr=self.lr, betas=self.betas) for network in networks]

    def _step(self, optimizer: LightningOptimizer, loss: Tensor) -> None:
        """One step of one network, with gradients averaged over the ranks."""
        optimizer.zero_grad()
        strategy = self.trainer.strategy
        if isinstance(strategy, DDPStrategy):
            # DDP's reducer waits for all parameters of the module in each backward pass, but here one network has
            # gradients at a time. So the backward pass is not synchronised, and the gradients are averaged below.
            with strategy.block_backward_sync():
                self.manual_backward(loss)
            gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            mean = strategy.reduce(torch.cat([g.flatten() for g in gradients]), reduce_op="mean")
            means = torch.split(mean, [g.numel() for g in gradients])
            for gradient, one in zip(gradients, means, strict=True):
                gradient.copy_(one.view_as(gradient))
        else:
            self.manual_backward(loss)
        optimizer.step()
