"""Each method against its definition, written out independently in a few lines of the papers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from al_lightning import uncertainty
from al_lightning.core.prediction import Prediction, SampleStatistics
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates
from al_lightning.neighbors import weighted_kmeans
from al_lightning.strategies import (
    ASA,
    CEAL,
    STRATEGIES,
    CEALMelanoma,
    Mixture,
    RobustCoreset,
    Suggestive,
    TACoreset,
    UncertaintyClustering,
    UncertaintySampling,
    UncPCAHash,
    asa,
    ceal,
    clustering,
    density,
    descriptors,
    hashing,
    robust,
    suggestive,
)
from al_lightning.strategies import ceal_melanoma as melanoma

RNG = np.random.default_rng


def pool(labelled: list[int] | None = None, stage: Any = 0, images: Any = None, **values: Any) -> Candidates:
    """Rows 0..N−1 with these values; underscores of a name stand for hyphens."""
    arrays = {key.replace("_", "-"): np.asarray(value) for key, value in values.items()}
    n = len(next(iter(arrays.values())))
    mask = np.isin(np.arange(n), labelled or [])
    return Candidates.of(range(n), [str(i) for i in range(n)], mask, arrays, images, stage)


def binary(foreground: Any) -> torch.Tensor:
    p = torch.as_tensor(foreground, dtype=torch.float32)
    return torch.stack([1 - p, p], dim=1)


def passes_of(foregrounds: list[Any]) -> SampleStatistics:
    passes = SampleStatistics()
    for foreground in foregrounds:
        passes.add(binary(foreground))
    return passes


# uncertainty ------------------------------------------------------------------------------------------------


def test_entropies_against_scipy() -> None:
    logits = torch.randn(5, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    p = logits.softmax(2)
    passes = SampleStatistics()
    for one in p:
        passes.add(one)
    each = scipy.stats.entropy(p.double().numpy(), axis=2)
    mean = scipy.stats.entropy(p.double().numpy().mean(0), axis=1)
    votes = (p.argmax(2)[:, :, None] == torch.arange(3)[None, None, :, None, None]).double().mean(0)
    np.testing.assert_allclose(uncertainty.entropy(p[0]), each[0], atol=1e-6)
    np.testing.assert_allclose(uncertainty.soft_vote_entropy(passes), mean, atol=1e-6)
    np.testing.assert_allclose(uncertainty.bald(passes), mean - each.mean(0), atol=1e-6)
    np.testing.assert_allclose(uncertainty.vote_entropy(passes), scipy.stats.entropy(votes, axis=1), atol=1e-6)
    np.testing.assert_allclose(uncertainty.mc_variance(passes), p.numpy().var(0).sum(1), atol=1e-6)
    bhattacharyya = 1 - scipy.stats.gmean(p.double().numpy(), axis=0).sum(1)
    np.testing.assert_allclose(uncertainty.bhattacharyya_disagreement(passes), bhattacharyya, atol=1e-6)


def test_bvsb_of_a_coin_and_of_certainty() -> None:
    p = binary(torch.stack([torch.full((4, 4), 0.5), torch.eye(4)]))
    measured = UncertaintySampling("bvsb").measure(Prediction(torch.arange(2), probabilities=p))
    np.testing.assert_array_equal(measured["bvsb"], [1.0, 0.0])


@pytest.mark.parametrize("signed", [False, True])
def test_density_against_a_double_loop(signed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(density, "BLOCK", 3)
    z = RNG(0).standard_normal((10, 4))
    z = z if signed else np.abs(z)
    z[4] = 0
    expected = np.zeros(10)
    for i, j in itertools.product(range(10), repeat=2):
        cosine = z[i] @ z[j] / max(np.linalg.norm(z[i]) * np.linalg.norm(z[j]), 1e-8)
        expected[i] += max(0.0, cosine) / 10
    np.testing.assert_allclose(density.density(z), expected, atol=1e-12)
    u = RNG(1).random(10)
    strategy = STRATEGIES["information-density"](measure="bvsb", beta=0.5)
    query = strategy.select(pool(bvsb=u, latent=z), 3, RNG(0))
    best = np.argsort(-u * np.sqrt(expected))[:3]
    np.testing.assert_array_equal(query.rows, best)
    np.testing.assert_allclose(query.score, (u * np.sqrt(expected))[best])


def test_density_refuses_a_negative_measure() -> None:
    with pytest.raises(ValueError, match=r"measure='margin'.*'bvsb'"):
        STRATEGIES["information-density"](measure="margin")


# core-sets --------------------------------------------------------------------------------------------------


def test_k_center_on_a_line() -> None:
    query = TACoreset().select(pool([0], latent=[[0.0], [1.0], [2.0], [10.0]]), 2, RNG(0))
    np.testing.assert_array_equal(query.rows, [3, 2])
    np.testing.assert_allclose(query.score, [10, 2])


def test_k_center_against_the_textbook() -> None:
    z = RNG(0).standard_normal((60, 5)).astype(np.float32)
    centres, expected = [3, 17], []
    for _ in range(12):
        gap = np.linalg.norm(z[:, None] - z[centres], axis=2).min(1)
        expected.append(int(gap.argmax()))
        centres.append(expected[-1])
    np.testing.assert_array_equal(TACoreset().select(pool([3, 17], latent=z), 12, RNG(0)).rows, expected)


def brute_radius(z: Any, labelled: list[int], budget: int, outliers: int) -> float:
    """Smallest radius over all choices of `budget` centres, the `outliers` farthest points left out."""
    rest = [i for i in range(len(z)) if i not in labelled]
    gap = np.linalg.norm(z[:, None] - z[None], axis=2)
    radii = [
        np.sort(gap[np.ix_(rest, [*labelled, *chosen])].min(1))[-1 - outliers]
        for chosen in itertools.combinations(rest, budget)
    ]
    return float(min(radii))


@pytest.mark.parametrize("outliers", [0, 1])
@pytest.mark.parametrize("labelled", [[], [0, 5]])
def test_robust_core_set_against_brute_force(outliers: int, labelled: list[int]) -> None:
    better = 0
    for seed in range(4):
        z = RNG(seed).standard_normal((11, 2))
        query = RobustCoreset(outliers=outliers).select(pool(labelled, latent=z), 3, RNG(0))
        best = brute_radius(z, labelled, 3, outliers)
        rest = np.setdiff1d(np.arange(11), labelled)
        gap = np.linalg.norm(z[rest][:, None] - z[[*labelled, *query.rows]], axis=2).min(1)
        assert np.sort(gap)[-1 - outliers] == pytest.approx(best, rel=1e-5)
        assert query.score == pytest.approx(best, rel=1e-5)
        assert set(query.source) == {"robust k-center"}
        greedy = TACoreset().select(pool(labelled, latent=z), 3, RNG(0)).rows
        better += brute_radius(z, [*labelled, *greedy], 0, outliers) > best * 1.001
    assert better, "greedy was optimal everywhere: these points test nothing"


def test_outliers_may_leave_less_than_half_the_greedy_radius() -> None:
    z = [[0.0], [1.0], [-2.0], [100.0], [-101.0]]
    query = RobustCoreset(outliers=1).select(pool([0], latent=z), 1, RNG(0))
    assert query.rows[0] in (3, 4)
    np.testing.assert_allclose(query.score, 2)


def test_robust_core_set_falls_back_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = pool([0], latent=RNG(0).standard_normal((40, 2)))
    greedy = TACoreset().select(candidates, 5, RNG(0)).rows
    with pytest.warns(UserWarning, match="robust-coreset.*greedy"):
        late = RobustCoreset(time_limit=1e-9).select(candidates, 5, RNG(0))
    monkeypatch.setattr(robust, "MAX_PAIRS", 20)
    with pytest.warns(UserWarning, match="robust-coreset.*more than 20 pairs"):
        large = RobustCoreset().select(candidates, 5, RNG(0))
    monkeypatch.setattr(robust, "MAX_POINTS", 38)
    with pytest.warns(UserWarning, match="robust-coreset.*39 unlabelled images"):
        vast = RobustCoreset().select(candidates, 5, RNG(0))
    for query in (late, large, vast):
        np.testing.assert_array_equal(query.rows, greedy)
        assert set(query.source) == {"k-center (greedy fallback)"}


def test_robust_core_set_keeps_the_best_cover_when_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = pool([0], latent=RNG(1).standard_normal((30, 2)))
    greedy = TACoreset().select(candidates, 4, RNG(0))
    solved = robust.cover
    answers: list[bool] = []

    def once(*arguments: Any) -> Any:
        found = None if any(answers) else solved(*arguments)
        answers.append(found is not None and len(found) > 0)
        return found

    monkeypatch.setattr(robust, "cover", once)
    with pytest.warns(UserWarning, match="may not be the smallest"):
        query = RobustCoreset().select(candidates, 4, RNG(0))
    assert set(query.source) == {"robust k-center (time limit)"}
    z = candidates.values["latent"]
    radius = [np.linalg.norm(z[:, None] - z[[0, *rows]], axis=2).min(1).max() for rows in (query.rows, greedy.rows)]
    assert radius[0] < radius[1]
    assert radius[0] <= query.score[0] * (1 + 1e-6)


# pixels -----------------------------------------------------------------------------------------------------


def images(n: int, seed: int = 0, size: int = 16) -> np.ndarray[Any, Any]:
    """Smooth images whose principal values fall as fast as those of natural ones."""
    axes = np.linalg.qr(RNG(seed).standard_normal((48, 48)))[0] * np.geomspace(1, 1e-2, 48)
    coarse = torch.from_numpy(128 + 120 * RNG(seed + 1).standard_normal((n, 48)) @ axes.T).reshape(n, 3, 4, 4)
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 255).byte().numpy()


@pytest.mark.parametrize(("n", "components", "exact"), [(30, 512, 30), (30, 512, 0), (90, 20, 90), (90, 20, 0)])
def test_pca_against_sklearn(n: int, components: int, exact: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways, in chunks of 7 images and blocks of 28."""
    monkeypatch.setattr(descriptors, "CHUNK_BYTES", 7 * 3 * 16 * 16 * 4)
    monkeypatch.setattr(descriptors, "EXACT", exact)
    pictures = images(n)
    candidates = pool(none=np.zeros(n), images=lambda rows: pictures[rows])
    found = descriptors.pca_pixels(candidates, components)
    kept = min(components, n - 1)
    flat = pictures.reshape(n, -1) / 127.5 - 1
    expected = PCA(kept, svd_solver="full").fit_transform(flat)
    assert found.shape == (n, kept)
    gram = expected @ expected.T
    np.testing.assert_allclose(found.astype(np.float64) @ found.T, gram, atol=2e-4 * gram.max())
    assert descriptors.pca_pixels(candidates.also_labelled(np.array([1])), components) is found
    chosen = STRATEGIES["pca-coreset"](components=components).select(candidates, 5, RNG(0)).rows
    textbook = TACoreset().select(pool(latent=expected), 5, RNG(0)).rows
    np.testing.assert_array_equal(chosen, textbook)


def test_first_component_of_one_image_against_sklearn() -> None:
    pictures = images(5, size=20)
    pictures[3] = 77
    candidates = pool(none=np.zeros(5), images=lambda rows: pictures[rows])
    found = descriptors.per_image_pc1(candidates, size=20)
    for i in (0, 1, 2, 4):
        grey = np.tensordot([0.299, 0.587, 0.114], pictures[i].astype(float), axes=1)
        axis = PCA(1).fit(grey).components_[0]
        np.testing.assert_allclose(found[i], axis * np.sign(axis[np.abs(axis).argmax()]), atol=1e-3)
    np.testing.assert_array_equal(found[3], np.zeros(20))
    close = torch.diag(torch.tensor([1.0, *[0.99] * 19]))[None]  # two steps do not separate these
    np.testing.assert_allclose(descriptors._leading(close, steps=2)[0].abs(), np.eye(20)[0], atol=1e-3)


def test_round_robin_is_balanced() -> None:
    buckets = np.repeat([0, 1, 2], [10, 2, 5])
    for number, expected in ((3, [1, 1, 1]), (6, [2, 2, 2]), (10, [4, 2, 4]), (17, [10, 2, 5])):
        pick = hashing.round_robin(buckets, number, RNG(number))
        assert len(np.unique(pick)) == number
        np.testing.assert_array_equal(np.bincount(buckets[pick], minlength=3), expected)
    first = [int(hashing.round_robin(buckets, 1, RNG(seed))[0]) for seed in range(300)]
    assert set(first) == set(range(10)), "members of a bucket are drawn at random"


def test_buckets_of_a_hash() -> None:
    z = RNG(0).standard_normal((400, 6))
    z[[3, 9]] = 0
    for banded in (False, True):
        label = hashing.hash_buckets(z, RNG(1), planes=5, bins=20, banded=banded)
        assert set(np.flatnonzero(label == label[3])) == {3, 9}
        assert len(np.unique(label)) == 21
    planes = RNG(1).standard_normal((6, 5))
    kept = np.delete(z, [3, 9], axis=0)
    bits = (kept - kept.mean(0)) @ planes > 0
    fine = hashing.hash_buckets(z, RNG(1), planes=5, bins=32)
    for i, j in itertools.combinations(range(60), 2):
        rows = np.delete(np.arange(400), [3, 9])[[i, j]]
        assert (fine[rows[0]] == fine[rows[1]]) == bool((bits[i] == bits[j]).all())


def test_smallest_group_joins_its_nearest() -> None:
    x = np.array([[0.0], [0.1], [5.0], [9.0], [9.1], [9.2]])
    np.testing.assert_array_equal(hashing.merge(x, np.array([7, 7, 3, 1, 1, 1]), 2), [1, 1, 0, 0, 0, 0])


def test_bands_join_equal_images_only() -> None:
    x = np.repeat(RNG(0).standard_normal((8, 40)), 3, axis=0)
    label = hashing.banded_groups(x, RNG(1))
    np.testing.assert_array_equal(np.unique(label, return_counts=True)[1], [3] * 8)


def test_many_groups_are_merged_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "MOST", 4)
    x = np.concatenate([np.full((5, 1), v) for v in (0.0, 10, 20, 30)] + [np.array([[1.0], [11], [29]])])
    groups = np.concatenate([np.repeat(np.arange(4), 5), [4, 5, 6]])
    np.testing.assert_array_equal(hashing.merge(x, groups, 4)[-3:], [0, 1, 3])


def test_hashing_splits_the_budget() -> None:
    pictures = images(60)
    score = RNG(0).random(60)
    candidates = pool([2, 5], least_confidence=score, images=lambda rows: pictures[rows])
    for descriptor in ("per_image_pc1", "pca_pixels"):
        query = UncPCAHash(ratio=0.7, descriptor=descriptor, size=16).select(candidates, 10, RNG(0))
        free = np.setdiff1d(np.arange(60), [2, 5])
        np.testing.assert_array_equal(query.rows[:7], free[np.argsort(-score[free])][:7])
        assert query.source == ("least-confidence",) * 7 + ("hash",) * 3
        assert len(np.unique(query.rows)) == 10


# mixture ----------------------------------------------------------------------------------------------------


def test_union_of_identical_rankings_ends_in_three_passes() -> None:
    asked: list[int] = []

    class Counted(UncertaintySampling):
        def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> Query:
            asked.append(budget)
            return super().select(candidates, budget, rng)

    both = Mixture(Counted("bvsb"), Counted("bvsb"), 0.5)
    query = both.select(pool(bvsb=np.arange(10.0)), 4, RNG(0))
    np.testing.assert_array_equal(query.rows, [9, 8, 7, 6])
    assert asked == [2, 2, 1, 1, 1]


# suggestive annotation --------------------------------------------------------------------------------------


def test_cover_prefers_a_new_direction() -> None:
    members = np.array([[1.0, 0], [1, 0], [0, 1]])[:, None]
    strategy = Suggestive(pool_factor=1.5)
    query = strategy.select(pool(members=members, committee_variance=[1.0, 1, 1]), 2, RNG(0))
    np.testing.assert_array_equal(query.rows, [0, 2])
    np.testing.assert_allclose(query.score, [2, 1])


@pytest.mark.parametrize("cache", [0, 2**30])
def test_greedy_cover_against_the_definition(cache: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestive, "CACHE_BYTES", cache)
    monkeypatch.setattr(suggestive, "CHUNK_FLOATS", 50)
    for seed in range(5):
        members = RNG(seed).standard_normal((40, 3, 5)).astype(np.float32)
        members[7] = 0
        variance = RNG(seed + 50).random(40)
        candidates = pool([1, 2, 11], members=members, committee_variance=variance)
        query = Suggestive(pool_factor=2).select(candidates, 8, RNG(0))
        u = candidates.unlabelled
        cosine = np.array([[
            np.mean([a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-8) for a, b in zip(x, y, strict=True)])
            for y in members] for x in members]).clip(0)  # fmt: skip
        uncertain = sorted(u[np.argsort(-variance[u], kind="stable")][:16])
        chosen: list[int] = []
        for _ in range(8):
            cover = {i: cosine[[*chosen, i]][:, u].max(0).sum() for i in uncertain if i not in chosen}
            chosen.append(max(cover, key=lambda i: cover[i]))
        np.testing.assert_array_equal(query.rows, chosen)
        total = cosine[chosen][:, u].max(0).sum()
        assert query.score.sum() == pytest.approx(total, rel=1e-5)


def test_committee_variance_is_that_of_the_foreground() -> None:
    p = torch.rand(4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    prediction = Prediction(torch.arange(2), passes=passes_of(list(p)), members=torch.ones(2, 4, 5))
    measured = Suggestive().measure(prediction)["committee-variance"]
    np.testing.assert_allclose(measured, p.numpy().var(0).mean((1, 2)), atol=1e-6)


# ASA --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labelled", [[], [0, 4, 9]])
@pytest.mark.parametrize("mode", ["greedy", "independent"])
@pytest.mark.parametrize("seed", range(4))
def test_discrepancy_against_the_definition(mode: Any, labelled: list[int], seed: int) -> None:
    z = RNG(seed).standard_normal((25, 3)) * [3, 1, 1]
    disagreement = RNG(seed + 9).random(25)
    candidates = pool(labelled, members_mean=z, disagreement=disagreement)
    query = ASA(mode=mode, pool_factor=2.5).select(candidates, 8, RNG(0))
    gap = np.linalg.norm(z[:, None] - z[None], axis=2)
    sigma = np.median(gap[np.triu_indices(25, 1)])
    k = np.exp(-(gap**2) / (2 * sigma**2))

    def mmd(left: list[int]) -> float:
        right = [i for i in range(25) if i not in left]
        return float(k[np.ix_(left, left)].mean() + k[np.ix_(right, right)].mean() - 2 * k[np.ix_(left, right)].mean())

    u = candidates.unlabelled
    uncertain = sorted(u[np.argsort(-disagreement[u])][:20])
    chosen: list[int] = []
    if mode == "independent":
        chosen = sorted(uncertain, key=lambda i: mmd([*labelled, i]))[:8]
    else:
        for _ in range(8):
            left = [i for i in uncertain if i not in chosen]
            chosen.append(min(left, key=lambda i: mmd([*labelled, *chosen, i])))
    np.testing.assert_array_equal(query.rows, chosen)
    if mode == "independent":  # scores are MMD² but for what all candidates share
        true = np.array([mmd([*labelled, i]) for i in chosen])
        np.testing.assert_allclose(np.diff(query.score), np.diff(true), atol=1e-9)


def test_bandwidth_of_equal_points_is_one() -> None:
    assert asa.median_distance(np.ones((5, 2))) == 1
    assert asa.median_distance(np.array([[0.0], [3.0]])) == 3
    z = RNG(0).standard_normal((3000, 2))
    everything = np.median(np.linalg.norm(z[::3, None] - z[None, 1::3], axis=2))
    assert asa.median_distance(z) == pytest.approx(everything, rel=0.05)


# clustering -------------------------------------------------------------------------------------------------


def test_feature_discrepancy_against_the_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(3, 8, 8, generator=generator)
    p[2] = 0
    features = torch.rand(3, 5, 4, 4, generator=generator)
    similarity, descriptor = clustering.feature_discrepancy(binary(p), features)
    small = p.reshape(3, 4, 2, 4, 2).mean((2, 4)).double().numpy()
    e = features.double().numpy()
    for i in (0, 1):
        f1, f0 = (e[i] * small[i]).mean((1, 2)), (e[i] * (1 - small[i])).mean((1, 2))
        assert float(similarity[i]) == pytest.approx(f1 @ f0 / np.linalg.norm(f1) / np.linalg.norm(f0), rel=1e-5)
    assert float(similarity[2]) == 1, "no polyp found is the most uncertain"
    np.testing.assert_allclose(descriptor, e.mean((2, 3)), rtol=1e-5)


def test_weight_pulls_a_centroid_onto_its_point() -> None:
    x = np.array([[0.0], [1], [2], [100], [101], [105]])
    similarity = np.array([0.01, 0.01, 1, 0.01, 1, 0.01])
    query = UncertaintyClustering().select(pool(feature_mean=x, feature_similarity=similarity), 2, RNG(0))
    assert set(query.rows) == {2, 4}
    plain = UncertaintyClustering(uncertainty=False)
    assert set(plain.select(pool(feature_mean=x, feature_similarity=similarity), 2, RNG(0)).rows) == {1, 4}
    x[:3] = [[0], [1], [5]]
    assert 1 in plain.select(pool(feature_mean=x, feature_similarity=similarity), 2, RNG(0)).rows
    top = UncertaintyClustering(clustering=False)
    ranked = top.select(pool(feature_mean=x, feature_similarity=similarity), 3, RNG(0))
    np.testing.assert_array_equal(ranked.rows, [2, 4, 0])


def test_fewer_distinct_features_than_picks() -> None:
    x = np.repeat([[0.0], [1.0]], 4, axis=0)
    similarity = np.array([0.1, 0.2, 0.9, 0.3, 0.1, 0.4, 0.5, 0.6])
    query = UncertaintyClustering().select(pool(feature_mean=x, feature_similarity=similarity), 4, RNG(0))
    assert set(query.rows[:2]) == {2, 7}
    np.testing.assert_array_equal(query.rows[2:], [6, 5])
    assert query.source == ("cluster", "cluster", "top-up", "top-up")


def test_weighted_k_means_against_sklearn() -> None:
    x, w = RNG(0).standard_normal((120, 4)), RNG(1).random(120) + 0.01
    ours = weighted_kmeans(x, w, 8, RNG(2))
    theirs = KMeans(8, n_init=10, random_state=0).fit(x, sample_weight=w).inertia_
    objective = sum(
        w[i] * ((x[i] - np.average(x[ours.assignment == k], axis=0, weights=w[ours.assignment == k])) ** 2).sum()
        for k in range(8) for i in np.flatnonzero(ours.assignment == k))  # fmt: skip
    assert objective <= theirs * 1.03
    assert ours.inertia == pytest.approx(objective, rel=1e-3)


# CEAL -------------------------------------------------------------------------------------------------------


def test_ceal_asks_the_uncertain_and_trusts_the_confident() -> None:
    p = torch.full((4, 2, 2), 0.5)
    p[1, 0, 0] = 5e-4  # one confident pixel, H = 0.0043
    p[2] = 0.3
    p[3] = 1e-5
    strategy = CEAL(delta=0.005, decay=0.001)
    measured = {key: value.numpy() for key, value in strategy.measure(
        Prediction(torch.arange(4), probabilities=binary(p))).items()}  # fmt: skip
    for stage, delta, confident in ((0, 0.005, [1, 3]), (3, 0.002, [3])):
        query = strategy.select(pool([], stage, **measured), 1, RNG(0))
        np.testing.assert_array_equal(query.rows, [0])
        assert query.pseudo is not None
        np.testing.assert_array_equal(query.pseudo.rows, confident)
        assert query.pseudo.kind == "confident"
        assert query.pseudo.threshold == pytest.approx(delta)
    assert strategy.select(pool([], 5, **measured), 1, RNG(0)).pseudo is None
    margin = CEAL(uncertainty="margin").measure(Prediction(torch.arange(4), probabilities=binary(p)))
    np.testing.assert_array_equal(CEAL(uncertainty="margin").select(
        pool([2], **{k: v.numpy() for k, v in margin.items()}), 2, RNG(0)).rows, [0, 1])  # fmt: skip


def test_quantile_of_pixel_entropies() -> None:
    p = torch.rand(6, 16, 16, generator=torch.Generator().manual_seed(0)) ** 6
    strategy = CEAL(threshold="quantile", delta=0.3)
    measured = {key: value.numpy() for key, value in strategy.measure(
        Prediction(torch.arange(6), probabilities=binary(p))).items()}  # fmt: skip
    assert measured["entropy-histogram"].sum(1).tolist() == [256] * 6
    query = strategy.select(pool([4], **measured), 1, RNG(0))
    assert query.pseudo is not None
    unlabelled = uncertainty.entropy(binary(p))[[0, 1, 2, 3, 5]]
    assert query.pseudo.threshold == pytest.approx(float(np.quantile(unlabelled, 0.3)), rel=0.17)
    zeros = np.zeros(128)
    zeros[0] = 5
    assert ceal.quantile(zeros, 0.5) == ceal.UPPER[0]


# CEAL for melanoma ------------------------------------------------------------------------------------------


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
    prediction = Prediction(torch.arange(8), probabilities=binary(p.mean(0)), passes=passes_of(list(p)))
    measured = {key: value.numpy() for key, value in CEALMelanoma().measure(prediction).items()}
    assert np.isfinite(measured["contour-variance"]).all()
    assert measured["contour-variance"][5] == 0
    assert not measured["detected"][5]
    np.testing.assert_allclose(measured["contour-variance"][0], p[:, 0].numpy().var(0).sum(), rtol=1e-4)
    query = CEALMelanoma().select(pool([], **measured), 3, RNG(0))
    assert query.rows[0] == 5
    assert query.source[0] == "not-detected"


def test_shares_of_the_budget() -> None:
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


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("bvsb", {"top": 0.0}, r"top=0\.0: expected"),
        ("information-density", {"beta": -1.0}, r"beta=-1\.0: expected"),
        ("information-density", {"measure": "bvs"}, "'bvs': expected one of"),
        ("robust-coreset", {"time_limit": 0.0}, r"time_limit=0\.0: expected"),
        ("robust-coreset", {"outliers": -1}, "outliers=-1: expected"),
        ("pca-coreset", {"components": 0}, "components=0: expected"),
        ("unc-pca-hash", {"ratio": 1.5}, r"ratio=1\.5: expected"),
        ("unc-pca-hash", {"descriptor": "pc"}, "descriptor='pc': expected"),
        ("unc-pca-hash", {"planes": 0}, "planes=0: expected"),
        ("unc-pca-hash", {"bins": 0}, "bins=0: expected"),
        ("uncertainty-clustering", {"uncertainty": False, "clustering": False}, "expected at least one True"),
        ("uncertainty-clustering", {"restarts": 0}, "restarts=0: expected"),
        ("suggestive", {"pool_factor": 0.5}, r"pool_factor=0\.5: expected"),
        ("asa", {"pool_factor": 0.5}, r"pool_factor=0\.5: expected"),
        ("asa", {"mode": "all"}, "mode='all': expected"),
        ("ceal", {"uncertainty": "bald"}, "uncertainty='bald': expected"),
        ("ceal", {"delta": 2.0, "threshold": "quantile"}, r"delta=2\.0: expected"),
        ("ceal", {"decay": -1.0}, r"decay=-1\.0: expected"),
        ("ceal-melanoma", {"random": -1}, "random=-1: expected"),
        ("ceal-melanoma", {"mode": "mean"}, "mode='mean': expected"),
        ("ceal-melanoma", {"pseudo_kind": "firm"}, "pseudo_kind='firm': expected"),
    ],
)
def test_impossible_options_are_named(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        STRATEGIES[name](**options)
