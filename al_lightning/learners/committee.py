"""Committee: several trained learners whose predictions are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from al_lightning.core.learner import Learner, learner_of
from al_lightning.core.prediction import Batch, Prediction, SampleStatistics
from al_lightning.learners.evaluation import Evaluation


class Committee(pl.LightningModule):
    """M ≥ 2 trained learners of one task, which are validated, tested and scored together but trained one by one.

    The prediction is the members' mean probability or depth. When the pool is scored, `passes` (`deviation` in cm for
    depth) holds their disagreement. Where all members provide a latent, `members` (B, M, D) holds these descriptors and
    `latent` (B, D) their mean.

    Validation and tests use one deterministic pass (`forward`) of each member. In scoring, the prediction of a member
    with MC passes is their mean.

    Args:
        members: learners of any kind.

    Raises:
        ValueError: fewer than two members, a member that is no learner (`al_lightning.types.Learner`), that does not
            provide the probabilities or the depth, or that has another task than the first.
    """

    def __init__(self, members: Sequence[pl.LightningModule]) -> None:
        super().__init__()
        if len(members) < 2:
            raise ValueError(f"members={len(members)}: a committee has at least 2")
        learners = [learner_of(member) for member in members]
        self.task = learners[0].task
        self.answer = "depth" if self.task.kind == "depth" else "probabilities"
        for learner in learners:
            if learner.task != self.task:
                raise ValueError(f"members: of different tasks ({self.task} and {learner.task}); give all the same")
            if self.answer not in learner.provides:
                raise ValueError(
                    f"members: {type(learner).__name__} does not provide {self.answer!r} (it provides "
                    f"{sorted(learner.provides)}), so that the members cannot be compared"
                )
        self.with_latent = all("latent" in learner.provides for learner in learners)
        self.members = nn.ModuleList(members)
        self.evaluation = Evaluation(self.task)

    @property
    def provides(self) -> frozenset[str]:
        """Fields of `Prediction` that `predict_step` fills."""
        latent = frozenset({"latent", "members"} if self.with_latent else ())
        return latent | {self.answer, "deviation" if self.answer == "depth" else "passes"}

    @property
    def monitor(self) -> tuple[str, str]:
        """That of the members' task; nothing is selected by it."""
        return self.evaluation.monitor

    @property
    def wants_unlabelled(self) -> bool:
        """False, because a committee is not trained."""
        return False

    def forward(self, image: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) -> (B, K, H, W): logits of the members' mean probability, or their mean depth as a
        fraction of `task.maximum`."""
        outputs = [member(image) for member in self.members]
        if self.task.kind == "depth":
            return torch.stack(outputs).mean(0)
        # The softmax of the logarithm, and the sigmoid of the log-odds, give the mean probability again.
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
        """The fields named by `provides`, for a batch that needs only rows and images."""
        statistics, latents = SampleStatistics(), []
        for member in self.members:  # one prediction at a time, because its maps are large
            one = cast(Learner, member).predict_step(batch, batch_idx)
            statistics.add(promised(member, one, self.answer))
            if self.with_latent:
                latents.append(promised(member, one, "latent"))
        result = Prediction(rows=batch["rows"])
        if latents:
            result.members = torch.stack(latents, 1)
            result.latent = result.members.mean(1)
        if self.answer == "depth":
            result.depth, result.deviation = statistics.mean, statistics.deviation()
        else:
            result.probabilities, result.passes = statistics.mean, statistics
        return result


def promised(member: Any, prediction: Prediction, name: str) -> Tensor:
    """A field of a prediction that the member's `provides` names.

    Raises:
        ValueError: it is None.
    """
    value: Tensor | None = getattr(prediction, name)
    if value is None:
        raise ValueError(f"{type(member).__name__}.predict_step left out {name!r}, which its `provides` names")
    return value
