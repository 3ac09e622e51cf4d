"""Whole runs with pseudo-labels."""

from __future__ import annotations

import json

import numpy as np
import pytest
from experiment_runs import QUIET

from al_lightning import experiment
from al_lightning.config import load
from al_lightning.core.query import Pseudo, Query
from al_lightning.data import PoolDataModule


@pytest.mark.parametrize("kind", ["soft", "hard", "confident"])
@pytest.mark.usefixtures("stages_alone")
def test_pseudo_labels_last_one_stage_cost_nothing_and_are_visible(tiny, write_config, monkeypatch, kind):
    """A strategy that takes three images and pseudo-labels two more, over three stages."""
    from al_lightning import strategies
    from al_lightning.strategies import UncertaintySampling

    class WithPseudo(UncertaintySampling):
        def select(self, candidates, budget, rng):
            query = super().select(candidates, budget, rng)
            rest = np.setdiff1d(candidates.rows[candidates.unlabelled], query.rows)[:2]
            return Query(query.rows, query.source, query.score, Pseudo(rest, kind, 10.0))

    monkeypatch.setitem(strategies.STRATEGIES, "pseudo", lambda: WithPseudo("bvsb"))
    trained: list[set[int]] = []
    original = PoolDataModule.train_dataloader
    monkeypatch.setattr(
        PoolDataModule,
        "train_dataloader",
        lambda self: (trained.append({int(row) for b in original(self) for row in b["rows"]}), original(self))[1],
    )
    tiny["strategy"]["name"] = "pseudo"
    tiny["loader"]["batch_size"] = 2
    folder = experiment.run(load([write_config(tiny)]), QUIET)
    rows = folder.rows()
    assert [row["labelled"] for row in rows] == [4, 7, 10]
    assert [row["cost"]["images"] for row in rows] == [4, 7, 10]
    for stage in (0, 1):
        sources = [pick["source"] for pick in rows[stage]["selected"]]
        assert sources == ["bvsb"] * 3 + ["pseudo"] * 2
    assert [len(found) for found in trained] == [4, 9 - 1, 12], "the last of 9 is dropped: it would be a batch alone"
    state = json.loads((folder.path / "state" / "stage-001.json").read_text())["pool"]
    pseudo = [entry for entry in state if entry["source"] == "pseudo"]
    assert len(pseudo) == 2
    assert all(entry["target"].startswith("pseudo/stage-002/") for entry in pseudo)
    assert len(state) == 12
    # The run can be moved as a whole and still goes on.
    moved = folder.path.with_name("moved")
    folder.path.rename(moved)
    (moved / "state" / "stage-002.json").unlink()
    lines = (moved / "stages.jsonl").read_text().splitlines()
    (moved / "stages.jsonl").write_text("\n".join(lines[:2]) + "\n")
    again = experiment.resume(moved, QUIET).rows()
    assert again[2]["test"] == rows[2]["test"]
