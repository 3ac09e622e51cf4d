"""TypiClust against the equations of Hacohen, Dekel and Weinshall 2022."""

from __future__ import annotations

import numpy as np
import pytest
from candidate_pools import RNG, pool
from sklearn.cluster import KMeans

from al_lightning.core.quota import Quota
from al_lightning.strategies import TypiClust
from al_lightning.strategies.typiclust import typical


def mean_distance(z: np.ndarray, i: int, k: int) -> float:
    """1 / Typicality(z_i): the mean distance to the k nearest others."""
    distances = sorted(float(np.linalg.norm(z[i] - other)) for j, other in enumerate(z) if j != i)
    return float(np.mean(distances[: min(k, len(z) - 1)]))


def by_the_paper(
    z: np.ndarray, clusters: np.ndarray, labelled: list[int], budget: int, k: int
) -> tuple[list[int], list[float]]:
    """The largest cluster of the fewest covered, then its most typical image."""
    covered, picks, means = [clusters[i] for i in labelled], [], []
    for _ in range(budget):
        best = None
        for c in np.unique(clusters):
            own = np.flatnonzero(clusters == c)
            free = [i for i in own if i not in labelled and i not in picks]
            key = (len(own) < 5, covered.count(c), -len(own), c)
            if free and (best is None or key < best[0]):
                best = key, own, free
        assert best is not None
        _, own, free = best
        mean = {i: mean_distance(z[own], list(own).index(i), k) for i in free}
        picks.append(min(free, key=lambda i: (mean[i], i)))
        means.append(mean[picks[-1]])
        covered.append(clusters[picks[-1]])
    return picks, means


@pytest.mark.parametrize(("count", "number", "labelled", "budget"), [(120, 9, 4, 15), (60, 20, 0, 30), (80, 3, 2, 70)])
def test_picks_are_those_of_the_paper(count: int, number: int, labelled: int, budget: int) -> None:
    z = RNG(count).standard_normal((count, 3))
    clusters = KMeans(number, n_init=1, random_state=0).fit_predict(z).astype(np.int64)
    known = RNG(1).choice(count, labelled, replace=False).tolist()
    mask = np.isin(np.arange(count), known)
    picks, means = typical(z, clusters, mask, budget, 7)
    expected, distances = by_the_paper(z, clusters, known, budget, 7)
    assert picks.tolist() == expected
    np.testing.assert_allclose(means, distances, rtol=1e-5)


def test_the_densest_of_each_uncovered_group_comes_first() -> None:
    # four groups on a line, 40, 30, 20 and 10 images; the largest has a label, so the other three come first
    sizes, z, truth = [40, 30, 20, 10], [], []
    for group, size in enumerate(sizes):
        z.append(np.stack([100.0 * group + RNG(group).normal(0, 1, size), RNG(9 + group).normal(0, 1, size)], axis=1))
        truth += [group] * size
    latent = np.concatenate(z).astype(np.float32)
    query = TypiClust().select(pool([0], latent=latent), 3, RNG(0))
    assert [truth[row] for row in query.rows] == [1, 2, 3]
    for row, score in zip(query.rows.tolist(), query.score, strict=True):
        own = np.flatnonzero(np.array(truth) == truth[row])
        every = [mean_distance(latent[own], i, 20) for i in range(len(own))]
        assert row == own[int(np.argmin(every))]
        assert score == pytest.approx(min(every), rel=1e-5)
    assert set(query.source) == {"typical"}


def test_no_more_clusters_than_the_option_says() -> None:
    latent = RNG(3).standard_normal((50, 4)).astype(np.float32)
    query = TypiClust(clusters=1, neighbours=3).select(pool(latent=latent), 5, RNG(0))
    means = [mean_distance(latent, i, 3) for i in range(50)]
    assert query.rows.tolist() == np.argsort(means)[:5].tolist()


def test_a_full_group_is_passed_over() -> None:
    z = RNG(4).standard_normal((60, 2))
    clusters, groups = np.arange(60) % 4, np.arange(60) // 6
    quota = Quota(groups, np.full(10, 1))
    picks, _ = typical(z, clusters, np.zeros(60, bool), 10, quota=quota)
    assert sorted(groups[picks]) == list(range(10))
    free, _ = typical(z, clusters, np.zeros(60, bool), 1)
    assert picks[0] == free[0]


@pytest.mark.parametrize("options", [{"clusters": 0}, {"neighbours": 0}])
def test_options_out_of_range(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="=0: expected at least 1"):
        TypiClust(**options)
