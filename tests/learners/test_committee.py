"""Committees: their mean answer and their disagreement."""

from __future__ import annotations

import pytest
import torch

from al_lightning.core.task import Task
from al_lightning.learners import Committee
from al_lightning.learners.dense import DenseLearner
from al_lightning.learners.unet import unet
from al_lightning.networks.unet import PlainUNet


def members(number: int = 3) -> list[DenseLearner]:
    torch.manual_seed(0)
    return [unet(Task(), (16, 16), widths=[4, 8]).eval() for _ in range(number)]


def batch(n: int = 2) -> dict:
    torch.manual_seed(1)
    return {"rows": torch.arange(n), "image": torch.randint(0, 256, (n, 3, 16, 16), dtype=torch.uint8)}


def test_a_committee_answers_with_the_mean_and_keeps_the_disagreement():
    group = members()
    committee = Committee(group).eval()
    with torch.no_grad():
        found = committee.predict_step(batch(), 0)
        each = [m.predict_step(batch(), 0) for m in group]
        p = torch.stack([e.probabilities for e in each])
        assert torch.allclose(found.probabilities, p.mean(0), atol=1e-6)
        assert torch.allclose(found.passes.square, (p**2).mean(0), atol=1e-6)
        assert torch.allclose(committee(batch()["image"]).sigmoid(), p.mean(0)[:, 1:], atol=1e-5)
    assert found.members.shape == (2, 3, 8)
    assert torch.equal(found.members[:, 1], each[1].latent)
    for name in committee.provides:
        assert getattr(found, name) is not None
    with pytest.raises(ValueError, match="members=1"):
        Committee(group[:1])


def test_a_depth_committee_has_a_deviation_in_cm():
    torch.manual_seed(0)
    group = [DenseLearner(PlainUNet(1, (4, 8)), Task("depth", (), 20.0)).eval() for _ in range(3)]
    with torch.no_grad():
        found = Committee(group).eval().predict_step(batch(), 0)
        each = torch.stack([m.predict_step(batch(), 0).depth for m in group])
    assert torch.allclose(found.depth, each.mean(0), atol=1e-5)
    assert torch.allclose(found.deviation, each.std(0, correction=0), atol=1e-4)
