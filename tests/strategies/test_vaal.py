"""VAAL as a strategy: what it picks, and that it finds a kind of image that no label has shown."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu
from torch import distributed as dist
from vaal_parts import LABELLED, ROWS, SMALL, noise_images, pool, same, select

from al_lightning.core.strategy import Candidates, Strategy
from al_lightning.strategies.vaal import VAAL, own_trainer


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


def test_without_a_label_the_choice_is_random_with_a_warning():
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
