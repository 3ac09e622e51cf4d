"""Running statistics over samples against those of the stack."""

from __future__ import annotations

import torch

from al_lightning.core.prediction import SampleStatistics


def test_sample_statistics_are_those_of_the_stack():
    torch.manual_seed(0)
    maps, statistics = torch.rand(5, 2, 1, 3, 3), SampleStatistics()
    statistics.add(maps[0])
    assert torch.equal(statistics.mean, maps[0])
    assert statistics.deviation() is None
    for one in maps[1:]:
        statistics.add(one)
    assert torch.allclose(statistics.mean, maps.mean(0), atol=1e-6)
    assert torch.allclose(statistics.deviation(), maps.std(0, correction=0), atol=1e-5)
