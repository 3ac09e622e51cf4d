from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from rich.console import Console
from torch import Tensor, nn
from torch.utils.data import DataLoader

from al_lightning import experiment
from al_lightning.config import ConfigError, load
from al_lightning.core.prediction import Batch
from al_lightning.core.task import Task
from al_lightning.learners import LEARNERS
from al_lightning.learners.committee import Committee
from al_lightning.learners.losses import adversarial_loss, masked_l1
from al_lightning.learners.pix2pix import Pix2Pix, pix2pix
from al_lightning.learners.tanh import as_output, scale_target

POLYP, DEPTH = Task(), Task("depth", (), 20.0)
SIZE = (32, 32)
TINY = 1 / 32


@pytest.fixture(autouse=True)
def _table(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setitem(LEARNERS, "pix2pix", pix2pix)


def make(task: Task = POLYP, mc_passes: int = 1, **options: Any) -> Pix2Pix:
    learner = pix2pix(task, SIZE, **{"multiplier": TINY} | options)
    learner.mc_passes = mc_passes
    return learner


def batch(task: Task = POLYP, n: int = 4, ignored: bool = False) -> Batch:
    """Bright squares at random places; their depth falls with the distance to the left edge."""
    generator = torch.Generator().manual_seed(7)
    mask = torch.zeros(n, *SIZE)
    for one, corner in zip(mask, torch.randint(4, 14, (n, 2), generator=generator).tolist(), strict=True):
        one[corner[0] : corner[0] + 14, corner[1] : corner[1] + 14] = 1
    noise = torch.randint(0, 40, (n, 3, *SIZE), generator=generator)
    image = (60 + 120 * mask[:, None] + noise).to(torch.uint8)
    if task.kind == "depth":
        target = (10 * mask[:, None] + torch.linspace(0, 10, SIZE[1])).float()
    else:
        target = mask.to(torch.uint8)
        if ignored:
            target[:, :, :9] = 255
    return {"rows": torch.arange(n), "image": image, "target": target}


def loader(whole: Batch, size: int = 4) -> DataLoader[Batch]:
    """The batches of `size` images in order."""
    n = len(whole["rows"])
    batches = [{name: value[i : i + size] for name, value in whole.items()} for i in range(0, n, size)]
    return DataLoader(batches, batch_size=None)


def record_gradients(learner: Pix2Pix) -> list[Tensor]:
    """What every step of an optimiser is made of, in order."""
    seen: list[Tensor] = []
    original = learner.configure_optimizers

    def hook(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        seen.append(torch.cat([p.grad.flatten() for group in optimizer.param_groups for p in group["params"]]))

    def hooked() -> list[torch.optim.Optimizer]:
        optimizers = original()
        for optimizer in optimizers:
            optimizer.register_step_pre_hook(hook)
        return optimizers

    learner.configure_optimizers = hooked  # type: ignore[method-assign]
    return seen


def trainer(epochs: int = 1, **options: Any) -> pl.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    fixed = {"accelerator": "cpu", "devices": 1, "enable_checkpointing": False, "max_epochs": epochs}
    return pl.Trainer(**fixed | quiet | options)


# ---------------------------------------------------------------- formulas


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


# ---------------------------------------------------------------- the steps


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


# ---------------------------------------------------------------- evaluation


@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("task", [POLYP, DEPTH])
def test_predict_fills_what_it_provides(task, passes):
    learner = make(task, mc_passes=passes).eval()
    data = batch(task, 2)
    runs: list[int] = []
    learner.generator.down[0].register_forward_hook(lambda *_: runs.append(1))
    with torch.no_grad():
        found = learner.predict_step(data, 0)
        assert len(runs) == (1 if passes == 1 else 1 + passes), "dropout in the encoder: every pass runs it anew"
        y = learner.generator(data["image"] / 255 * 2 - 1)
    assert {name for name in vars(found) if getattr(found, name) is not None} - {"deterministic", "rows"} == (
        learner.provides
    )
    assert found.latent.shape == (2, learner.generator.width)
    assert torch.equal(found.latent, found.features.flatten(1)), "the bottleneck is a single pixel"
    whole = found.depth if task is DEPTH else found.deterministic() if passes > 1 else found.probabilities
    if task is DEPTH:
        assert 0 <= whole.min() <= whole.max() <= 20
        if passes == 1:
            assert torch.allclose(whole, 10 * (y + 1), atol=1e-4)
        else:
            assert found.deviation.max() > 0
    else:
        assert torch.allclose(whole, torch.cat([1 - y, 1 + y], 1) / 2, atol=1e-6)
        assert passes == 1 or found.passes.square.sub(found.passes.mean**2).max() > 0


def test_widths_levels_and_latent_follow_the_size():
    with torch.device("meta"):
        learner = pix2pix(POLYP, (256, 256))
    assert len(learner.generator.down) == 8
    assert learner.generator.width == 512
    assert [len(pix2pix(POLYP, (s, s), multiplier=TINY).generator.down) for s in (32, 64, 128, 512)] == [5, 6, 7, 8]


def test_a_committee_takes_it():
    members = [make(lr=lr) for lr in (1e-3, 2e-3)]
    committee, data = Committee(members).eval(), batch()
    with torch.no_grad():
        mean = sum((m.generator(data["image"] / 255 * 2 - 1) + 1) / 2 for m in members) / 2
        assert torch.allclose(committee(data["image"]).sigmoid(), mean, atol=1e-6)
        found = committee.predict_step(data, 0)
    assert torch.allclose(found.probabilities[:, 1:], mean, atol=1e-6)
    assert found.members.shape == (4, 2, 16)


# ---------------------------------------------------------------- Lightning


def test_bfloat16():
    learner, data = make(DEPTH, mc_passes=2), batch(DEPTH)
    run = trainer(2, precision="bf16-mixed")
    run.fit(learner, loader(data, 2), loader(data, 2))
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in learner.parameters())
    assert 0 < run.callback_metrics["val/rmse_cm"] < 20
    (found,) = run.predict(learner, loader(data))
    assert found.depth.isfinite().all()
    assert found.depth.dtype == torch.float32


@pytest.fixture
def config(tiny, write_config) -> Path:
    tiny["dataset"]["options"]["size"] = 32
    tiny["learner"] = {"name": "pix2pix", "options": {"multiplier": TINY, "n_gen": 2, "lr": 0.001}}
    tiny["budget"]["stages"] = 2
    return write_config(tiny)


def test_stopped_between_epochs_it_ends_as_if_never_stopped(config, monkeypatch):
    def weights(folder) -> list[dict[str, Tensor]]:
        files = sorted(folder.path.rglob("best.ckpt"))
        return [torch.load(file, weights_only=True)["state_dict"] for file in files]

    quiet = Console(quiet=True)
    whole = experiment.run(load([config], ["name=whole"]), quiet)
    original = ModelCheckpoint.on_train_epoch_end

    def stop(self, run, module):
        original(self, run, module)
        if self.monitor is None and run.current_epoch == 0:
            raise RuntimeError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(ModelCheckpoint, "on_train_epoch_end", stop)
        with pytest.raises(RuntimeError, match="stopped"):
            experiment.run(load([config]), quiet)
    folder = experiment.run_folder(experiment.complete(load([config])))
    last = torch.load(next(folder.path.rglob("last.ckpt")), weights_only=False)
    assert [len(state["state"]) > 0 for state in last["optimizer_states"]] == [True, True]
    experiment.resume(folder.path, quiet)
    for ours, theirs in zip(folder.rows(), whole.rows(), strict=True):
        assert [ours[key] for key in ("val", "test", "selected")] == [
            theirs[key] for key in ("val", "test", "selected")
        ]
    for ours, theirs in zip(weights(folder), weights(whole), strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


RANKS = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from torch.utils.data import DataLoader
from test_pix2pix import batch, make, record_gradients, trainer

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


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("task", "size", "options", "match"),
    [
        (Task(classes=("a", "b", "c")), SIZE, {}, "task of 3 classes: pix2pix makes one map"),
        (POLYP, (100, 100), {}, r"multiples of 64.*dataset\.options\.size=128"),
        (POLYP, (384, 256), {}, r"multiples of 256.*dataset\.options\.size=\[512, 256\]"),
        (POLYP, (16, 64), {}, r"at least 32 pixels.*dataset\.options\.size=32"),
        (POLYP, SIZE, {"n_gen": 0}, "n_gen=0"),
        (POLYP, SIZE, {"l1": -1.0}, r"l1=-1\.0"),
        (POLYP, SIZE, {"gan": "wgan"}, "gan='wgan'"),
    ],
)
def test_what_cannot_work_is_refused(task, size, options, match):
    with pytest.raises(ValueError, match=match):
        pix2pix(task, size, **{"multiplier": TINY} | options)


def test_passes_without_dropout_are_refused():
    with pytest.raises(ValueError, match=r"mc_passes=5.*learner\.options\.dropout"):
        make(mc_passes=5, dropout=0.0)


def test_mistakes_in_a_config_name_the_key(config):
    for override, match in (
        ("dataset.options.size=40", r"learner pix2pix: .*dataset\.options\.size=32"),
        ("learner.options.gan=wgan", "gan"),
        ("learner.options.n_gen=two", r"learner\.options\.n_gen='two'"),
    ):
        with pytest.raises(ConfigError, match=match):
            experiment.prepare(experiment.complete(load([config], [override])))


def test_strategies_that_shard_the_networks_are_refused(monkeypatch):
    run, learner = trainer(), make()
    monkeypatch.setattr(type(run), "world_size", 2)
    with pytest.raises(ValueError, match=r"trainer\.strategy=SingleDeviceStrategy.*trainer\.strategy=ddp only"):
        run.fit(learner, loader(batch()))
