"""Committees, pseudo-labels, unlabelled batches: the parts of the framework that several strategies share."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from rich.console import Console

from al_lightning import experiment
from al_lightning.config import load
from al_lightning.core.pool import LabelPool
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Pseudo, Query
from al_lightning.core.task import IGNORE, Task
from al_lightning.data import PoolDataModule
from al_lightning.data.datasets.kvasir import kvasir
from al_lightning.learners import Committee
from al_lightning.learners.dense import DenseLearner
from al_lightning.learners.losses import Discrepancy, segmentation_loss
from al_lightning.learners.unet import unet
from al_lightning.loop import pseudo_targets
from al_lightning.networks.unet import PlainUNet

QUIET = Console(quiet=True)


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


@pytest.fixture
def committee_config(tiny):
    tiny["learner"]["committee"] = {"members": 3}
    tiny["strategy"] = {"name": "suggestive"}
    tiny["trainer"]["max_epochs"] = 1
    tiny["budget"]["stages"] = 2
    return tiny


def test_members_train_on_bootstraps_of_what_is_labelled(committee_config, write_config, monkeypatch):
    seen: list[list[int]] = []
    original = PoolDataModule.train_dataloader

    def spy(self):
        seen.append(sorted(self.train_rows.tolist()))
        return original(self)

    monkeypatch.setattr(PoolDataModule, "train_dataloader", spy)
    folder = experiment.run(load([write_config(committee_config)]), QUIET)
    labelled = [4, 7]
    assert [len(rows) for rows in seen] == [labelled[0]] * 3 + [labelled[1]] * 3
    assert len({tuple(rows) for rows in seen[3:]}) == 3, "three different resamples"
    assert any(len(set(rows)) < len(rows) for rows in seen), "with replacement"
    assert {pick["source"] for pick in folder.rows()[0]["selected"]} == {"max-cover"}
    assert len(list(folder.path.rglob("best.ckpt"))) == 6
    state = json.loads((folder.path / "state" / "stage-001.json").read_text())
    assert {"fit", "fit-1", "fit-2", "test", "row", "pool"} <= set(state)


def test_without_bootstrap_members_differ_in_weights_only(committee_config, write_config, monkeypatch):
    committee_config["learner"]["committee"]["bootstrap"] = False
    seen = []
    original = PoolDataModule.train_dataloader
    monkeypatch.setattr(
        PoolDataModule, "train_dataloader", lambda self: (seen.append(self.train_rows), original(self))[1]
    )
    folder = experiment.run(load([write_config(committee_config)]), QUIET)
    assert seen == [None] * 6
    heads = [
        torch.load(folder.path / "checkpoints" / "stage-000" / f"member-{m}" / "best.ckpt", weights_only=True)
        for m in range(3)
    ]
    weights = [h["state_dict"]["network.head.weight"] for h in heads]
    assert not torch.equal(weights[0], weights[1])


def test_a_strategy_of_committees_refuses_a_single_learner(tiny, write_config):
    with pytest.raises(ValueError, match=r"needs \['members', 'passes'\].*committee\.members"):
        experiment.run(load([write_config(tiny)], ["strategy.name=suggestive"]), QUIET)


def prediction() -> Prediction:
    p = torch.tensor([[0.999, 0.6, 0.02]])[:, None, :]
    return Prediction(rows=torch.tensor([3]), probabilities=torch.stack([1 - p, p], 1))


def test_pseudo_targets_soft_hard_and_confident():
    rows = np.array([3])
    assert torch.allclose(pseudo_targets(prediction(), Pseudo(rows, "soft")), torch.tensor([[0.999, 0.6, 0.02]]))
    assert pseudo_targets(prediction(), Pseudo(rows, "hard")).tolist() == [[[1, 1, 0]]]
    # H(.999) = .0079, H(.6) = .673, H(.02) = .098 nats
    confident = pseudo_targets(prediction(), Pseudo(rows, "confident", 0.05))
    assert confident.tolist() == [[[1, IGNORE, IGNORE]]]
    assert confident.dtype == torch.uint8
    three = Prediction(rows=torch.tensor([0]), probabilities=torch.rand(1, 3, 2, 2))
    with pytest.raises(ValueError, match="use hard ones"):
        pseudo_targets(three, Pseudo(rows, "soft"))


def test_void_pixels_beside_soft_targets_do_not_train():
    torch.manual_seed(0)
    logits, soft = torch.randn(1, 1, 4, 4), torch.rand(1, 4, 4)
    soft[:, :2] = IGNORE
    changed = logits.clone()
    changed[:, :, :2] += 3
    assert segmentation_loss(logits, soft).item() == pytest.approx(segmentation_loss(changed, soft).item())
    assert segmentation_loss(logits, soft).item() < 5


@pytest.mark.parametrize("kind", ["soft", "hard", "confident"])
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


def test_commit_forgets_pseudo_labels_and_they_can_be_picked():
    pool = LabelPool(np.arange(6), [f"id{i}" for i in range(6)])
    pool.commit(Query.of(np.array([0]), "initial"), 0)
    pool.pseudo = {4: "a.npy", 5: "b.npy"}
    assert pool.trainable.tolist() == [0, 4, 5]
    assert pool.labelled.tolist() == [0]
    assert 4 in pool.unlabelled
    pool.commit(Query.of(np.array([4]), "bvsb"), 1)
    assert pool.pseudo == {}
    assert pool.trainable.tolist() == [0, 4]


def test_discrepancy_agrees_with_its_equation():
    torch.manual_seed(0)
    p1, e = torch.rand(3, 8, 8), torch.rand(3, 5, 4, 4)
    p = torch.stack([1 - p1, p1], 1)
    small = torch.nn.functional.interpolate(p, (4, 4), mode="area")
    expected = []
    for y, maps in zip(small, e, strict=True):
        f = [(y[c] * maps).mean((1, 2)) for c in (0, 1)]
        expected.append(max(0.0, (f[0] @ f[1] / (f[0].norm() * f[1].norm())).item() - 0.2))
    assert Discrepancy(0.1, 0.2)(p, e).item() == pytest.approx(np.mean(expected), rel=1e-5)
    assert Discrepancy(0.1, 0.2)(torch.stack([torch.ones(1, 8, 8), torch.zeros(1, 8, 8)], 1), e[:1]).item() == 0


def test_detach_mask_stops_the_gradient_through_the_masks():
    for detach in (False, True):
        p1 = torch.rand(1, 4, 4, requires_grad=True)
        e = torch.rand(1, 3, 4, 4, requires_grad=True)
        Discrepancy(0.1, -0.5, detach)(torch.stack([1 - p1, p1], 1), e).backward()
        assert e.grad.abs().sum() > 0
        assert (p1.grad is None) == detach


def test_unlabelled_batches_train_and_an_epoch_is_a_pass_over_them(kvasir_root):
    import pytorch_lightning as pl

    dataset = kvasir(str(kvasir_root), 16, validation=4)
    pool = LabelPool(dataset.pool, dataset.ids)
    pool.commit(Query.of(dataset.pool[:4], "initial"), 0)
    data = PoolDataModule(dataset, pool, batch_size=3)
    data.unlabelled_batch = 5
    learner = unet(dataset.task, (16, 16), widths=[4, 8], discrepancy=0.5)
    assert learner.wants_unlabelled
    steps: list[tuple[int, int]] = []
    original = learner.training_step

    def spy(both, batch_idx):
        assert "target" not in both["unlabelled"]
        assert not set(both["unlabelled"]["rows"].tolist()) & set(pool.labelled.tolist())
        steps.append((len(both["labelled"]["rows"]), len(both["unlabelled"]["rows"])))
        return original(both, batch_idx)

    learner.training_step = spy  # type: ignore[method-assign]
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(learner, data)
    assert sum(unlabelled for _, unlabelled in steps) == len(dataset.pool) - 4
    assert "train/discrepancy" in trainer.callback_metrics
    with pytest.raises(ValueError, match="depth"):
        DenseLearner(PlainUNet(1, (4, 8)), Task("depth", (), 20.0), discrepancy=Discrepancy())
    with pytest.raises(ValueError, match="weight"):
        Discrepancy(-1.0)


def test_initial_epochs_hold_for_the_first_stage_alone(tiny, write_config, monkeypatch):
    epochs = []
    original = DenseLearner.on_validation_epoch_end
    monkeypatch.setattr(
        DenseLearner,
        "on_validation_epoch_end",
        lambda self: (
            epochs.append((self.trainer.max_epochs, self.trainer.state.fn.value == "fit")),
            original(self),
        )[1],
    )
    tiny["budget"]["stages"] = 2
    experiment.run(load([write_config(tiny)], ["learner.initial_epochs=3", "trainer.max_epochs=1"]), QUIET)
    fitted = [limit for limit, fit in epochs if fit]
    assert sorted(set(fitted)) == [1, 3]
