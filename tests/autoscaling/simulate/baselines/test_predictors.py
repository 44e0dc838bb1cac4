from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raytide.autoscaling.simulate.baselines.predictors import KEPT, Kind, Series, Trend, autoregressed


def series(kind: Kind, values: Sequence[float]) -> Series:
    one = Series(kind=kind)
    for value in values:
        one = one.add(value)
    return one


def test_constant_is_the_last_value() -> None:
    assert series(Kind.CONSTANT, [3.0, 9.0, 4.0]).next() == 4.0


@pytest.mark.parametrize("kind", Kind)
def test_zeros_before_the_first_traffic_are_skipped(kind: Kind) -> None:
    idle = series(kind, [0.0, 0.0, 0.0])
    assert idle.values == ()
    assert idle.next() == 0.0
    assert idle.add(5.0).add(0.0).values == (5.0, 0.0)


def test_kalman_follows_the_filters_equations() -> None:
    # Level 10 with variance 1000, trend 0 with 1000. Ahead: P = [[1000 + 1000 + 1, 1000], [1000, 1000.1]].
    # Gain = 2001/2011 = 0.99503 and 1000/2011 = 0.49727; 12 − 10 = 2 adds 1.99005 and 0.99453: next 12.98458.
    trend = Trend(level=10.0).ahead().corrected(12.0)
    assert trend.level == pytest.approx(11.99005, abs=1e-5)
    assert trend.trend == pytest.approx(0.99453, abs=1e-5)
    assert series(Kind.KALMAN, [10.0, 12.0]).next() == pytest.approx(12.98458, abs=1e-5)


def test_kalman_learns_a_steady_trend() -> None:
    assert series(Kind.KALMAN, [100.0 + 3.0 * step for step in range(30)]).next() == pytest.approx(190.0, abs=0.5)


def test_arima_predicts_the_last_value_below_five() -> None:
    assert series(Kind.ARIMA, [5.0, 7.0, 1.0, 8.0]).next() == 8.0


def test_arima_continues_a_straight_line() -> None:
    assert autoregressed(np.array([10.0 + 2.0 * step for step in range(10)])) == pytest.approx(30.0, abs=0.01)


def test_arima_finds_an_autoregression() -> None:
    # x' = 10 + 0.8·(x − 10), which from 50 falls towards 10 without noise
    values = [10.0 + 40.0 * 0.8**step for step in range(14)]
    assert autoregressed(np.array(values)) == pytest.approx(10.0 + 40.0 * 0.8**14, rel=1e-3)


def test_arima_finds_an_oscillation() -> None:
    values = [20.0 + 10.0 * np.sin(step * 2.0 * np.pi / 8.0) for step in range(40)]
    expected = 20.0 + 10.0 * np.sin(40 * 2.0 * np.pi / 8.0)
    assert autoregressed(np.array(values)) == pytest.approx(expected, abs=0.1)


@example(Kind.ARIMA, [9.76933237930485e-146, 0.0, 6.848995887804759e-14, 0.0, 0.0, 50.0, 0.0, 0.0])  # beyond e^709
@given(st.sampled_from(list(Kind)), st.lists(st.floats(0.0, 1e6), max_size=80))
def test_a_prediction_is_finite_and_never_negative_and_memory_is_bounded(kind: Kind, values: list[float]) -> None:
    one = series(kind, values)
    assert np.isfinite(one.next())
    assert one.next() >= 0.0
    assert len(one.values) <= KEPT
