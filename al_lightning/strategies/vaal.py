"""VAAL: Variational Adversarial Active Learning (Sinha, Ebrahimi & Darrell 2019), following the authors' code."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor
from torch import distributed as dist
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate

from al_lightning.core.arrays import Rows
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates, ImageSource
from al_lightning.networks.vae import SIZES, VAE, Discriminator, VaeOutput
from al_lightning.strategies.base import draw
from al_lightning.strategies.descriptors import image_source
from al_lightning.strategies.trainer import own_trainer

logger = logging.getLogger(__name__)

COLLAPSED = 1e-4
"""Standard deviation of D(μ) over the unlabelled pool below which its order is arbitrary."""
SCORED = 64
"""Images per batch when the pool is scored."""

Reduction = Literal["official", "per_sample"]
Pair = tuple[Rows, Rows]
"""A batch of labelled rows (n,) and one of unlabelled rows (m,)."""


@dataclass(frozen=True)
class VAAL:
    """The unlabelled images that a discriminator is least likely to classify as labelled, by the latent mean of a
    variational autoencoder that is trained against it; both are trained from scratch at every stage.

    With D(μ) the probability of "labelled", on a batch x_L of labelled and one x_U of unlabelled images:

        L_VAE = V(x_L) + V(x_U) + adversary · (BCE(D(μ_L), 1) + BCE(D(μ_U), 1)),   V(x) = mean (x − x̂)² + beta · KL
        L_D   = BCE(D(μ_L), 1) + BCE(D(μ_U), 0)

    An iteration is `vae_steps` steps on L_VAE, each on new batches, then `adversary_steps` on L_D, the first of
    them on the batches of the last VAE step. The pool is scored with D(μ) in evaluation mode, so that no image's
    score depends on another's; the official code scores in training mode.

    Training uses a single-device Trainer of its own. In a run of several ranks every rank calls `select` and trains
    the same model from the same seed on its own device; the scores of rank 0 are then used on all ranks, because GPU
    kernels are not deterministic to the last bit.

    Where no image is labelled, or the standard deviation of the scores is below 1e-4, there is a warning, and the
    source of the picks is "random" or "vaal (collapsed)".

    Args:
        latent (int | None): dimensions of μ, 32 to 128; the authors use 128 for road scenes. Default None: 32.
        beta (float): weight of the KL term, at least 0. The reconstruction is a mean over 3·S² elements, so the
            authors' 1 weights KL at least 3·S² times as much as with their sum; after short training μ then depends
            little on the image, and the picks of two seeds hardly agree. Default 1.
        adversary (float): λ2, weight of the adversarial term, at least 0. Default 1.
        kl (str): "official" sums KL over the batch, which makes it orders of magnitude larger than the reconstruction,
            "per_sample" averages over the batch, and "auto" is official for images of up to 64 pixels and per_sample
            above. Default "auto".
        size (int | None): side in pixels to which images are resized, 32, 64, 128 or 256. Default None: the largest
            of these that is at most the shorter side of the learner's image, or 32.
        lr (float): learning rate of both Adam optimisers, above 0. Default 5e-4.
        batch_size (int | None): images in a labelled and in an unlabelled batch. Default None: 128 for images of
            up to 64 pixels and 20 above, but at most the number of labelled images.
        iterations (int | None): number of iterations. Default None: ⌊|L|·100 / batch_size⌋, at least 1.
        vae_steps (int): optimiser steps of the autoencoder per iteration. Default 2.
        adversary_steps (int): optimiser steps of the discriminator per iteration. Default 1.
        gradient_clip (float | None): maximum norm of the gradient at each step, above 0; None for no limit. Default 1.
        multiplier (float): factor on the widths of the autoencoder, above 0. Default 1.
    """

    latent: int | None = None
    beta: float = 1.0
    adversary: float = 1.0
    kl: Literal["auto", "official", "per_sample"] = "auto"
    size: int | None = None
    lr: float = 5e-4
    batch_size: int | None = None
    iterations: int | None = None
    vae_steps: int = 2
    adversary_steps: int = 1
    gradient_clip: float | None = 1.0
    multiplier: float = 1.0
    needs: ClassVar[frozenset[str]] = frozenset({"images"})

    def __post_init__(self) -> None:
        if self.latent is not None and not 32 <= self.latent <= 128:
            raise ValueError(f"latent={self.latent}: expected 32 to 128 dimensions, or None for 32")
        for name in ("beta", "adversary"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name}={getattr(self, name)}: expected a finite weight of 0 or more")
        if self.kl not in ("auto", "official", "per_sample"):
            raise ValueError(f"kl={self.kl!r}: expected 'auto', 'official' or 'per_sample'")
        if self.size is not None and self.size not in SIZES:
            raise ValueError(f"size={self.size}: expected {', '.join(map(str, SIZES))}, or None for the learner's")
        for name in ("batch_size", "iterations", "vae_steps", "adversary_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}={value}: expected 1 or more")
        for name in ("lr", "gradient_clip", "multiplier"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise ValueError(f"{name}={value}: expected a finite number above 0")

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        return {}

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        images = image_source(candidates)
        labelled, unlabelled = candidates.rows[candidates.labelled], candidates.rows[candidates.unlabelled]
        if not len(labelled):
            warnings.warn("vaal: nothing is labelled yet; the picks are random", stacklevel=2)
            return Query.of(draw(unlabelled, per_stage, rng), "random")
        score = self.score(images, labelled, unlabelled, rng, candidates.trainer)
        spread = float(score.std())
        logger.info("VAAL: D(μ) of %d images: mean %.4f, standard deviation %.2g", len(score), score.mean(), spread)
        source = "vaal"
        if spread < COLLAPSED:
            source = "vaal (collapsed)"
            warnings.warn(
                f"vaal: the discriminator cannot tell the images apart (standard deviation of D {spread:.1g} < "
                f"{COLLAPSED:g}): the picks are effectively random; try kl=per_sample, a lower beta or more iterations",
                stacklevel=2,
            )
        order = np.argsort(score, kind="stable")[:per_stage]
        return Query.of(unlabelled[order], source, score[order])

    def score(
        self,
        images: ImageSource,
        labelled: Rows,
        unlabelled: Rows,
        rng: np.random.Generator,
        trainer: Mapping[str, Any] | None = None,
    ) -> NDArray[np.float64]:
        """Train on rows (L,) and (U,), then compute D(μ) of the unlabelled ones (U,): the probability of "labelled".

        Raises:
            ValueError: a score is not finite.
        """
        size = self.size or nearest_size(images(unlabelled[:1]).shape[-2:])
        batch = self.batch_size or min(128 if size <= 64 else 20, len(labelled))
        iterations = self.iterations or max(1, len(labelled) * 100 // batch)
        shuffle, weights, noise = (int(seed) for seed in rng.integers(2**62, size=3))
        # Initialisers and Lightning use torch's global stream of the CPU; torch.manual_seed would also seed those of
        # all GPUs, which fork_rng(devices=[]) does not restore.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(weights)
            model = Adversaries(self, images, size, noise)
            chunks = range(0, len(unlabelled), SCORED)
            runner = pl.Trainer(
                **own_trainer(trainer or {}),
                max_epochs=1,
                limit_train_batches=iterations,
                limit_predict_batches=len(chunks),
            )
            runner.fit(model, pairs(labelled, unlabelled, batch, self.vae_steps + self.adversary_steps - 1, shuffle))
            logits = runner.predict(model, (unlabelled[start : start + SCORED] for start in chunks))
        odds = torch.cat(cast(list[Tensor], logits)).cpu().double()
        score: NDArray[np.float64] = torch.sigmoid(odds).numpy()
        if dist.is_available() and dist.is_initialized():
            box = [score]
            dist.broadcast_object_list(box, src=0)
            score = box[0]
        bad = int((~np.isfinite(score)).sum())
        if bad:
            raise ValueError(
                f"vaal: D(μ) is not finite for {bad} of {len(score)} images, so the training has diverged: lower "
                f"lr={self.lr:g} or gradient_clip={self.gradient_clip}"
            )
        return score


def kl_divergence(mu: Tensor, logvar: Tensor, reduction: Reduction) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, 1)) = −½ Σ (1 + log σ² − μ² − σ²): (B, Z) twice -> (), in nats.

    The sum is over dimensions and the batch ("official"), or over dimensions and then averaged ("per_sample").
    """
    total = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
    return total if reduction == "official" else total / len(mu)


def vae_loss(image: Tensor, output: VaeOutput, beta: float, reduction: Reduction) -> Tensor:
    """V(x) = mean over all elements of (x − x̂)² + β·KL: (B, 3, S, S) -> ()."""
    return (image - output.reconstruction).square().mean() + beta * kl_divergence(output.mu, output.logvar, reduction)


def membership_loss(logits: Tensor, labelled: bool) -> Tensor:
    """BCE(D, 1) or BCE(D, 0): (B,) log-odds of "labelled" -> ()."""
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(labelled)))


def nearest_size(shape: tuple[int, ...]) -> int:
    """The largest side of an autoencoder that is at most the shorter one of the image (H, W), or the smallest side.

    Example:
        >>> nearest_size((200, 300)), nearest_size((16, 16))
        (128, 32)
    """
    return max(size for size in SIZES if size <= max(min(shape), SIZES[0]))


def endless(rows: Rows, batch: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Shuffled rows in batches, without end. An epoch's incomplete last batch is dropped, unless it is the only one."""
    while True:
        shuffled = rng.permutation(rows)
        for start in range(0, max(1, len(rows) - batch + 1), batch):
            yield shuffled[start : start + batch]


def pairs(labelled: Rows, unlabelled: Rows, batch: int, draws: int, seed: int) -> Iterator[list[Pair]]:
    """The batches of each iteration, without end: `draws` pairs of labelled and unlabelled rows."""
    first, second = np.random.default_rng(seed).spawn(2)
    stream = zip(endless(labelled, batch, first), endless(unlabelled, batch, second), strict=True)
    while True:
        yield [next(stream) for _ in range(draws)]


class Adversaries(pl.LightningModule):
    """The autoencoder, the discriminator, and their alternating steps. Batches are rows; images are read here.

    Args:
        options: weights of the losses, steps, learning rate, widths.
        images: images by row.
        size: side S of the autoencoder's images.
        seed: of ε in z = μ + σ·ε; the weights come from torch's global stream.
    """

    def __init__(self, options: VAAL, images: ImageSource, size: int, seed: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.options, self.images, self.size, self.seed = options, images, size, seed
        automatic: Reduction = "official" if size <= 64 else "per_sample"
        self.reduction: Reduction = automatic if options.kl == "auto" else options.kl
        z = options.latent or 32
        self.vae = VAE(size, z, multiplier=options.multiplier)
        self.discriminator = Discriminator(z)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(network.parameters(), self.options.lr) for network in (self.vae, self.discriminator)]

    def on_fit_start(self) -> None:
        self.noise = torch.Generator(self.device).manual_seed(self.seed)

    def read(self, rows: Rows) -> Tensor:
        """(B,) -> (B, 3, S, S) in [0, 1] on the device, resized bilinearly with antialiasing."""
        image = torch.tensor(self.images(rows)).to(self.device).float() / 255
        if image.shape[-2:] == (self.size, self.size):
            return image
        return interpolate(image, size=(self.size, self.size), mode="bilinear", antialias=True)

    def autoencoder_loss(self, labelled: Tensor, unlabelled: Tensor) -> Tensor:
        """L_VAE of images (n, 3, S, S) and (m, 3, S, S) -> (); batch normalisation sees one batch at a time."""
        total = labelled.new_zeros(())
        for image in (labelled, unlabelled):
            output = self.vae(image, self.noise)
            deceived = membership_loss(self.discriminator.logits(output.mu), labelled=True)
            total = total + vae_loss(image, output, self.options.beta, self.reduction)
            total = total + self.options.adversary * deceived
        return total

    def discriminator_loss(self, labelled: Tensor, unlabelled: Tensor) -> Tensor:
        """L_D of the same; no gradient reaches the encoder.

        The encoder is in evaluation mode, as when the pool is scored. Statistics of each batch would remove the
        difference of their means, and D would later be applied to means that it was not trained on.
        """
        self.vae.eval()
        with torch.no_grad():
            real, fake = (self.vae.encode(image)[0] for image in (labelled, unlabelled))
        self.vae.train()
        return membership_loss(self.discriminator.logits(real), labelled=True) + membership_loss(
            self.discriminator.logits(fake), labelled=False
        )

    def training_step(self, batch: list[Pair], batch_idx: int) -> None:
        autoencoder, discriminator = cast(list[LightningOptimizer], self.optimizers())
        images = [(self.read(labelled), self.read(unlabelled)) for labelled, unlabelled in batch]
        steps = self.options.vae_steps
        for pair in images[:steps]:
            vae = self._step(autoencoder, self.autoencoder_loss, *pair)
        for pair in images[steps - 1 :]:
            adversary = self._step(discriminator, self.discriminator_loss, *pair)
        self.log_dict({"vae": vae, "discriminator": adversary}, prog_bar=True, batch_size=len(images[0][0]))

    def _step(
        self,
        optimizer: LightningOptimizer,
        loss_of: Callable[[Tensor, Tensor], Tensor],
        labelled: Tensor,
        unlabelled: Tensor,
    ) -> Tensor:
        # Toggling freezes the other network, so that L_VAE adds no gradient to the discriminator.
        self.toggle_optimizer(optimizer)
        loss = loss_of(labelled, unlabelled)
        optimizer.zero_grad()
        self.manual_backward(loss)
        self.clip_gradients(optimizer.optimizer, self.options.gradient_clip, "norm")
        optimizer.step()
        self.untoggle_optimizer(optimizer)
        return loss.detach()

    def predict_step(self, batch: Rows, batch_idx: int) -> Tensor:
        """(B,) rows -> (B,) log-odds of "labelled"."""
        return self.discriminator.logits(self.vae.encode(self.read(batch))[0])
