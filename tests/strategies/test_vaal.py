"""VAAL: losses, turns of the two networks, the contract of a strategy, and that it finds an unseen kind of image."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from scipy.stats import mannwhitneyu
from torch import distributed as dist

from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates, Strategy
from al_lightning.networks.vae import VaeOutput
from al_lightning.strategies.vaal import (
    VAAL,
    Adversaries,
    endless,
    kl_divergence,
    membership_loss,
    nearest_size,
    own_trainer,
    pairs,
    vae_loss,
)

SMALL = VAAL(multiplier=1 / 64, iterations=3, batch_size=4)
ROWS = np.arange(3, 63, 2)
"""30 rows with gaps, so that a position taken for a row is found out."""
LABELLED = np.isin(ROWS, ROWS[[0, 1, 5, 8, 13, 21, 29]])


def noise_images(rows):
    """(n, 3, 32, 32), a function of the row alone, read-only."""
    found = np.stack([np.random.default_rng(row).integers(0, 256, (3, 32, 32), np.uint8) for row in rows])
    found.flags.writeable = False
    return found


def pool(labelled=LABELLED, order=None, images=noise_images) -> Candidates:
    order = np.arange(len(ROWS)) if order is None else order
    ids = [f"image-{row}" for row in ROWS[order]]
    return Candidates.of(ROWS[order], ids, labelled[order], images=images, trainer={"accelerator": "cpu"})


def select(strategy: VAAL, candidates: Candidates, budget: int = 6, seed: int = 0) -> Query:
    return strategy.select(candidates, budget, np.random.default_rng(seed))


def same(a: Query, b: Query) -> bool:
    return np.array_equal(a.rows, b.rows) and np.array_equal(a.score, b.score) and a.source == b.source


def adversaries(options: VAAL = SMALL) -> Adversaries:
    """With fixed weights, as it is when training begins."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = Adversaries(options, noise_images, 32, seed=5)
    model.on_fit_start()
    return model


def batches() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(3, 3, 32, 32, generator=generator), torch.rand(5, 3, 32, 32, generator=generator)


# --- the contract -----------------------------------------------------------------------------------------------------


def test_picks_are_the_lowest_scores_of_distinct_unlabelled_rows():
    """The order of the picks is ascending D."""
    assert isinstance(SMALL, Strategy)
    assert SMALL.measure(None) == {}
    candidates = pool()
    unlabelled = ROWS[~LABELLED]
    score = SMALL.score(noise_images, ROWS[LABELLED], unlabelled, np.random.default_rng(0), candidates.trainer)
    assert score.shape == (23,)
    assert ((score > 0) & (score < 1)).all()
    by_score = [row for _, row in sorted(zip(score.tolist(), unlabelled.tolist(), strict=True))]
    for budget in (1, 6, 22):
        query = select(SMALL, candidates, budget)
        assert query.rows.dtype == np.int64
        assert query.rows.tolist() == by_score[:budget]
        assert query.score.tolist() == sorted(score.tolist())[:budget]
        assert query.source == ("vaal",) * budget


def test_a_permuted_pool_gives_the_same_picks_and_another_seed_others():
    """A permutation of the pool leaves the set unchanged."""
    shuffled = np.random.default_rng(1).permutation(len(ROWS))
    first = select(SMALL, pool())
    assert same(first, select(SMALL, pool(order=shuffled)))
    assert not np.array_equal(first.score, select(SMALL, pool(), seed=1).score)


def test_global_streams_stay_as_they_were_and_do_not_matter():
    torch.manual_seed(7)
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = select(SMALL, pool())
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002
    torch.manual_seed(8)
    assert same(first, select(SMALL, pool()))


@pytest.mark.parametrize("number", [1, 3])
def test_fewer_labelled_images_than_a_batch(number):
    """Edge case (a): the official endless iterator would never yield."""
    few = np.arange(len(ROWS)) < number
    query = select(SMALL, pool(few))
    assert len(np.unique(query.rows)) == 6
    assert np.isin(query.rows, ROWS[~few]).all()


def test_a_discriminator_that_says_the_same_of_all_is_flagged():
    """Edge case (f), by images that are all equal; no warning where they differ."""
    grey = pool(images=lambda rows: np.full((len(rows), 3, 32, 32), 128, np.uint8))
    with pytest.warns(UserWarning, match="effectively random"):
        query = select(SMALL, grey)
    assert set(query.source) == {"vaal (collapsed)"}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert set(select(SMALL, pool()).source) == {"vaal"}


def test_equal_scores_go_to_the_lower_row(monkeypatch):
    score = np.repeat([0.7, 0.2, 0.4], [8, 2, 13])
    monkeypatch.setattr(VAAL, "score", lambda *_: score)
    left = ROWS[~LABELLED]
    assert select(SMALL, pool(), 5).rows.tolist() == [*left[8:10], *left[10:13]]


def test_nothing_labelled_is_random_and_said():
    with pytest.warns(UserWarning, match="nothing is labelled"):
        query = select(SMALL, pool(np.zeros(len(ROWS), bool)))
    assert set(query.source) == {"random"}
    assert len(np.unique(query.rows)) == 6


def test_what_cannot_be_trained_on_is_refused():
    with pytest.raises(ValueError, match="images is None"):
        select(SMALL, pool(images=None))
    with pytest.raises(ValueError, match=r"diverged.*lr=1e\+30"):
        select(replace(SMALL, lr=1e30, gradient_clip=None), pool())


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("latent", 16, "latent=16: expected 32 to 128"),
        ("latent", 129, "latent=129"),
        ("beta", -0.1, "beta=-0.1"),
        ("adversary", float("nan"), "adversary=nan"),
        ("kl", "sum", "kl='sum'.*'per_sample'"),
        ("size", 48, "size=48: expected 32, 64, 128, 256"),
        ("size", 512, "size=512"),
        ("lr", 0.0, "lr=0.0"),
        ("batch_size", 0, "batch_size=0"),
        ("iterations", 0, "iterations=0"),
        ("vae_steps", 0, "vae_steps=0"),
        ("adversary_steps", 0, "adversary_steps=0"),
        ("gradient_clip", 0.0, "gradient_clip=0.0"),
        ("multiplier", -1.0, "multiplier=-1.0"),
    ],
)
def test_impossible_options_are_named(option, value, message):
    with pytest.raises(ValueError, match=message):
        VAAL(**{option: value})


# --- losses and turns -------------------------------------------------------------------------------------------------


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


# --- batches and sizes ------------------------------------------------------------------------------------------------


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


# --- several ranks ----------------------------------------------------------------------------------------------------


def test_trains_alone_inside_a_process_group_and_takes_the_scores_of_rank_0(monkeypatch):
    """A group of two is announced by the launcher's environment; a Trainer that joined it would wait or fail."""
    expected = select(SMALL, pool())
    for key, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "x"}.items():
        monkeypatch.setenv(key, value)
    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    try:
        assert same(select(SMALL, pool()), expected)
        assert dist.is_initialized(), "the private Trainer has torn the run's process group down"

        def from_rank_0(box, src):
            assert src == 0
            box[0] = box[0][::-1]

        monkeypatch.setattr(dist, "broadcast_object_list", from_rank_0)
        other = select(SMALL, pool())
        assert np.array_equal(other.score, expected.score)
        assert not np.array_equal(other.rows, expected.rows)
        monkeypatch.setattr(dist, "get_rank", lambda: 1)
        assert own_trainer({"enable_progress_bar": True})["enable_progress_bar"] is False
    finally:
        dist.destroy_process_group()


# --- does it do what it is for ----------------------------------------------------------------------------------------


def discs(rows):
    """(n, 3, 32, 32): a brighter disc on noisy tissue, reddish, or bluish where the row is divisible by 3."""
    found = np.empty((len(rows), 3, 32, 32), np.uint8)
    y, x = np.mgrid[:32, :32]
    for image, row in zip(found, rows, strict=True):
        rng = np.random.default_rng(row)
        centre, radius = rng.uniform(8, 24, 2), rng.uniform(4, 9)
        disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
        colour = np.array([140, 70, 60] if row % 3 else [60, 70, 140]) + rng.normal(0, 12, 3)
        image[:] = (colour[:, None, None] + 60 * disc + rng.normal(0, 8, (3, 32, 32))).clip(0, 255)
    return found


def test_prefers_the_mode_that_no_label_has_shown():
    """60 labelled images of one mode; 100 more of it and 80 of another are unlabelled."""
    rows = np.arange(240)
    labelled = np.isin(rows, rows[rows % 3 > 0][:60])
    images = discs(rows)
    candidates = Candidates.of(
        rows, [str(row) for row in rows], labelled, images=lambda r: images[r], trainer={"accelerator": "cpu"}
    )
    # beta = 1 weighs KL more than 3,000 times as much as in an evidence lower bound: μ would say nothing so soon
    options = {"beta": 1e-3, "kl": "per_sample", "adversary": 0.1, "adversary_steps": 3, "lr": 1e-3}
    strategy = VAAL(**options, multiplier=1 / 32, batch_size=16, iterations=60)
    query = select(strategy, candidates, budget=179)
    unseen = query.rows % 3 == 0
    assert mannwhitneyu(query.score[unseen], query.score[~unseen], alternative="less").pvalue < 1e-6
    assert unseen[:40].mean() > 0.65, "44 % of the unlabelled images are of the unseen mode"
