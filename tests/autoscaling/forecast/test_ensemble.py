"""Loads of which the law is known: need is the load itself, and an arrival weighs one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from raytide.autoscaling.forecast.ensemble import EXPERTS, JUDGED_Q, Forecast, begin, coverage, outlook, update
from raytide.autoscaling.forecast.season import DAY_S
from raytide.autoscaling.forecast.work import Seconds

INTERVAL_S, LEAD_S = 5, 120.0
NUM_DUE = round(LEAD_S / INTERVAL_S)
Load = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def _seconds(load: np.ndarray) -> Seconds:
    return Seconds(arrivals=np.ones(len(load)), work=load, need=load)


def _watch(load: np.ndarray, forecast: Forecast | None = None, *, step_s: int = INTERVAL_S) -> Forecast:
    known = forecast or begin(largest_need=40.0, half_life_s=5400.0)
    for start in range(0, len(load), step_s):
        known = update(
            known,
            _seconds(load[start : start + step_s]),
            now_s=float(start + step_s),
            lead_s=LEAD_S,
            num_due=round(LEAD_S / step_s),
        )
    return known


def _positive(load: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(0.1, load))


def _stationary(random: np.random.Generator, at_s: np.ndarray) -> np.ndarray:
    return _positive(8 + 2 * random.normal(size=len(at_s)))


def _wandering(random: np.random.Generator, at_s: np.ndarray) -> np.ndarray:
    return _positive(12 + np.cumsum(random.normal(0, 0.03, len(at_s))) + 0.5 * random.normal(size=len(at_s)))


def _trending(random: np.random.Generator, at_s: np.ndarray) -> np.ndarray:
    return _positive(4 + 8 * np.abs((at_s % 7200) / 3600 - 1) + 0.5 * random.normal(size=len(at_s)))


def _bursty(random: np.random.Generator, at_s: np.ndarray) -> np.ndarray:
    bursts = np.repeat(random.random(len(at_s) // 20 + 1) < 0.1, 20)[: len(at_s)]
    return _positive(5 + random.normal(0, 0.5, len(at_s)) + 10 * bursts)


@pytest.mark.parametrize("load", [_stationary, _wandering, _trending, _bursty])
def test_the_measured_coverage_is_the_nominal_one(load: Load) -> None:
    watched = _watch(load(np.random.default_rng(5), np.arange(4 * 3600.0)))
    measured = coverage(watched)
    assert measured is not None
    assert measured == pytest.approx(JUDGED_Q, abs=0.02)


def test_the_quantile_of_a_known_law_is_found() -> None:
    seen = outlook(_watch(_stationary(np.random.default_rng(7), np.arange(3 * 3600.0))))
    assert seen is not None
    assert seen.quantile(0.5) == pytest.approx(8.0, rel=0.05)
    assert seen.quantile(0.98) == pytest.approx(8.0 + 2 * 2.054, rel=0.05)
    assert seen.share_above(np.array([0.0, 8.0, 30.0])) == pytest.approx([1.0, 0.5, 0.0], abs=0.06)


def test_weight_moves_to_the_regression_where_levels_return_to_a_mean() -> None:
    random, load = np.random.default_rng(2), np.zeros(3 * 3600)
    for at in range(1, len(load)):
        load[at] = load[at - 1] * np.exp(-1 / 60) + 0.4 * random.normal()
    seen = outlook(_watch(np.maximum(0.1, 10 + load)))
    assert seen is not None
    assert seen.weights[EXPERTS.index("regression")] > seen.weights[EXPERTS.index("level")]


def test_weight_moves_to_the_season_on_the_second_day() -> None:
    at_s = np.arange(1.5 * DAY_S)
    load = 20 + 18 * np.sin(2 * np.pi * at_s / 7200) * (np.sin(2 * np.pi * at_s / DAY_S) > 0)
    load += np.where((at_s % DAY_S // 600) % 7 == 3, 12.0, 0.0)
    seen = outlook(_watch(load, step_s=30))
    assert seen is not None
    assert float(seen.weights.sum()) == pytest.approx(1.0)
    assert seen.weights[EXPERTS.index("season")] > 0.5


def test_the_season_is_silent_on_the_first_day() -> None:
    seen = outlook(_watch(_stationary(np.random.default_rng(1), np.arange(1800.0))))
    assert seen is not None
    assert seen.weights[EXPERTS.index("season")] == 0.0


def test_there_is_no_outlook_before_a_guess_could_be_judged() -> None:
    load = _stationary(np.random.default_rng(1), np.arange(60 + LEAD_S))
    assert outlook(_watch(load[:60])) is None
    assert coverage(_watch(load[:60])) is None
    assert outlook(_watch(_stationary(np.random.default_rng(1), np.arange(60 + LEAD_S + 2 * INTERVAL_S)))) is not None


def test_several_quantiles_are_those_asked_for_one_by_one() -> None:
    seen = outlook(_watch(_bursty(np.random.default_rng(1), np.arange(1800.0))))
    assert seen is not None
    shares = np.array([0.5, 0.9, 0.99])
    assert seen.quantiles(shares).tolist() == [seen.quantile(share) for share in shares.tolist()]


def test_no_need_below_zero_is_expected_after_a_load_that_ends_again_and_again() -> None:
    """Levels that fall behind an end teach errors far below zero, and the next end is expected to be as deep."""
    on_and_off = np.tile(np.repeat([20.0, 0.0], [300, 600]), 8)
    seen = outlook(_watch(on_and_off))
    assert seen is not None
    assert seen.quantiles(np.array([0.01, 0.5, 0.99])).min() >= 0.0
