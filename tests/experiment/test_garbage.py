"""A stage that is over keeps nothing in memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
import pytorch_lightning as pl
from experiment_runs import run

from al_lightning.core.run_folder import RunFolder

VAAL = {"strategy.name": "vaal", "strategy.options.iterations": 1, "strategy.options.multiplier": 0.125}


@pytest.fixture
def no_collections() -> Iterator[None]:
    """Python's own collections come at moments that depend on everything else in the process."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize(
    "changes",
    [{}, {"learner.committee.members": 2, "strategy.name": "suggestive"}, VAAL],
    ids=["one learner", "committee", "a strategy with a Trainer"],
)
def test_no_trainer_outlives_its_stage(changes, tiny, write_config, monkeypatch):
    alive: list[int] = []
    append = RunFolder.append_row

    def count(self: RunFolder, row: Any) -> None:
        append(self, row)
        alive.append(sum(isinstance(one, pl.Trainer) for one in gc.get_objects()))

    monkeypatch.setattr(RunFolder, "append_row", count)
    tiny["trainer"]["max_epochs"] = 1
    run(write_config(tiny), *(f"{key}={value}" for key, value in changes.items()))
    assert alive == [1, 1, 1], "the datamodule refers to the last one"
    assert gc.get_freeze_count() == 0
