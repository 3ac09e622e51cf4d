"""The losses and steps of pix2pix against the formulas, in one process and in two."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pix2pix_parts import DEPTH, POLYP, batch, loader, make, record_gradients, trainer
from torch import Tensor, nn

from al_lightning.learners.losses import adversarial_loss, masked_l1
from al_lightning.learners.pix2pix import Pix2Pix
from al_lightning.learners.tanh import as_output, scale_target


def test_adversarial_losses():
    scores = torch.tensor([[0.5, -1.0], [2.0, 0.0]])
    assert adversarial_loss(scores, True, "lsgan").item() == pytest.approx((0.25 + 4 + 1 + 1) / 4)
    assert adversarial_loss(scores, False, "lsgan").item() == pytest.approx((0.25 + 1 + 4 + 0) / 4)
    p = 1 / (1 + (-scores).exp())
    assert adversarial_loss(scores, True, "bce").item() == pytest.approx(-p.log().mean().item(), rel=1e-5)
    assert adversarial_loss(scores, False, "bce").item() == pytest.approx(-(1 - p).log().mean().item(), rel=1e-5)


def test_masks_become_minus_one_and_one_and_ignored_pixels_count_nowhere():
    mask = torch.tensor([[[0, 1], [255, 1]]], dtype=torch.uint8)
    y, valid = scale_target(mask, POLYP)
    assert y.tolist() == [[[[-1, 1], [0, 1]]]]
    assert valid.tolist() == [[[[1, 1], [0, 1]]]]
    soft, _ = scale_target(torch.tensor([[[0.25, 1.0], [255, 0.5]]]), POLYP)
    assert soft.tolist() == [[[[-0.5, 1], [0, 0]]]]
    guess = torch.tensor([[[[-0.5, 1.0], [9.0, -1.0]]]])
    assert masked_l1(guess, y, valid).item() == pytest.approx((0.5 + 0 + 2) / 3)
    nothing = scale_target(torch.full_like(mask, 255), POLYP)
    assert masked_l1(guess, *nothing).item() == 0


def test_depth_is_scaled_there_and_back():
    depth = torch.tensor([[[[0.0, 5.0], [15.0, 20.0]]]])
    y, valid = scale_target(depth, DEPTH)
    assert y.tolist() == [[[[-1, -0.5], [0.5, 1]]]]
    assert valid.min() == 1
    assert torch.allclose(as_output(y, DEPTH) * DEPTH.maximum, depth)


def test_log_odds_of_a_map_are_those_of_half_of_it_and_one():
    y = torch.tensor([-1.0, -0.9, -1e-3, 0.0, 0.2, 0.999, 1.0])
    logit = as_output(y, POLYP)
    assert logit.isfinite().all()
    assert torch.allclose(logit.sigmoid(), (y + 1) / 2, atol=1e-6)
    assert torch.equal(logit >= 0, y >= 0)


@pytest.mark.parametrize(("gan", "n_gen", "ignored"), [("lsgan", 1, True), ("lsgan", 2, False), ("bce", 2, True)])
def test_a_batch_is_the_step_of_the_discriminator_and_those_of_the_generator(gan, n_gen, ignored):
    learner = make(gan=gan, n_gen=n_gen, l1=7.0, dropout=0.0, lr=1e-3)
    g, d = copy.deepcopy(learner.generator), copy.deepcopy(learner.discriminator)
    data = batch(ignored=ignored)

    def distance(scores: Tensor, to: int) -> Tensor:
        if gan == "lsgan":
            return (scores - to).square().mean()
        return -(scores if to else -scores).sigmoid().log().mean()

    x = data["image"] / 255 * 2 - 1
    keep = (data["target"] != 255)[:, None]
    y = torch.where(keep, data["target"][:, None] * 2.0 - 1, 0)
    step_g, step_d = (torch.optim.Adam(m.parameters(), 1e-3, betas=(0.5, 0.999)) for m in (g, d))
    (distance(d(y, x), 1) / 2 + distance(d((g(x) * keep).detach(), x), 0) / 2).backward()
    step_d.step()
    for _ in range(n_gen):
        step_g.zero_grad()
        fake = g(x)
        (distance(d(fake * keep, x), 1) + 7 * (fake - y)[keep].abs().mean()).backward()
        step_g.step()

    before = learner.generator.state_dict()["down.0.0.weight"].clone()
    trainer().fit(learner, loader(data))
    assert not torch.allclose(before, g.state_dict()["down.0.0.weight"], atol=1e-4)
    for ours, by_hand in ((learner.generator, g), (learner.discriminator, d)):
        # Adam's first step is lr · sign(gradient); that of a bias before a normalisation is rounding error alone.
        p, q = (nn.utils.parameters_to_vector(module.parameters()) for module in (ours, by_hand))
        assert ((p - q).abs() < 1e-5).float().mean() > 0.98


def test_each_step_changes_one_network_and_the_generator_runs_anew(monkeypatch):
    learner = make(DEPTH)
    assert learner.n_gen == 2
    assert make().n_gen == 1
    networks: dict[str, nn.Module] = {"D": learner.discriminator, "G": learner.generator}
    log: list[str] = []
    learner.generator.register_forward_hook(lambda *_: log.append("map"))
    original = Pix2Pix._step

    def state(module: nn.Module) -> Tensor:
        return nn.utils.parameters_to_vector(module.parameters()).detach().clone()

    def step(self: Pix2Pix, *arguments: Any) -> None:
        before = {name: state(module) for name, module in networks.items()}
        original(self, *arguments)
        log.append("+".join(name for name in networks if not torch.equal(before[name], state(networks[name]))))

    monkeypatch.setattr(Pix2Pix, "_step", step)
    trainer().fit(learner, loader(batch(DEPTH, 4), 2))
    assert log == ["map", "D", "map", "G", "map", "G"] * 2


@pytest.mark.parametrize("task", [POLYP, DEPTH])
def test_training_lowers_l1_and_learns_the_squares(task):
    learner = make(task, multiplier=1 / 8, lr=2e-3)
    data, run = loader(batch(task, 20)), trainer(8)
    before = run.validate(learner, data, verbose=False)[0]
    run.fit(learner, data)
    after = run.validate(learner, data, verbose=False)[0]
    assert after["val/loss"] < 0.5 * before["val/loss"]
    name, mode = learner.monitor
    assert (after[name] > 0.8) if mode == "max" else (after[name] < 0.5 * before[name])


def test_bfloat16():
    learner, data = make(DEPTH, mc_passes=2), batch(DEPTH)
    run = trainer(2, precision="bf16-mixed")
    run.fit(learner, loader(data, 2), loader(data, 2))
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in learner.parameters())
    assert 0 < run.callback_metrics["val/rmse_cm"] < 20
    (found,) = run.predict(learner, loader(data))
    assert found.depth.isfinite().all()
    assert found.depth.dtype == torch.float32


RANKS = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from torch.utils.data import DataLoader
from pix2pix_parts import batch, make, record_gradients, trainer

torch.manual_seed(0)
learner = make(dropout=0.0, n_gen=2)
gradients = record_gradients(learner)
whole = batch()
samples = [{name: value[i] for name, value in whole.items()} for i in range(4)]
run = trainer(2, devices=2, strategy=sys.argv[3])
run.fit(learner, DataLoader(samples, batch_size=2))
torch.save([gradients, learner.state_dict()], f"{sys.argv[2]}/{run.global_rank}.pt")
torch.distributed.destroy_process_group()
"""


def test_two_ranks_with_plain_ddp_step_as_one(tmp_path):
    script = tmp_path / "ranks.py"
    script.write_text(RANKS)
    done = subprocess.run(
        [sys.executable, str(script), str(Path(__file__).parent), str(tmp_path), "ddp"],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (first, weights), (other, others) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    torch.manual_seed(0)
    learner = make(dropout=0.0, n_gen=2)
    alone = record_gradients(learner)
    trainer(2).fit(learner, loader(batch()))
    assert len(alone) == len(first) == len(other) == 6, "two epochs of one step of D and two of G"
    for ours, theirs in zip(first, alone, strict=True):
        assert (ours - theirs).norm() < 0.01 * theirs.norm()
