"""CEAL for melanoma: the weighted variance, the groups of the histogram, the pseudo-labels."""

from __future__ import annotations

import numpy as np
import torch
from candidate_pools import RNG, binary, pool, statistics_of

from al_lightning.core.prediction import Prediction
from al_lightning.strategies import CEALMelanoma
from al_lightning.strategies import ceal_melanoma as melanoma


def test_contour_distance_by_hand() -> None:
    mask = torch.zeros(3, 5, 5, dtype=torch.bool)
    mask[0, 1:4, 1:4] = True
    mask[2] = True
    weight = melanoma.contour_distance(mask)
    expected = np.zeros((5, 5))
    expected[1:4, 1:4] = 0.5
    expected[2, 2] = 1
    np.testing.assert_allclose(weight[0], expected)
    np.testing.assert_array_equal(weight[1], np.zeros((5, 5)))
    np.testing.assert_array_equal(weight[2], np.ones((5, 5)))


def test_empty_mask_is_not_detected() -> None:
    p = torch.rand(4, 8, 6, 6, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.6
    p[:, 5] = p[:, 5] - 0.6  # below one half everywhere, yet uncertain
    prediction = Prediction(torch.arange(8), probabilities=binary(p.mean(0)), passes=statistics_of(list(p)))
    measured = {key: value.numpy() for key, value in CEALMelanoma().measure(prediction).items()}
    assert np.isfinite(measured["contour-variance"]).all()
    assert measured["contour-variance"][5] == 0
    assert not measured["detected"][5]
    np.testing.assert_allclose(measured["contour-variance"][0], p[:, 0].numpy().var(0).sum(), rtol=1e-4)
    query = CEALMelanoma().select(pool([], **measured), 3, RNG(0))
    assert query.rows[0] == 5
    assert query.source[0] == "not-detected"


def test_fractions_of_the_budget() -> None:
    assert melanoma.apportion(35, (10, 10, 15)) == (10, 10, 15)
    assert melanoma.apportion(7, (10, 10, 15)) == (2, 2, 3)
    assert all(sum(melanoma.apportion(b, (10, 10, 15))) == b for b in range(1, 80))


def test_groups_of_the_histogram_by_hand() -> None:
    """u = bin centres of 80 bins in [0, 80]: mode bin 2, 40 images of it; the tail has 1, 3 and 8 images."""
    u = np.concatenate([
        [0.0] * 12, [2.5] * 40, np.full(30, 20.5), np.full(9, 46.5), np.full(9, 47.5),
        np.full(8, 75.5), np.full(3, 77.5), [80.0]])  # fmt: skip
    detected = np.ones(len(u), dtype=bool)
    strategy = CEALMelanoma()
    seen: set[int] = set()
    for seed in range(30):
        query = strategy.select(pool([], 7, contour_variance=u, detected=detected), 35, RNG(seed))
        group = {name: query.rows[np.array(query.source) == name] for name in set(query.source)}
        assert sorted(group["not-detected"]) == list(range(10))
        assert set(u[group["most-uncertain"]]) <= {80.0, 77.5, 75.5}
        assert len(group["most-uncertain"]) == 10
        assert set(u[group["random"]]) <= {20.5, 46.5}  # from edge(2 + 6) to below edge(47)
        assert len(group["random"]) == 15
        assert query.pseudo is not None
        assert query.pseudo.kind == "soft"
        assert len(query.pseudo.rows) == 40  # 20 + 20·(7 − 5) = 60, but the mode bin has 40
        assert set(u[query.pseudo.rows]) == {2.5}
        seen |= set(group["most-uncertain"].tolist())
    assert len(u) - 1 in seen, "the most uncertain image can be asked for"
    assert strategy.select(pool([], 4, contour_variance=u, detected=detected), 35, RNG(0)).pseudo is None


def test_pseudo_labels_come_from_the_mode_bin_alone() -> None:
    u = np.concatenate([np.zeros(40), np.full(30, 1.5), [80.0]])
    query = CEALMelanoma().select(pool([], 8, contour_variance=u, detected=np.ones(71, bool)), 7, RNG(0))
    assert query.pseudo is not None
    assert query.pseudo.rows.tolist() == sorted(set(range(40)) - set(query.rows.tolist()))


def test_rarest_bins_of_the_tail_come_first() -> None:
    u = np.concatenate([[0.5] * 20, np.full(6, 75.5), np.full(2, 78.5), [80.0]])
    picks, _ = melanoma.histogram_groups(u, np.ones(len(u), bool), (0, 3, 0), RNG(0))
    assert sorted(u[picks[1]]) == [78.5, 78.5, 80.0]


def test_groups_by_quantile_and_their_pseudo_labels() -> None:
    u = np.arange(40.0)
    u[:6] = 0
    detected = u > 0
    strategy = CEALMelanoma(mode="quantile", pseudo_kind="hard", pseudo_first=4)
    query = strategy.select(pool([39], 5, contour_variance=u, detected=detected), 7, RNG(0))
    np.testing.assert_array_equal(query.rows[:4], [0, 1, 38, 37])
    assert query.source == ("not-detected",) * 2 + ("most-uncertain",) * 2 + ("random",) * 3
    assert query.pseudo is not None
    asked = set(query.rows.tolist())
    assert query.pseudo.rows.tolist() == [i for i in range(6, 39) if i not in asked][:4]
    assert query.pseudo.kind == "hard"


def test_short_groups_are_filled_with_the_next_most_uncertain() -> None:
    u = np.concatenate([np.full(30, 1.0), [5.0, 6, 7]])  # bins between mode + 6 and 47 hold one image
    query = CEALMelanoma().select(pool([], contour_variance=u, detected=np.ones(33, bool)), 14, RNG(0))
    assert "top-up" in query.source
    extra = query.rows[np.array(query.source) == "top-up"]
    rest = np.setdiff1d(np.arange(33), query.rows[np.array(query.source) != "top-up"])
    np.testing.assert_array_equal(extra, rest[np.argsort(-u[rest], kind="stable")][: len(extra)])
