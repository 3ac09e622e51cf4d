"""What the next labels are likely to bring: honest intervals, and a stop where they bring nothing."""

from __future__ import annotations

import numpy as np
import pytest

from al_lightning.report.forecast import forecast, gains, plateau, said


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
    return [{"labelled": 50 * (k + 1), "test": {metric: score}} for k, score in enumerate(scores)]


def test_lines_after_a_stage() -> None:
    assert said(rows(0.5), 100) == []
    assert said(rows(0.5, 0.55), 150) == ["50 labels brought +5.0 points of mIoU; a forecast needs 3 stages"]
    first, second = said(rows(0.5, 0.6, 0.65, 0.68), 250)
    assert first.startswith("50 labels brought +3.0 points of mIoU; the next 50 are likely to bring ")
    assert "estimated ceiling" in second
    assert said(rows(0.5, 0.6, 0.65), None) == ["50 labels brought +5.0 points of mIoU"]
    assert said(rows(0.5, None, 0.65), 200) == ["100 labels brought +15.0 points of mIoU; a forecast needs 3 stages"]
    assert said(rows(2.0, 1.5, metric="rmse_cm"), 150)[0].startswith("50 labels brought -0.50 cm of RMSE")


def test_a_plateau_is_so_many_stages_of_little_gain() -> None:
    assert gains(rows(0.5, 0.6, 0.59)) == pytest.approx([10, -1])
    flat = rows(0.5, 0.7, 0.702, 0.701)
    assert plateau(flat, 0.5, 2)
    assert not plateau(flat, 0.5, 3)
    assert not plateau(flat, 0.1, 2)
    assert not plateau(flat, None, 1)
    assert not plateau(rows(0.5), 0.5, 1)
    assert plateau(rows(2.0, 1.9, 1.895, metric="rmse_cm"), 0.01, 1)
