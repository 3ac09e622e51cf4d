"""Random streams."""

from __future__ import annotations

from al_lightning.core.seeds import random_stream, torch_seed


def test_streams_are_independent_and_repeatable():
    draws = {
        (seed, stage, purpose): random_stream(seed, stage, purpose).integers(2**60)
        for seed in (0, 1)
        for stage in (0, 1)
        for purpose in ("initial", "select")
    }
    assert len(set(draws.values())) == len(draws)
    assert random_stream(0, 1, "select").integers(2**60) == draws[0, 1, "select"]
    assert torch_seed(0, 0, "a") != torch_seed(0, 0, "b")
