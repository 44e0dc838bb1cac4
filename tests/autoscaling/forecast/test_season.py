from __future__ import annotations

import numpy as np
import pytest

from raytide.autoscaling.forecast.season import DAY_S, NO_SEASON, Season

STEP_S = 60


def _curve(at_s: float) -> float:
    return 10.0 + 4.0 * float(np.sin(2 * np.pi * at_s / DAY_S))


def _after(days: float) -> Season:
    season = NO_SEASON
    for step in range(1, round(days * DAY_S / STEP_S) + 1):
        season = season.after(float(step * STEP_S), np.full(STEP_S, _curve((step - 0.5) * STEP_S)))
    return season


def test_nothing_is_said_before_a_whole_day_was_seen() -> None:
    assert NO_SEASON.change(0.0, 600.0) is None
    assert _after(0.5).change(0.5 * DAY_S, 600.0) is None


@pytest.mark.parametrize("hour", [0.5, 6.0, 13.0, 19.5])
@pytest.mark.parametrize("ahead_s", [300.0, 1800.0])
def test_it_learns_the_curve_of_a_day(hour: float, ahead_s: float) -> None:
    now_s = DAY_S + hour * 3600
    rise = _after(1.1).change(now_s, ahead_s)
    assert rise == pytest.approx(_curve(now_s + ahead_s) - _curve(now_s), abs=0.05)


def test_the_curve_has_no_step_at_midnight() -> None:
    season = _after(1.1)
    rises = [season.change(2 * DAY_S - 900 + 60 * minute, 60.0) for minute in range(30)]
    assert max(abs(rise) for rise in rises if rise is not None) < 0.05


def test_the_latest_day_counts_more_than_the_one_before() -> None:
    slot = NO_SEASON.after(600.0, np.full(600, 1.0)).after(DAY_S + 600.0, np.full(600, 3.0))
    assert 2.0 < slot.sums[0] / slot.weights[0] < 3.0


def test_an_observation_of_no_second_changes_nothing() -> None:
    assert NO_SEASON.after(100.0, np.zeros(0)) is NO_SEASON
