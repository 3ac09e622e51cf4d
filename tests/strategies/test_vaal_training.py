"""How VAAL trains: its losses, the turns of the two networks, its batches and sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from vaal_parts import LABELLED, ROWS, SMALL, adversaries, batches, noise_images

from al_lightning.networks.vae import VaeOutput
from al_lightning.strategies.vaal import (
    Adversaries,
    endless,
    kl_divergence,
    membership_loss,
    nearest_size,
    own_trainer,
    pairs,
    vae_loss,
)


def test_kl_is_that_of_torch_in_both_reductions():
    mu, logvar = torch.randn(2, 4, 7, generator=torch.Generator().manual_seed(0))
    posterior = torch.distributions.Normal(mu, (logvar / 2).exp())
    each = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(kl_divergence(mu, logvar, "official"), each.sum())
    torch.testing.assert_close(kl_divergence(mu, logvar, "per_sample"), each.sum(1).mean())


def test_reconstruction_is_a_mean_and_membership_a_cross_entropy():
    x, y = batches()[0], batches()[1][:3]
    output = VaeOutput(y, *torch.zeros(3, 3, 32))
    torch.testing.assert_close(vae_loss(x, output, 1.0, "official"), ((x - y) ** 2).sum() / (3 * 3 * 32 * 32))
    logits = torch.tensor([-1.0, 0.5, 2.0])
    d = 1 / (1 + np.exp(-logits.numpy()))
    assert membership_loss(logits, True).item() == pytest.approx(-np.log(d).mean(), rel=1e-5)
    assert membership_loss(logits, False).item() == pytest.approx(-np.log(1 - d).mean(), rel=1e-5)


@pytest.mark.parametrize(("kl", "beta", "adversary"), [("auto", 1.0, 1.0), ("per_sample", 0.3, 25.0)])
def test_losses_are_the_papers(kl, beta, adversary):
    """Both losses from the networks' outputs."""
    model = adversaries(replace(SMALL, kl=kl, beta=beta, adversary=adversary))
    noise = torch.Generator().manual_seed(5)
    expected = 0.0
    for x in batches():
        output = model.vae(x, noise)
        kl_sum = -0.5 * (1 + output.logvar - output.mu**2 - output.logvar.exp()).sum()
        expected += (x - output.reconstruction).pow(2).mean() + beta * kl_sum / (1 if kl == "auto" else len(x))
        expected -= adversary * model.discriminator(output.mu).log().mean()
    torch.testing.assert_close(model.autoencoder_loss(*batches()), expected)

    model.vae.eval()
    real, fake = (model.discriminator(model.vae.encode(x)[0]) for x in batches())
    torch.testing.assert_close(model.discriminator_loss(*batches()), -(real.log().mean() + (1 - fake).log().mean()))


def record(model: Adversaries) -> tuple[list[set[str]], list[bool]]:
    """What each optimiser step changes, and whether the discriminator holds a gradient after it."""
    changed: list[set[str]] = []
    gradient: list[bool] = []
    step = model._step

    def recorded(*arguments):
        before = {key: value.clone() for key, value in model.state_dict().items()}
        loss = step(*arguments)
        changed.append({k.split(".")[0] for k, v in model.state_dict().items() if not torch.equal(v, before[k])})
        gradient.append(any(p.grad is not None for p in model.discriminator.parameters()))
        return loss

    model._step = recorded
    return changed, gradient


def test_two_steps_of_the_autoencoder_then_one_of_the_discriminator_each_leaving_the_other_alone():
    """Weights and batch statistics of the VAE are the same after a step of D, and D after one of the VAE."""
    model = adversaries(replace(SMALL, vae_steps=3, adversary_steps=2))
    changed, gradient = record(model)
    seen: list[list[int]] = []
    model.read = lambda rows, read=model.read: (seen.append(rows.tolist()), read(rows))[1]
    trainer = pl.Trainer(**own_trainer({"accelerator": "cpu"}), max_epochs=1, limit_train_batches=1)
    trainer.fit(model, pairs(ROWS[LABELLED], ROWS[~LABELLED], 3, 4, seed=0))
    assert changed == [{"vae"}] * 3 + [{"discriminator"}] * 2
    assert gradient == [False] * 3 + [True] * 2, "a step of the VAE left a gradient in the discriminator"
    assert len(seen) == 8, "three VAE steps on fresh batches, one more for the second step of D"
    assert all(np.isin(rows, ROWS[LABELLED]).all() for rows in seen[::2])
    assert all(np.isin(rows, ROWS[~LABELLED]).all() for rows in seen[1::2])
    assert trainer.world_size == 1


def test_score_of_an_image_does_not_depend_on_its_neighbours():
    """Edge case (c): the official code scores in training mode."""
    model = adversaries().eval()
    with torch.no_grad():
        together = model.predict_step(ROWS[:6], 0)
        alone = torch.cat([model.predict_step(ROWS[i : i + 1], 0) for i in range(6)])
    torch.testing.assert_close(together, alone)
    model.train()
    assert not torch.allclose(model.predict_step(ROWS[:6], 0), together), "statistics of the batch make no difference"


def test_gradient_is_clipped():
    model = adversaries(replace(SMALL, gradient_clip=1e-3))
    norms: list[float] = []
    step = model.clip_gradients

    def clip(optimizer, value, algorithm):
        step(optimizer, value, algorithm)
        grads = [p.grad for group in optimizer.param_groups for p in group["params"]]
        norms.append(float(torch.stack([g.norm() for g in grads]).norm()))

    model.clip_gradients = clip
    trainer = pl.Trainer(**own_trainer({"accelerator": "cpu"}), max_epochs=1, limit_train_batches=1)
    trainer.fit(model, pairs(ROWS[LABELLED], ROWS[~LABELLED], 3, 2, seed=0))
    assert norms == pytest.approx([1e-3] * 3, rel=1e-2)


def test_batches_are_shuffled_whole_epochs():
    """Edge cases (a) and (d): the last batch is dropped only where another is left, and no epoch repeats the last."""
    stream = endless(np.arange(10), 4, np.random.default_rng(0))
    drawn = [next(stream) for _ in range(6)]
    assert [len(batch) for batch in drawn] == [4] * 6
    epochs = [np.concatenate(drawn[i : i + 2]).tolist() for i in (0, 2, 4)]
    assert all(len(set(epoch)) == 8 for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    short = endless(np.arange(3), 4, np.random.default_rng(0))
    assert [sorted(next(short)) for _ in range(2)] == [[0, 1, 2]] * 2


def test_image_sizes():
    assert [nearest_size((side, 300)) for side in (20, 32, 63, 64, 255, 299)] == [32, 32, 32, 64, 128, 256]
    model = Adversaries(SMALL, lambda rows: np.full((len(rows), 3, 50, 40), 51, np.uint8), 32, seed=0)
    torch.testing.assert_close(model.read(ROWS[:2]), torch.full((2, 3, 32, 32), 0.2))
    assert Adversaries(SMALL, noise_images, 128, 0).reduction == "per_sample"
    assert Adversaries(SMALL, noise_images, 64, 0).reduction == "official"
