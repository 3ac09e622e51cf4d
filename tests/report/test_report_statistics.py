"""The figures of a report, each against a few independent lines."""

import numpy as np
import pytest
from scipy import stats

from al_lightning.report.penalty import Setting, checkpoints, penalty_matrix
from al_lightning.report.statistics import aubc, label_efficiency, paired_difference, summarise


def test_summary_agrees_with_scipy():
    values = np.random.default_rng(0).normal(0.7, 0.05, (5, 4))
    summary = summarise(values)
    for k in range(4):
        interval = stats.ttest_1samp(values[:, k], 0.0).confidence_interval(0.95)
        assert summary.mean[k] == pytest.approx(values[:, k].mean())
        assert summary.sd[k] == pytest.approx(values[:, k].std(ddof=1))
        assert (summary.low[k], summary.high[k]) == pytest.approx((interval.low, interval.high))
    assert summary.count.tolist() == [5] * 4


def test_summary_leaves_missing_seeds_out_and_gives_one_seed_no_band():
    values = np.array([[0.5, 0.6, 0.7, np.nan], [0.7, 0.8, np.nan, np.nan], [0.6, np.nan, np.nan, np.nan]])
    summary = summarise(values)
    assert summary.count.tolist() == [3, 2, 1, 0]
    np.testing.assert_allclose(summary.mean, [0.6, 0.7, 0.7, np.nan])
    np.testing.assert_allclose(summary.sd, [0.1, np.sqrt(0.02), np.nan, np.nan])
    assert np.isfinite(summary.low).tolist() == [True, True, False, False]
    interval = stats.ttest_1samp([0.6, 0.8], 0.0).confidence_interval(0.95)
    assert summary.low[1] == pytest.approx(interval.low)


def test_paired_difference_agrees_with_scipy_and_pairs_by_seed():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.75, 0.1, 6), rng.normal(0.7, 0.1, 6)
    a[2] = np.nan
    got = paired_difference(a, b)
    z = (a - b)[np.isfinite(a)]
    test = stats.ttest_1samp(z, 0.0)
    interval = test.confidence_interval(0.95)
    assert got.count == 5
    assert (got.mean, got.p) == pytest.approx((z.mean(), test.pvalue))
    assert (got.low, got.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(("difference", "p"), [(0.1, 0.0), (0.0, 1.0)])
def test_paired_difference_of_zero_variance(difference, p):
    base = np.array([0.61, 0.72, 0.83])
    got = paired_difference(base + difference, base)
    assert got.p == p
    assert got.low == got.high == pytest.approx(difference)


def test_paired_difference_needs_two_pairs_for_an_interval():
    one = paired_difference(np.array([0.8, np.nan]), np.array([0.7, 0.6]))
    assert one.mean == pytest.approx(0.1)
    assert one.count == 1
    assert np.isnan([one.low, one.high, one.p]).all()
    assert paired_difference(np.array([np.nan]), np.array([1.0])).count == 0


def test_straight_line():
    line = np.linspace(0, 1, 11)
    assert aubc(line, line) == pytest.approx(0.5)
    assert label_efficiency(line, line, full=1.0) == pytest.approx(0.95)


def test_aubc_with_equal_steps_is_trapezoids_of_width_one_over_n_minus_one():
    metric = np.random.default_rng(2).random(7)
    assert aubc(90 + 90 * np.arange(7), metric) == pytest.approx(np.trapezoid(metric, dx=1 / 6))


def test_aubc_with_unequal_steps_weighs_them():
    budget, metric = np.array([400.0, 100.0, 200.0]), np.array([0.9, 0.3, 0.6])
    assert aubc(budget, metric) == pytest.approx((1 * 0.45 + 2 * 0.75) / 3)


def test_aubc_over_a_range_agrees_with_fine_interpolation():
    budget, metric = np.array([90.0, 180, 300, 450]), np.array([0.5, 0.7, 0.72, 0.8])
    fine = np.linspace(120, 400, 280_001)
    assert aubc(budget, metric, 120, 400) == pytest.approx(np.interp(fine, budget, metric).mean(), abs=1e-6)
    assert np.isnan(aubc(budget, metric, 120, 500))
    assert np.isnan(aubc(budget[:1], metric[:1]))
    assert np.isnan(aubc(budget, np.full(4, np.nan)))


@pytest.mark.parametrize("higher", [True, False])
def test_label_efficiency_agrees_with_a_fine_search(higher):
    cost = np.array([10.0, 20, 40, 80, 160])
    ratio = np.array([0.5, 0.71, 0.79, 0.78, 0.85])
    metric, full = (ratio, 0.8) if higher else (1 / ratio, 1 / 0.8)
    fine = np.linspace(10, 160, 1_500_001)
    curve = np.interp(fine, cost, metric)
    reached = curve >= 0.95 * full if higher else curve <= full / 0.95
    got = label_efficiency(cost, metric, full, higher_is_better=higher)
    assert got == pytest.approx(fine[np.argmax(reached)], abs=1e-3)


def test_label_efficiency_at_the_ends():
    cost, metric = np.array([10.0, 20, 30]), np.array([0.5, 0.6, 0.7])
    assert label_efficiency(cost, metric, full=0.8) is None
    assert label_efficiency(cost, metric, full=0.5) == 10.0
    assert label_efficiency(cost, 1 / metric, full=1.0, higher_is_better=False) is None
    assert label_efficiency(np.empty(0), np.empty(0), full=0.5) is None


def test_checkpoints_stop_where_the_baseline_is_within_a_hundredth_of_its_end():
    random = np.array([[0.60, 0.70, 0.80, 0.80, 0.801]])
    assert checkpoints(Setting({"random": random}, baseline="random")) == [0, 1]
    assert checkpoints(Setting({"random": 1 / random}, False, "random")) == [0, 1]
    assert checkpoints(Setting({"random": np.array([[np.nan, 0.8, 0.8]])}, baseline="random")) == [1]
    assert checkpoints(Setting({"other": random, "by-region": 0.9 * random}, baseline="by-region")) == [0, 1]
    assert checkpoints(Setting({"random": random})) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("higher", [True, False])
def test_penalty_matrix_agrees_with_a_loop_over_t_tests(higher):
    rng = np.random.default_rng(3)
    names = ["a", "b", "random"]
    settings = []
    for _ in range(2):
        gain = np.linspace(0, 0.2, 6)
        scores = {
            n: 0.6 + gain + lift + rng.normal(0, 0.02, (7, 6)) for n, lift in zip(names, (0.03, 0.01, 0), strict=True)
        }
        scores["b"][5:, 3:] = np.nan
        settings.append(Setting({n: v if higher else 1 / v for n, v in scores.items()}, higher, "random"))
    expected = np.zeros((3, 3))
    for setting in settings:
        mean = setting.values["random"].mean(axis=0)
        near = (mean > 0.99 * mean[-1]) if higher else (mean < mean[-1] / 0.99)
        columns = [0, *range(1, 1 + int(np.argmax(near[1:])))]
        for i in range(3):
            for j in range(3):
                for k in columns:
                    z = setting.values[names[i]][:5, k] - setting.values[names[j]][:5, k]
                    z = z if higher else -z
                    if i != j and z.mean() > 0 and stats.ttest_1samp(z, 0).pvalue < 0.05:
                        expected[i, j] += 1 / len(columns)
    got = penalty_matrix(settings, names)
    np.testing.assert_allclose(got, expected)
    assert 0 < got.max() <= 2
    assert (np.minimum(got[0, 2], got[2, 0]) == 0).all()


def test_penalty_matrix_of_zero_variance_and_of_one_seed():
    base = np.array([[0.60, 0.70], [0.65, 0.75]])
    setting = Setting({"a": base + 0.01, "random": base}, baseline="random")
    np.testing.assert_array_equal(penalty_matrix([setting], ["a", "random"]), [[0, 1], [0, 0]])
    single = Setting({"a": base[:1] + 0.01, "random": base[:1]}, baseline="random")
    assert not penalty_matrix([single], ["a", "random"]).any()
