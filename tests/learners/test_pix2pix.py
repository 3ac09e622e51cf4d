"""pix2pix: what it predicts, and what is refused."""

from __future__ import annotations

import pytest
import torch
from pix2pix_parts import DEPTH, POLYP, SIZE, TINY, batch, loader, make, trainer

from al_lightning.core.task import Task
from al_lightning.learners.committee import Committee
from al_lightning.learners.pix2pix import pix2pix


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


def test_a_committee_averages_the_maps_of_its_members():
    members = [make(lr=lr) for lr in (1e-3, 2e-3)]
    committee, data = Committee(members).eval(), batch()
    with torch.no_grad():
        mean = sum((m.generator(data["image"] / 255 * 2 - 1) + 1) / 2 for m in members) / 2
        assert torch.allclose(committee(data["image"]).sigmoid(), mean, atol=1e-6)
        found = committee.predict_step(data, 0)
    assert torch.allclose(found.probabilities[:, 1:], mean, atol=1e-6)
    assert found.members.shape == (4, 2, 16)


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


def test_strategies_that_shard_the_networks_are_refused(monkeypatch):
    run, learner = trainer(), make()
    monkeypatch.setattr(type(run), "world_size", 2)
    with pytest.raises(ValueError, match=r"trainer\.strategy=SingleDeviceStrategy.*trainer\.strategy=ddp only"):
        run.fit(learner, loader(batch()))
