"""Running statistics over samples against those of the stack."""

from __future__ import annotations

import torch

from al_lightning.core.prediction import SampleStatistics


def test_moments_are_those_of_the_stack():
    torch.manual_seed(0)
    maps, moments = torch.rand(5, 2, 1, 3, 3), SampleStatistics()
    moments.add(maps[0])
    assert torch.equal(moments.mean, maps[0])
    assert moments.deviation() is None
    for one in maps[1:]:
        moments.add(one)
    assert torch.allclose(moments.mean, maps.mean(0), atol=1e-6)
    assert torch.allclose(moments.deviation(), maps.std(0, correction=0), atol=1e-5)
