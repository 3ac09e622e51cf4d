"""Committee: several trained learners that answer as one."""

from __future__ import annotations

from collections.abc import Sequence

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from al_lightning.learners.dense import DenseLearner
from al_lightning.learners.evaluation import Evaluation
from al_lightning.learners.outputs import Moments
from al_lightning.learners.pix2pix import Pix2Pix
from al_lightning.types import Batch, Passes, Prediction

Learner = DenseLearner | Pix2Pix
"""What a name of `LEARNERS` builds, and what a committee has as members."""


class Committee(pl.LightningModule):
    """M ≥ 2 trained members of one task. It is validated, tested and scored, and not trained itself.

    Its answer is the members' mean probability or depth. When the pool is scored, `passes` (`deviation` in cm for
    depth) holds their disagreement, `members` (B, M, D) their descriptors, and `latent` (B, D) the mean descriptor.

    Validation and tests take one deterministic pass of each member. In scoring, a member with MC passes of its own
    counts with their mean.

    Raises:
        ValueError: fewer than two members.
    """

    def __init__(self, members: Sequence[Learner]) -> None:
        super().__init__()
        if len(members) < 2:
            raise ValueError(f"members={len(members)}: a committee has at least 2")
        self.members = nn.ModuleList(members)
        self.task = members[0].task
        self.evaluation = Evaluation(self.task)

    @property
    def provides(self) -> frozenset[str]:
        """Fields of `Prediction` that `predict_step` fills."""
        depth = frozenset({"depth", "deviation"})
        segmentation = frozenset({"probabilities", "passes"})
        return frozenset({"latent", "members"}) | (depth if self.task.kind == "depth" else segmentation)

    def forward(self, image: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) -> (B, K, H, W): logits of the members' mean probability, or their mean depth as a
        share of `task.maximum`."""
        outputs = [member(image) for member in self.members]
        if self.task.kind == "depth":
            return torch.stack(outputs).mean(0)
        # Softmax undoes the logarithm of the mean probability, and the sigmoid its log-odds.
        if outputs[0].shape[1] == 1:
            return torch.stack([o.sigmoid() for o in outputs]).mean(0).clamp(1e-7, 1 - 1e-7).logit()
        return torch.stack([o.softmax(1) for o in outputs]).mean(0).clamp_min(1e-12).log()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.evaluation.update("val", self(batch["image"]), batch)

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.evaluation.results("val"))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.evaluation.update("test", self(batch["image"]), batch)

    def on_test_epoch_end(self) -> None:
        self.log_dict(self.evaluation.results("test"))

    def predict_step(self, batch: Batch, batch_idx: int) -> Prediction:
        """What `provides` names, for a batch that needs rows and images only."""
        result, passes, depth = Prediction(rows=batch["rows"]), Passes(), Moments()
        latents = []
        for member in self.members:
            assert isinstance(member, Learner)
            one = member.predict_step(batch, batch_idx)
            assert one.latent is not None
            latents.append(one.latent)
            if one.probabilities is not None:
                passes.add(one.probabilities)
            if one.depth is not None:
                depth.add(one.depth)
        result.members = torch.stack(latents, 1)
        result.latent = result.members.mean(1)
        if self.task.kind == "depth":
            result.depth, result.deviation = depth.mean, depth.deviation()
        else:
            result.probabilities, result.passes = passes.mean, passes
        return result
