"""What the next labels are likely to bring: honest intervals, and a stop where they bring nothing."""

from __future__ import annotations

import numpy as np
import pytest

from al_lightning.report.forecast import forecast
from al_lightning.report.plateau import gains, plateau


@pytest.mark.parametrize("points", [3, 4, 5, 6])
@pytest.mark.parametrize("noise", [0.004, 0.012, 0.02])
def test_an_interval_of_80_percent_holds_the_next_score_at_least_so_often(points: int, noise: float) -> None:
    """Power laws of many shapes, with the noise of trainings: what comes next is in the interval."""
    rng = np.random.default_rng(points)
    hits, widths = 0, []
    for _ in range(120):
        ceiling, exponent, slope = rng.uniform(0.6, 0.95), rng.uniform(0.2, 1.2), rng.uniform(0.5, 4)
        labels = 50.0 + 50 * np.arange(points + 1)
        scores = ceiling - slope * labels**-exponent + rng.normal(0, noise, points + 1)
        found = forecast(labels[:points].tolist(), scores[:points].tolist())
        assert found is not None
        _, low, high = found.at(labels[points])
        hits += bool(low <= scores[points] <= high)
        widths.append(high - low)
    assert hits >= 0.75 * 120
    assert np.mean(widths) < 0.13, "an interval that holds everything says nothing"


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("offset", [0, 1])
def test_an_interval_for_the_mean_of_seeds_holds_it_and_is_narrower(seeds: int, offset: int) -> None:
    """All points of all seeds in one fit, whether trainings differ by chance alone or a seed stays better than another:
    three selections ahead too."""
    rng = np.random.default_rng(seeds)
    hits, widths = np.zeros(2), []
    for _ in range(60):
        ceiling, exponent, slope = rng.uniform(0.6, 0.95), rng.uniform(0.2, 1.2), rng.uniform(0.5, 4)
        labels = 50.0 + 50 * np.arange(7)
        scores = ceiling - slope * labels**-exponent + rng.normal(0, 0.015, (seeds, 7))
        scores += offset * rng.normal(0, 0.01, (seeds, 1))
        found = forecast(np.tile(labels[:4], seeds).tolist(), scores[:, :4].ravel().tolist())
        assert found is not None
        for k, stage in enumerate((4, 6)):
            _, low, high = found.at(labels[stage], trainings=seeds)
            hits[k] += low <= scores[:, stage].mean() <= high
        widths.append(np.ptp(found.at(labels[4], trainings=seeds)[1:]) / np.ptp(found.at(labels[4])[1:]))
    assert (hits >= 0.75 * 60).all()
    assert np.mean(widths) < 0.9


def test_no_score_is_above_1_and_no_error_below_0() -> None:
    found = forecast([50, 100, 150], [0.99, 0.995, 0.998])
    assert found is not None
    assert found.at(200)[2] == 1.0
    found = forecast([50, 100, 150], [0.02, 0.01, 0.001], larger_is_better=False)
    assert found is not None
    assert found.at(200)[1] == 0.0


def test_a_power_law_without_noise_is_continued() -> None:
    labels = [50, 100, 200, 400]
    found = forecast(labels, [0.9 - 2 * n**-0.5 for n in labels])
    assert found is not None
    assert found.at(800)[0] == pytest.approx(0.9 - 2 * 800**-0.5, abs=0.01)
    assert found.labels_for(0.83) == pytest.approx((2 / 0.07) ** 2, rel=0.35)


def test_errors_fall_to_a_floor() -> None:
    labels = [20, 40, 80, 160]
    found = forecast(labels, [0.5 + 6 * n**-0.7 for n in labels], larger_is_better=False)
    assert found is not None
    middle, low, high = found.at(320)
    assert low < 0.5 + 6 * 320**-0.7 < high
    assert middle == pytest.approx(0.5 + 6 * 320**-0.7, abs=0.05)
    assert found.limit()[0] >= 0


@pytest.mark.parametrize("scores", [[0.5, 0.6], [0.5], [], [0.5, float("nan"), 0.6]])
def test_too_few_points_say_nothing(scores: list[float]) -> None:
    assert forecast(list(range(10, 10 + len(scores))), scores) is None


def rows(*scores: float | None, metric: str = "miou") -> list[dict]:
    return [{"stage": k, "labelled": 50 * (k + 1), "test": {metric: score}} for k, score in enumerate(scores)]


def test_a_plateau_is_so_many_stages_of_little_gain() -> None:
    assert gains(rows(0.5, 0.6, 0.59)) == pytest.approx([10, -1])
    flat = rows(0.5, 0.7, 0.702, 0.701)
    assert plateau(flat, 0.5, 2)
    assert not plateau(flat, 0.5, 3)
    assert not plateau(flat, 0.1, 2)
    assert not plateau(flat, None, 1)
    assert not plateau(rows(0.5), 0.5, 1)
    assert plateau(rows(2.0, 1.9, 1.895, metric="rmse_cm"), 0.01, 1)
