"""What a LightningModule needs to be a learner, alone and in a committee."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from al_lightning.core.learner import learner_of, set_mc_passes
from al_lightning.learners import LEARNERS, Committee
from al_lightning.types import Learner, Prediction, Task


class Own(pl.LightningModule):
    """The least that is a learner: one 1 x 1 convolution, without a latent."""

    provides = frozenset({"probabilities"})
    monitor = ("val/miou", "max")
    wants_unlabelled = False

    def __init__(self, task: Task = Task()) -> None:  # noqa: B008  frozen
        super().__init__()
        self.task = task
        self.layer = nn.Conv2d(3, task.channels, 1)

    def forward(self, image):
        return self.layer(image.float() / 255)

    def predict_step(self, batch, batch_idx):
        p = self(batch["image"]).sigmoid()
        return Prediction(batch["rows"], probabilities=torch.cat([1 - p, p], 1))


BATCH = {"rows": torch.arange(2), "image": torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)}


def test_an_own_module_is_a_learner_alone_and_in_a_committee_with_others():
    assert isinstance(learner_of(Own()), Learner)
    mixed = Committee([Own(), LEARNERS["unet"](Task(), (16, 16), widths=[4, 8])]).eval()
    with torch.no_grad():
        found = mixed.predict_step(BATCH, 0)
        separate = [member.predict_step(BATCH, 0).probabilities for member in mixed.members]
    assert mixed.provides == {"probabilities", "passes"}, "one of them has no latent"
    assert found.latent is None
    assert torch.allclose(found.probabilities, torch.stack(separate).mean(0), atol=1e-6)
    assert found.passes.count == 2
    assert mixed(BATCH["image"]).shape == (2, 1, 16, 16)


def test_missing_parts_are_all_named():
    class Bare(pl.LightningModule):
        pass

    message = r"learner Bare has no task, provides, monitor, wants_unlabelled, forward\(\), predict_step\(\)"
    with pytest.raises(ValueError, match=message):
        learner_of(Bare())
    with pytest.raises(ValueError, match=message):
        Committee([Bare(), Bare()])


def test_members_that_cannot_be_compared_are_refused():
    class Silent(Own):
        provides = frozenset({"latent"})

    with pytest.raises(ValueError, match=r"Silent does not provide 'probabilities' \(it provides \['latent'\]\)"):
        Committee([Own(), Silent()])
    with pytest.raises(ValueError, match="different tasks"):
        Committee([Own(), Own(Task(classes=("a", "b", "c")))])

    class Incomplete(Own):
        provides = frozenset({"probabilities", "latent"})

    with pytest.raises(ValueError, match=r"Incomplete\.predict_step left out 'latent'"):
        Committee([Incomplete(), Incomplete()]).predict_step(BATCH, 0)


def test_set_mc_passes_sets_or_names_what_is_missing():
    set_mc_passes(Own(), 1)
    with pytest.raises(ValueError, match=r"learner\.mc_passes=3: Own has no attribute mc_passes"):
        set_mc_passes(Own(), 3)
    learner = LEARNERS["unet"](Task(), (16, 16), widths=[4, 8], dropout=0.5)
    set_mc_passes(learner, 3)
    assert "passes" in learner.provides
    with pytest.raises(ValueError, match="mc_passes=0: expected at least 1"):
        learner.mc_passes = 0
